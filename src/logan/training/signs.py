"""What all signs in the log of a run have in common: see :mod:`logan.training.alarms`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

Record = dict[str, Any]
WINDOW = 8
"""Ticks whose median is what is typical now. As many at the start of a run are no measure of it: D's lead is ten times as large."""


@dataclass(frozen=True)
class Trouble:
    """Something is wrong.

    Attributes:
        since: the step at which it began.
        what: a sentence without a full stop.
    """

    since: int
    what: str


class Alarm(Protocol):
    """One sign. ``name`` is what the log calls it."""

    name: str

    def __call__(self, record: Record) -> Trouble | None:
        """What is wrong after this record; None if nothing is, or the record does not tell."""
        ...


class Streak:
    """How long something has been wrong without a break."""

    def __init__(self, least: int) -> None:
        self.least, self.length, self.since = least, 0, 0

    def add(self, wrong: bool, step: int) -> bool:
        """Whether it has been so at ``least`` times in a row."""
        if wrong and self.length == 0:
            self.since = step
        self.length = self.length + 1 if wrong else 0
        return self.length >= self.least


def lead_of(record: Record, moved: float = 1.0) -> float | None:
    """D's lead D(x) − D(G(z)); the log has D(G(z′)), and what the move has gained where latents were moved."""
    real, fake, gain = record.get("real_score"), record.get("fake_score"), record.get("score_gain", 0.0)
    return None if real is None or fake is None or gain is None else real - fake + moved * gain
