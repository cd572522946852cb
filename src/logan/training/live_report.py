"""The page of a run while it goes on: ``report.html``, written at the start, at snapshots and at the end.

It changes no number of the run, takes at most a tenth of its time, and never ends it: where it cannot be written, one line says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from torch import nn

from logan.config import Config
from logan.data import Mixture
from logan.errors import InputError, first_line
from logan.files import WriteError
from logan.report import environment, looks, material, networks_of, page
from logan.report.frames import Encoder
from logan.report.looks import Looks, Networks
from logan.report.neighbours import Gallery
from logan.training.outputs import take_scores
from logan.training.setup import Parts

if TYPE_CHECKING:
    from logan.training.begin import Run

SHARE = 0.1
"""Of the time since the run began in this process, at most, but for what was begun before that was known."""
ALLOWANCE = 3.0
"""Seconds that the last page may take besides, so that a short run has a whole one."""
LOOK_AGAIN = (3.0, 60.0)
"""Seconds after which a browser looks again: half the time between two pages, within these."""


class LiveReport:
    """The page of a run in progress. Rank 0 alone has one.

    Args:
        run: from its beginning on.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.encoder = run, Encoder()
        self.began = self.written = time.monotonic()
        self.spent = 0.0
        self.every = 10.0
        self.looks = looks.none("the first snapshot is not there yet")
        self._gallery: Gallery | None = None
        self._warned = False
        self._safely(
            lambda: environment.write(run.path, run.config, run.parts.device, run.world.size, run.parts.game.engine)
        )

    def first(self) -> None:
        """Write the page of a run before its first step, or before it goes on."""
        self._safely(lambda: self._write(look=False, live=True))

    def refresh(self) -> None:
        """Write the page at a snapshot, unless the pages before have taken too much of the run's time; at the end, always."""
        last = self.run.progress.images >= self.run.total
        if last or self._has_time():
            now = time.monotonic()
            self.every, self.written = now - self.written, now
            self._safely(lambda: self._write(look=True, live=not last))

    def stopped(self) -> None:
        """Write the page of a run that was stopped before its end, with what was seen last: nobody should wait for more."""
        self._safely(lambda: self._write(look=False, live=False))

    def _has_time(self) -> bool:
        return self.spent <= SHARE * (time.monotonic() - self.began)

    def _write(self, look: bool, live: bool) -> None:
        run = self.run
        if look:
            self.looks = self._look(last=not live)
        self.looks.data = networks_of.described(run.parts.data)
        least, most = LOOK_AGAIN
        again = min(most, max(least, self.every / 2)) if live else None
        told = replace(material.read(run.path), reached=run.progress.images / 1000)
        page.write(run.path / page.NAME, [told], [self.looks], self.encoder, again)

    def _look(self, last: bool) -> Looks:
        run, began = self.run, time.monotonic()

        def may() -> bool:
            now = time.monotonic()
            return self.spent + now - began <= SHARE * (now - self.began) + ALLOWANCE * last

        found: list[Looks] = []

        def see(generator: nn.Module, discriminator: nn.Module) -> dict[str, float]:
            networks = networks_in_training(run.parts, generator, discriminator, run.progress.images)
            found.append(looks.look(networks, None if networks.points else self._training_images, may, self.looks))
            return {}

        take_scores(see, run.parts, run.average)
        return found[0]

    def _training_images(self) -> Gallery:
        if self._gallery is None:
            data, config = self.run.parts.data, self.run.config
            if isinstance(data, Mixture):
                raise InputError(f"{data.name} is a mixture")
            self._gallery = networks_of.gallery(config.data, data)
        return self._gallery

    def _safely(self, do: Callable[[], None]) -> None:
        """Do it, count its time, and say once, in a line, if it failed: no page is worth a run."""
        began = time.monotonic()
        try:
            do()
        except Exception as error:
            if not self._warned:
                self._warned = True
                why = error.problem if isinstance(error, WriteError) else first_line(error)
                self.run.watch.say(f"warning: the report is not written ({why}). Training goes on without it")
        finally:
            self.spent += time.monotonic() - began


def networks_in_training(parts: Parts, generator: nn.Module, discriminator: nn.Module, images: int) -> Networks:
    """The networks of a run in progress as a page looks at them."""
    config: Config = parts.config
    classes = parts.data.num_classes if config.data.conditional else 0
    names = tuple(parts.data.class_names) if classes else ()
    points = isinstance(parts.data, Mixture)
    return Networks(config, generator, discriminator, parts.device, classes, names, images / 1000, points)
