"""Deliberate breakages: what a slip of the pen would do to the method, to its data or to its promises. See ``run.py``.

One file a part of the project. Each has ``BY_FILE``, ``{(file, tests): [(name, old, new), …]}``: a new breakage is a line there.
"""

from __future__ import annotations

from typing import NamedTuple

from . import data, engine, files, games, measures, method, runs, settings, snapshots

PARTS = (data, engine, files, games, measures, method, runs, settings, snapshots)


class Breakage(NamedTuple):
    """``old``, which occurs once in src/logan/``file``, becomes ``new``; the first to notice should be ``tests`` (of tests/)."""

    name: str
    file: str
    tests: str
    old: str
    new: str


BREAKAGES = [
    Breakage(name, *where, old, new)
    for part in PARTS
    for where, some in part.BY_FILE.items()
    for name, old, new in some
]
