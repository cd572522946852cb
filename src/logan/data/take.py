"""A file's bytes, if they are not too many; of a large one the first are looked at before the rest is read."""

from __future__ import annotations

from collections.abc import Callable

from .bounds import in_units
from .dataset import BrokenImage
from .formats import SUFFIXES, looks_like_an_image, no_image

WORTH_A_LOOK = 2**24
"""Bytes above which the first of a file are looked at before it is read."""


def take(read: Callable[[int], bytes], size: int, name: str, most: int) -> bytes:
    """``size`` bytes, if they are not more than ``most``, nor so many of what is no image."""
    check_size(size, name, most)
    parts: list[bytes] = []
    left = size
    look = size >= WORTH_A_LOOK and name.lower().endswith(SUFFIXES)
    while left:
        part = read(16 if look and not parts else left)
        if not part:
            raise BrokenImage(f"{name}: cut off, {size - left:,} of {size:,} bytes are there")
        if look and not parts and not looks_like_an_image(part, name):
            raise BrokenImage(f"{name}: broken image ({no_image(name)})")
        parts.append(part)
        left -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def check_size(size: int, name: str, most: int) -> None:
    """Raises BrokenImage for a file of more than ``most`` bytes."""
    if size > most:
        advice = "make it smaller, or leave it out"
        raise BrokenImage(f"{name}: {in_units(size)}, and of such a file {in_units(most)} are read; {advice}")
