"""Which flags a dataclass of arguments has: one list for help, completion and hints. Tyro parses them."""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import itertools
import textwrap
import types
import typing
from dataclasses import dataclass
from typing import Any, Literal

import tyro

PATHS = frozenset(
    [
        "data",
        "outdir",
        "out",
        "resume",
        "detector_weights",
        "sheet",
        "source",
        "destination",
        "path",
        "run",
        "runs",
        "what",
        "to",
        "weights",
        "photos",
        "between",
    ]
)
"""Arguments, by name, that are places on a disk, where they are text."""
LONGEST = 30
"""Characters of choices that stand beside their flag; longer ones are in its explanation."""
OWN_WORDS = {"device": ("auto", "cpu", "cuda", "mps"), "data": ("digits", "ring", "grid")}
"""Words that a text may also be."""


@dataclass(frozen=True)
class Flag:
    """A flag, or an argument without one.

    Attributes:
        name: without dashes, as typed: ``d-steps``.
        takes: what stands for its value in help, such as ``INT``; empty for a switch.
        words: what may be typed, where that is known.
        default: as it would be typed; empty for nothing worth showing.
        about: what it does.
        group: of the settings that it belongs to; empty for the command's own.
        positional: it is an argument without a flag.
        switch: it has a form with ``--no-``.
        many: it takes several values.
        is_path: of a file or folder.
    """

    name: str
    takes: str
    words: tuple[str, ...]
    default: str
    about: str
    group: str
    positional: bool
    switch: bool
    many: bool
    is_path: bool

    @property
    def typed(self) -> str:
        """As it is typed, and what follows it."""
        if self.positional:
            return self.takes
        return f"--{self.name} {self.takes}".rstrip()


def flags_of(kind: type, default: Any = None) -> list[Flag]:
    """The flags of ``kind``, its own before those of the groups in it; ``default`` has the values that are shown."""
    own, groups = _collected(kind, default, "")
    return own + groups


def _collected(kind: type, default: Any, group: str) -> tuple[list[Flag], list[Flag]]:
    own: list[Flag] = []
    groups: list[Flag] = []
    hints, about = typing.get_type_hints(kind, include_extras=True), explanations(kind)
    for field in dataclasses.fields(kind):
        hint: Any = hints[field.name]
        marks: tuple[Any, ...] = ()
        if typing.get_origin(hint) is typing.Annotated:
            hint, marks = hint.__origin__, hint.__metadata__
        if tyro.conf.Fixed in marks:
            continue
        value = _default(field) if default is None else getattr(default, field.name)
        if dataclasses.is_dataclass(hint):
            # The settings as a whole have no name of their own: what is directly in them is the command's.
            inner = "" if any(getattr(mark, "name", None) == "" for mark in marks) else field.name
            direct, below = _collected(typing.cast(type, hint), value, inner)
            if inner:
                groups += direct + below
            else:
                own, groups = own + direct, groups + below
        else:
            own.append(_flag(field.name, hint, value, about.get(field.name, ""), group, tyro.conf.Positional in marks))
    return own, groups


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


def _flag(name: str, hint: Any, value: Any, about: str, group: str, positional: bool) -> Flag:
    kinds = [k for k in _alternatives(hint) if k is not type(None)]
    several = typing.get_origin(kinds[0]) is tuple
    one = _alternatives(typing.get_args(kinds[0])[0]) if several else kinds
    words = tuple(str(word) for k in one if typing.get_origin(k) is Literal for word in typing.get_args(k))
    switch = hint is bool
    is_path = name in PATHS and one == [str]
    if words and not positional:
        takes = "|".join(words)
        takes = takes if len(takes) <= LONGEST else "CHOICE"
    elif positional:
        takes = name.upper()
    elif bool in one:
        words, takes = ((), "") if switch else (("True", "False"), "True|False")
    else:
        takes = "PATH" if is_path else {str: "TEXT", int: "INT", float: "FLOAT"}.get(one[0], "TEXT")
    fixed = several and typing.get_args(kinds[0])[-1] is not Ellipsis
    if fixed:
        takes = " ".join([takes] * len(typing.get_args(kinds[0])))
    elif several:
        takes += " ..."
    if not words:
        words = OWN_WORDS.get(name, ())
    return Flag(
        name.replace("_", "-"), takes, words, _shown(value), about, group, positional, switch, several, is_path
    )  # fmt: skip


def _alternatives(hint: Any) -> list[Any]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return list(typing.get_args(hint))
    return [hint]


def _shown(value: Any) -> str:
    if value is None or value is False or value == ():
        return ""
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return "yes" if value is True else str(value)


@functools.cache
def explanations(kind: type) -> dict[str, str]:
    """The strings below the attributes of a dataclass, and of those that it inherits from; none without its source."""
    found: dict[str, str] = {}
    for owner in reversed(kind.__mro__):
        if not dataclasses.is_dataclass(owner):
            continue
        try:
            (definition,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
        except (OSError, TypeError, ValueError):
            continue
        assert isinstance(definition, ast.ClassDef)
        for attribute, text in itertools.pairwise(definition.body):
            if isinstance(attribute, ast.AnnAssign) and isinstance(attribute.target, ast.Name):
                match text:
                    case ast.Expr(value=ast.Constant(value=str(about))):
                        found[attribute.target.id] = " ".join(about.split())
    return found
