"""The steps of a run, played one by one."""

from __future__ import annotations

from typing import Protocol

from logan.analysis.probe import Probe
from logan.training.begin import Run


class Steps(Protocol):
    """The steps of a run from where it is on: the game's, the average of G, and the sums for the log.

    Attributes:
        images: real images that a step takes.
    """

    images: int

    def play(self, at_most: int) -> int:
        """Play between 1 and ``at_most`` steps; returns how many. The run's progress is moved by the caller."""
        ...

    def check_next(self) -> None:
        """Compare the next step with one by a plainer way."""
        ...


class SingleSteps:
    """Steps one by one, by the game's engine."""

    def __init__(self, run: Run, probe: Probe) -> None:
        self.run, self.probe = run, probe
        self.images = images_per_step(run)
        self._reals = run.parts.reals(run.progress.images)

    def play(self, at_most: int) -> int:
        """One."""
        run = self.run
        turn = self.probe.step(lambda: next(self._reals), run.parts.latents)
        run.average.update(run.parts.generator, self.images, run.progress.images + self.images)
        run.sums.count(run.sums.add(turn))
        return 1

    def check_next(self) -> None:
        """Let the engine compare its recording with the plain code."""
        self.run.parts.game.check_next()


def images_per_step(run: Run) -> int:
    """Real images that one step takes, of all ranks."""
    return run.config.game.batch * run.parts.game.real_batches_per_step
