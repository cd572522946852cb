"""Names in archives as a folder would have them: whoever packed them may have meant other places."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import TypeVar

Place = TypeVar("Place")


def by_clean_names(files: Iterable[tuple[str, Place]]) -> tuple[dict[str, Place], list[str]]:
    """Places by names as a folder would have them, and lines about names that had to be changed, or that come twice."""
    places: dict[str, Place] = {}
    outside: list[str] = []
    twice: list[str] = []
    for name, place in files:
        clean = _clean(name)
        if ".." in PurePosixPath(name.replace("\\", "/")).parts:
            outside.append(name)
        if clean in places:
            twice.append(clean)
        places[clean] = place
    notices = []
    if outside:
        notices.append(f"{_count(outside)} would lie outside, such as {outside[0]}: taken as {_clean(outside[0])}")
    if twice:
        notices.append(f"{_count(twice)} there more than once, such as {twice[0]}: of each the last is taken")
    return places, notices


def _clean(name: str) -> str:
    """Without what leads up or to a root. Nothing is written there anyway."""
    parts = name.replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in ("", ".", ".."))


def _count(names: list[str]) -> str:
    return "1 file" if len(names) == 1 else f"{len(names):,} files"


def is_visible(name: str) -> bool:
    """Whether neither the file nor a folder above it is hidden."""
    return not any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)
