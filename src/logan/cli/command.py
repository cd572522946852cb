"""What a command is: what it takes, and how a person is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from logan.cli.flags import Flag, flags_of

T = TypeVar("T")


@dataclass(frozen=True)
class Command(Generic[T]):
    """A command's name, arguments and help. Its file has it as ``COMMAND``, and main.py its name.

    Attributes:
        name: as it is typed after logan: ``train``, ``data prepare``.
        takes: a frozen dataclass; every attribute is a flag, the string below it its explanation.
        about: what it does, in a paragraph or two; the first sentence is enough to begin with.
        examples: lines to type, without "logan", and what they do.
        common: the flags that --help shows, in this order; all, if there are none here.
        words: words for flags whose type is text, by name; completion offers them.
        also: another command whose flags may follow, and go to what it runs.
        without: flags that have no meaning here, and are not shown.
    """

    name: str
    takes: type[T]
    about: str = ""
    examples: Sequence[tuple[str, str]] = ()
    common: Sequence[str] = ()
    words: dict[str, tuple[str, ...]] = field(default_factory=dict)
    also: Command[Any] | None = None
    without: Sequence[str] = ()

    @property
    def prog(self) -> str:
        """What is typed: ``logan train``."""
        return f"logan {self.name}"

    def flags(self, default: Any = None) -> list[Flag]:
        """All flags, also those of :attr:`also`; ``default`` has the values that are shown."""
        found = flags_of(self.takes, default)
        if self.also is not None:
            own = {flag.name for flag in found}
            found += [f for f in self.also.flags() if f.name not in own and not f.positional]
        words = {**(self.also.words if self.also else {}), **self.words}
        return [
            replace(flag, words=words[flag.name], takes=flag.takes.replace("TEXT", "NAME"))
            if flag.name in words
            else flag
            for flag in found
            if f"--{flag.name}" not in self.without and flag.name not in self.without
        ]
