"""What a person is shown between two ticks, by the clock: soon after the start, then more and more rarely.

A tick and a snapshot come every so many images, whatever the clock, because a run that is killed and goes on must be the run that
never stopped. On a slow machine the first of them may be hours away. What is shown here is beside the run: nothing of it enters the
log, the state, or a number that training uses, and the one file that it writes is gone once a snapshot has a picture of its own.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import numpy as np

from logan.devices import synchronize
from logan.files import WriteError
from logan.side_effects import on_copies_of_state, same_random_numbers_next
from logan.training.begin import Run
from logan.training.durations import about
from logan.training.outputs import FIRST_STATISTICS_IMAGES, save_fakes

PICTURE = "fakes_now.png"
"""As ``fakes000200.png``, from the same latents; of a moment that the clock has chosen."""
FIRST_LINE, RAREST_LINE = 15.0, 600.0
"""Seconds without a line, after which there is one: at first, and at most."""
FIRST_PICTURE, RAREST_PICTURE = 60.0, 3600.0
DEARER = 10.0
"""Times as long as something took, until it is done again: it takes a tenth of the time at most."""
SETTLED = 3
"""Steps or launches before the rate is measured: engines record and compile in the first ones."""


class Rarer:
    """When something is due that comes ever more rarely: after ``first`` seconds, then twice as many each time, to ``most``."""

    def __init__(self, first: float, most: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._wait, self._most, self._clock = first, most, clock
        self._since = clock()

    def due(self) -> bool:
        """Whether it is time."""
        return self._clock() - self._since >= self._wait

    def done(self, seconds: float = 0.0) -> None:
        """It was done, in so many seconds."""
        self._wait = max(min(2 * self._wait, self._most), DEARER * seconds)
        self._since = self._clock()

    def not_needed(self) -> None:
        """Something better was there just now."""
        self._since = self._clock()


class Meanwhile:
    """Of a run that begins its steps now; rank 0 alone shows anything.

    Args:
        run: its progress is read, and nothing of it is changed.
        clock: seconds.
    """

    def __init__(self, run: Run, clock: Callable[[], float] = time.monotonic) -> None:
        self.run, self._clock = run, clock
        self._lines = Rarer(FIRST_LINE, RAREST_LINE, clock)
        self._pictures = Rarer(FIRST_PICTURE, RAREST_PICTURE, clock)
        self._looks, self._foretold, self._drawn = 0, False, False
        self._began, self._from = clock(), run.progress.images

    def look(self) -> None:
        """After a step or a launch that ends no tick."""
        if not self.run.world.first:
            return
        self._looks += 1
        line, picture = self._lines.due(), self._pictures.due()
        if self._looks == SETTLED or line or picture:
            synchronize(self.run.parts.device)  # what was asked for before is training, and not what comes now
        if self._looks == SETTLED:
            self._began, self._from = self._clock(), self.run.progress.images
        if line or picture:
            with self.run.stopwatch.stopped():
                self._show(line, picture)

    def ticked(self, snapshot: bool) -> None:
        """There was a line of the log; with ``snapshot`` a picture too."""
        self._lines.not_needed()
        if snapshot:
            self._pictures.not_needed()

    def _show(self, line: bool, picture: bool) -> None:
        before = self._clock()
        if line:
            self._say()
            self._lines.done()
        if picture:
            drawing = self._clock()
            self._draw()
            self._pictures.done(self._clock() - drawing)
        self._began += self._clock() - before

    def _rate(self) -> float | None:
        """Images per second since the engine has settled, or since the beginning of a step that takes very long."""
        images = self.run.progress.images - self._from
        return images / max(self._clock() - self._began, 1e-9) if images else None

    def _say(self) -> None:
        run, rate = self.run, self._rate()
        if rate is None:
            return
        images, length = run.progress.images, run.config.run.tick * run.config.run.snap * 1000
        left = (run.total - images) / rate
        if not self._foretold:
            self._foretold = True
            ahead = min((images // length + 1) * length, run.total)
            run.watch.say(
                f"{rate:,.3g} img/s here: {about(left)} to {run.total / 1000:g} kimg, beside pictures and scores; the next "
                f"snapshot in {about((ahead - images) / rate)}"
            )
        elif not run.watch.live:
            losses = {}
            if run.world.size == 1:
                losses = {name: total / run.sums.counts[name] for name, total in run.sums.read(run.world).items()}
            run.watch.between(losses, images, rate, left)

    def _draw(self) -> None:
        """The average of G as it is now, in ``fakes_now.png``; the statistics of its batch norms are measured on copies."""
        run = self.run
        numpy_state, python_state = np.random.get_state(), random.getstate()
        try:
            with same_random_numbers_next(run.parts.device), on_copies_of_state(run.average.module):
                save_fakes(run.path / PICTURE, run.parts, run.average, FIRST_STATISTICS_IMAGES)
        except WriteError as error:
            run.watch.say(f"warning: {error.problem}. Training goes on without that picture")
            return
        finally:
            np.random.set_state(numpy_state)
            random.setstate(python_state)
        if not self._drawn:
            self._drawn = True
            run.watch.say(
                f"a picture after {run.progress.images / 1000:.2g} kimg: {run.path / PICTURE} (drawn anew now and then, "
                f"until the next snapshot has its own)"
            )
