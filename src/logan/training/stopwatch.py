"""How long training takes, and nothing that a run does beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Lap:
    """Training since the last tick: seconds, and the images that D has seen meanwhile."""

    seconds: float
    images: int

    @property
    def images_per_second(self) -> float:
        return self.images / max(self.seconds, 1e-9)


class Stopwatch:
    """The seconds and the images since the last tick.

    Args:
        clock: seconds from some moment on, never less than before.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.start(0)

    def start(self, images: int) -> None:
        """A new lap from here on, where the run is at ``images`` images; the time since the last reading is in no lap."""
        self._started, self._images = self._clock(), images

    def leave_out(self, seconds: float) -> None:
        """So many seconds of this lap went to something else."""
        self._started += seconds

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """What happens inside, such as another run's turn, is in no lap."""
        began = self._clock()
        yield
        self.leave_out(self._clock() - began)

    def read(self, images: int) -> Lap:
        """The lap up to here, where the run is at ``images`` images; it goes on."""
        return Lap(self._clock() - self._started, images - self._images)
