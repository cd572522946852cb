"""What a person did wrong, said in one line that also says how to mend it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, get_args

_SETTING = re.compile(r"`([a-z]\w*)`")

_COMMANDS = re.compile(
    "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]|\\r(?!\\n)"
)
"""Control characters but tabs and ends of lines, and what turns the direction of text: a terminal obeys them."""

wording: Callable[[str], str] = str
"""How a message is put to a person: as it is. The command line, where settings are flags, puts its own here."""


class InputError(ValueError):
    """Bad input: a missing file, a broken image, an impossible setting or combination, a damaged checkpoint.

    The message names the thing that is wrong and says how to mend it, settings by their Python names in backquotes: "`trunc` must
    be in [0, 1], not 2". The command line makes flags of those, prints one line without a traceback, and exits with status 2.

    Attributes:
        field: the setting that is wrong: the first that the message names, unless another is given; None if it names none.
    """

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        named = _SETTING.search(message)
        self.field = named[1] if field is None and named else field

    def renamed(self, names: Mapping[str, str]) -> InputError:
        """The same mistake where settings have other names: those of ``names``, from the old to the new."""
        message = with_settings(str(self), lambda name: f"`{names.get(name, name)}`")
        return type(self)(message, None if self.field is None else names.get(self.field, self.field))


class NoSecondDerivativeError(InputError):
    """A network that cannot be differentiated as often as asked: the message names the operation, or the module that calls it."""


class AlarmError(Exception):
    """A run stopped itself because it showed signs of failing, with its state saved. The command line exits with status 3."""


class RunStopped(KeyboardInterrupt):
    """A run was stopped, has saved its state, and has said so in a line."""


class SaidElsewhereError(InputError):
    """The mistake that another rank says already."""


def with_settings(message: str, write: Callable[[str], str]) -> str:
    """``message`` with ``write(name)`` for each setting that stands in it in backquotes."""
    return _SETTING.sub(lambda found: write(found[1]), message)


def not_installed(what: str, package: str, extra: str) -> InputError:
    """That ``what`` needs a package which is not here, and which one of this project's extras brings.

    Example:
        >>> print(not_installed("`probe_eigenvalues`", "scipy", "analysis"))
        `probe_eigenvalues` needs scipy: pip install "logan-gan[analysis]"
    """
    return InputError(f'{what} needs {package}: pip install "logan-gan[{extra}]"')


def printable(text: str) -> str:
    """A text whose words come from files, made harmless for a terminal: what it would obey is written out.

    >>> print(printable("a name that clears the screen: \\x1b[2J"))
    a name that clears the screen: \\x1b[2J
    """
    return _COMMANDS.sub(lambda found: ascii(found[0])[1:-1], text)


def check_choices(owner: object, **kinds: Any) -> None:
    """Refuse attributes of ``owner`` that are none of the words of their ``Literal`` (InputError)."""
    for name, kind in kinds.items():
        value, words = getattr(owner, name), get_args(kind)
        if value not in words:
            raise InputError(f"`{name}` is one of {', '.join(words)}, not {value!r}")


def did_you_mean(word: str, choices: list[str]) -> str:
    """' (did you mean X?)' for the closest of ``choices``, or nothing if none is close."""
    import difflib

    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def first_line(error: BaseException, most: int = 160) -> str:
    """The first line of an error's message that says something, shortened; its type's name if it says nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return (lines[1] if lines[0].endswith(":") and len(lines) > 1 else lines[0])[:most]
