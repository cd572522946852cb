"""What a person did wrong, said in one line that also says how to mend it."""

from __future__ import annotations


class InputError(ValueError):
    """Bad input: a missing file, a broken image, a wrong flag, an impossible combination, a damaged checkpoint.

    The command line prints its message as one line, without a traceback, and exits with status 2. Inside the library it
    is a :class:`ValueError`. The message names the thing that is wrong and says how to mend it.
    """


class SaidElsewhereError(InputError):
    """The mistake that another rank says already."""


def did_you_mean(word: str, choices: list[str]) -> str:
    """' (did you mean X?)' for the closest of ``choices``, or nothing if none is close."""
    import difflib

    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""
