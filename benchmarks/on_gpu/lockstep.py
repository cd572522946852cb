"""Several games at once on one device, a stream and a graph each, every one as if it were alone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from logan.analysis.probe import Probe
from logan.config import Config
from logan.data import Dataset, Mixture
from logan.devices import synchronize
from logan.training.averaging import AveragedGenerator
from logan.training.begin import Run
from logan.training.report_sums import Sums
from logan.training.setup import Parts, build
from logan.training.single_steps import Steps
from logan.training.state import Progress
from logan.training.watch import Watch
from logan.training.whole_steps import choose_steps


@dataclass
class Played:
    """A game in progress.

    Attributes:
        label: its method.
        run: its parts, its average, how far it is; it has no folder.
        play: its steps, as the training loop plays them.
        stream: of its kernels; None where there are none.
        notices: what its engine had to say.
    """

    label: str
    run: Run
    play: Steps
    stream: torch.cuda.Stream | None
    notices: list[str]

    @property
    def parts(self) -> Parts:
        """Its networks, its data, its game."""
        return self.run.parts

    @property
    def average(self) -> AveragedGenerator:
        """Of its generator."""
        return self.run.average

    @property
    def steps(self) -> int:
        """Played so far."""
        return self.run.progress.steps

    def on_its_stream(self) -> AbstractContextManager[Any]:
        """Everything of this game is done inside."""
        return nullcontext() if self.stream is None else torch.cuda.stream(self.stream)

    def means(self) -> dict[str, float]:
        """Of what was reported since the last call."""
        sums = self.run.sums
        with self.on_its_stream():
            found = {name: total / sums.counts[name] for name, total in sums.read(self.run.world).items()}
            sums.clear()
        return found


def begin(label: str, config: Config, data: Dataset | Mixture, device: torch.device) -> Played:
    """The game of a config, on a stream of its own."""
    stream = torch.cuda.Stream(device) if device.type == "cuda" else None
    synchronize(device)  # the data were put there on another one
    notices: list[str] = []
    with nullcontext() if stream is None else torch.cuda.stream(stream):
        parts = build(config, data)
        parts.game.announce = notices.append
        average, sums = AveragedGenerator(parts.generator, config.game.ema_kimg), Sums(device, {}, {})
        run = Run(parts, average, Progress(), Path(), Watch(1, quiet=True), lambda g, d: {}, sums)
        return Played(label, run, choose_steps(run, Probe(parts.game, 0, 0)), stream, notices)


def advance(games: Sequence[Played], rounds: int) -> None:
    """So many steps of every game, in turns; on CUDA they are at it together. The one place that knows how that is done."""
    ends = {game.label: game.steps + rounds for game in games}
    behind = list(games)
    while behind:
        for game in behind:
            with game.on_its_stream():
                _launch(game, ends[game.label] - game.steps)
        behind = [game for game in behind if game.steps < ends[game.label]]
    for game in games:
        with game.on_its_stream():
            synchronize(game.parts.device)


def _launch(game: Played, at_most: int) -> None:
    """As many steps as are launched at once."""
    played, progress = game.play.play(at_most), game.run.progress
    progress.images += played * game.play.images
    progress.steps += played
