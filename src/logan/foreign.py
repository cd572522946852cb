"""Structure that someone else wrote, read with stated bounds: JSON, and groups of fields as JSON and training states hold them.

A file may be damaged, cut short, written by another program, or meant to do harm. What is read through here has the kinds and the
ranges that were asked for, or there is an :class:`~logan.errors.InputError` that names the file and the field; never a traceback, a
number that is none, or a recursion without end.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from logan.errors import InputError, first_line
from logan.regular import read_regular

DEPTH = 32
"""Groups and lists within each other, at most."""
DIGITS = 20
"""Of a whole number, its sign with it: what 64 bits hold."""
MOST_BYTES = 2**20
"""Of a file of JSON that is read by its path, a run's options or its best score, which have a few thousand: lists within lists take
thirty times their text in memory. Of larger texts, such as the labels of a set, the caller knows how large they may be."""

_REQUIRED: Any = object()


def load_json(source: Path | str | bytes, what: str = "", advice: str = "") -> Any:
    """The value of a JSON text: none of its numbers NaN, infinite or of more than 64 bits, no name twice in a group, and no more
    than :data:`DEPTH` groups and lists within each other.

    Args:
        source: a file, no link and of :data:`MOST_BYTES` at most, or the text itself, UTF-8 if it is bytes.
        what: names it in messages; the file's path by default.
        advice: what to do if it is damaged.

    Raises:
        InputError: if the file cannot be read, or the text is not such.

    Example:
        >>> load_json('{"images": 200000}', "the header")
        {'images': 200000}
        >>> load_json('{"images": Infinity}', "the header", "write it anew")
        Traceback (most recent call last):
        logan.errors.InputError: the header is damaged (Infinity is not a number of JSON); write it anew
    """
    what = what or str(source)
    if isinstance(source, Path):
        source = _bytes_of(source, what, advice)
    try:
        text = source.decode("utf-8") if isinstance(source, bytes) else source
        value = json.loads(
            text, parse_int=_whole, parse_float=_finite, parse_constant=_no_constant, object_pairs_hook=_without_twins
        )
    except RecursionError:
        damaged(what, f"more than {DEPTH} groups and lists within each other", advice)
    except ValueError as error:  # not UTF-8, not JSON, or a number out of bounds
        damaged(what, first_line(error), advice)
    _check_depth(value, what, advice)
    return value


def load_group(source: Path | str | bytes, what: str = "", advice: str = "") -> dict[str, Any]:
    """The JSON object of a text, as :func:`load_json` reads it.

    Raises:
        InputError: as there, and if the text is something else.
    """
    value = load_json(source, what, advice)
    if not isinstance(value, dict):
        damaged(what or str(source), "no JSON object", advice)
    return value


def damaged(what: str, why: str, advice: str = "") -> NoReturn:
    """Say that something is damaged, why, and what to do.

    Raises:
        InputError: always.
    """
    raise InputError(f"{what} is damaged ({why})" + (f"; {advice}" if advice else ""))


class Fields:
    """Fields by name, asked for by kind and range.

    Args:
        values: of JSON, or of a training state.
        what: names them in messages, such as the file's path.
        advice: what to do if they are damaged.

    Raises:
        InputError: if ``values`` are not a group, and from each method for a field that is missing or has another kind or range.
            With a ``default`` a field may be missing; None may stand in its place if the default is None.

    Example:
        >>> header = Fields(load_json('{"images": 7, "name": "digits"}'), "a.npy", "prepare it again")
        >>> header.integer("images", least=0), header.word("name")
        (7, 'digits')
        >>> header.integer("size", least=1, most=8192)
        Traceback (most recent call last):
        logan.errors.InputError: a.npy is damaged (size is missing); prepare it again
    """

    def __init__(self, values: object, what: str, advice: str = "") -> None:
        self.what, self.advice = what, advice
        if not isinstance(values, Mapping) or not all(isinstance(name, str) for name in values):
            damaged(what, f"{shown(values)} where a group of fields should be", advice)
        self.values: Mapping[str, Any] = values

    def integer(self, name: str, *, least: int = -(2**63), most: int = 2**63 - 1, default: Any = _REQUIRED) -> Any:
        """A whole number in [``least``, ``most``]."""
        return self._take(name, default, lambda v: _is_int(v) and least <= v <= most, f"{_range(least, most, 2**63)}")

    def number(self, name: str, *, least: float = -math.inf, most: float = math.inf, default: Any = _REQUIRED) -> Any:
        """A finite number in [``least``, ``most``], as a float."""
        fits = lambda v: _is_number(v) and least <= v <= most  # noqa: E731
        value = self._take(name, default, fits, f"{_range(least, most, math.inf, 'a number')}")
        return value if value is None else float(value)

    def word(self, name: str, *, most: int = 1000, choices: Sequence[str] = (), default: Any = _REQUIRED) -> Any:
        """A text of ``most`` characters at most, or one of ``choices``."""
        kind = f"one of {', '.join(choices)}" if choices else f"a text of up to {most:,} characters"
        return self._take(
            name, default, lambda v: isinstance(v, str) and (v in choices if choices else len(v) <= most), kind
        )

    def truth(self, name: str, *, default: Any = _REQUIRED) -> Any:
        """True or false."""
        return self._take(name, default, lambda v: isinstance(v, bool), "true or false")

    def words(self, name: str, *, most: int = 10**6, default: Any = _REQUIRED) -> Any:
        """A list of texts."""
        fits = lambda v: _is_list(v, most) and all(isinstance(x, str) for x in v)  # noqa: E731
        return self._take(name, default, fits, f"a list of up to {most:,} texts")

    def items(self, name: str, *, most: int = 10**9, default: Any = _REQUIRED) -> Any:
        """A list of whatever."""
        return self._take(name, default, lambda v: _is_list(v, most), f"a list of up to {most:,}")

    def numbers(self, name: str, *, default: Any = _REQUIRED) -> Any:
        """A group of numbers by name; None where a number was not finite, as JSON has it."""
        fits = lambda v: _is_group(v) and all(x is None or _is_real(x) for x in v.values())  # noqa: E731
        return self._take(name, default, fits, "a group of numbers")

    def numbers_but(self, *names: str) -> None:
        """Whether all other fields are numbers, or None."""
        for name in self.values:
            if name not in names:
                self._take(name, None, _is_real, "a number")

    def group(self, name: str, *, default: Any = _REQUIRED) -> Any:
        """A group within this one, as :class:`Fields`."""
        value = self._take(name, default, _is_group, "a group of fields")
        return value if value is None else Fields(value, f"{self.what}: {name}", self.advice)

    def _take(self, name: str, default: Any, fits: Any, kind: str) -> Any:
        if name not in self.values:
            if default is _REQUIRED:
                damaged(self.what, f"{name} is missing", self.advice)
            return default
        value = self.values[name]
        if (value is None and default is None) or fits(value):
            return value
        damaged(self.what, f"{name} is {shown(value)}, not {kind}", self.advice)


def shown(value: object, most: int = 40) -> str:
    """A value in a message, cut short; nothing of it is called that could take long."""
    if isinstance(value, str):
        text = repr(value[: most + 1])
    elif value is None or isinstance(value, bool | float):
        text = repr(value)
    elif isinstance(value, int):
        text = str(value) if value.bit_length() <= 128 else f"a number of {value.bit_length():,} bits"
    else:
        text = f"a {type(value).__name__}"
    return text if len(text) <= most else text[:most] + "…"


def _bytes_of(path: Path, what: str, advice: str) -> bytes:
    try:
        return read_regular(path, MOST_BYTES, advice=advice)
    except OSError as error:
        raise InputError(f"{what} cannot be read ({error.strerror})") from None


def _whole(text: str) -> int:
    if len(text) > DIGITS:
        raise ValueError(f"a whole number of {len(text):,} digits")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is too large a number")
    return value


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number of JSON")


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    group: dict[str, Any] = {}
    for name, value in pairs:
        if name in group:
            raise ValueError(f"{shown(name)} stands twice in a group")
        group[name] = value
    return group


def _check_depth(value: Any, what: str, advice: str) -> None:
    """Level by level, so that nothing here recurses."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(DEPTH):
        if not level:
            return
        level = [
            x for one in level for x in (one.values() if isinstance(one, dict) else one) if isinstance(x, dict | list)
        ]
    if level:
        damaged(what, f"more than {DEPTH} groups and lists within each other", advice)


def _is_int(value: object) -> bool:
    return type(value) is int


def _is_real(value: object) -> bool:
    """A number that may be NaN or infinite, as losses of a run that diverged."""
    return type(value) is float or (type(value) is int and value.bit_length() <= 64)


def _is_number(value: object) -> bool:
    return _is_real(value) and math.isfinite(value)  # type: ignore[arg-type]


def _is_group(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(name, str) for name in value)


def _is_list(value: object, most: int) -> bool:
    return isinstance(value, list | tuple) and len(value) <= most


def _range(least: float, most: float, none: float, kind: str = "a whole number") -> str:
    if least <= -none and most >= none - 1:
        return kind
    if most >= none - 1:
        return f"{kind} from {least:,} on"
    return f"{kind} from {least:,} to {most:,}"
