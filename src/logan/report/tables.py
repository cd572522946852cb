"""Tables as text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence


def markdown(head: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """A table in Markdown; its last line ends."""
    first, *others = ("| " + " | ".join(map(str, row)) + " |\n" for row in (head, *rows))
    return "".join([first, "|" + "---|" * len(head) + "\n", *others])


def comma_separated(head: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """A table as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([head, *rows])
    return text.getvalue()
