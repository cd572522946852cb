"""What is made at some cost and kept by key, where keys may change at every step."""

from __future__ import annotations

from typing import Any, Generic, Protocol, TypeVar

AT_ONCE = 2
"""So many are made as soon as they are wanted: steps of two kinds take turns."""
KEPT = 16
"""So many are kept: what changes may change back."""
REMEMBERED = 64
"""Keys whose number of times is remembered."""
HARDLY_USED = 50
"""Plays that making one is not worth."""


class Played(Protocol):
    """Something that counts how often it was played."""

    plays: int


T = TypeVar("T", bound=Played)


class Kept(Generic[T]):
    """Things by key. A new one is worth making once its key has come up ``patience`` times.

    Patience doubles whenever the last one that was made turns out to have been made for little. So what changes at every step
    is made a few times only.
    """

    def __init__(self) -> None:
        self.entries: dict[Any, T] = {}
        self.waited = 0
        """How often something was not made that would have been with less patience."""
        self._patience = 1
        self._times: dict[Any, int] = {}

    def get(self, key: Any) -> T | None:
        """What there is for the key."""
        return self.entries.get(key)

    def wants(self, key: Any) -> bool:
        """Count a key that has nothing yet, and say whether it is time to make it."""
        times = self._times.pop(key, 0) + 1
        self._times[key] = times
        if len(self._times) > REMEMBERED:
            del self._times[next(iter(self._times))]
        self.waited += times < self._patience
        return times >= self._patience

    def add(self, key: Any, entry: T) -> None:
        """Keep it, and forget the oldest of many."""
        newest = next(reversed(self.entries.values()), None)
        if len(self.entries) >= AT_ONCE and newest is not None and newest.plays < HARDLY_USED:
            self._patience = min(2 * self._patience, 1024)
        self._times.pop(key, None)
        if len(self.entries) >= KEPT:
            del self.entries[next(iter(self.entries))]
        self.entries[key] = entry

    def drop(self, key: Any) -> None:
        """Forget it."""
        self.entries.pop(key, None)
