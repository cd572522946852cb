"""Several games at once on one device, a stream each, every one as if it were alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from logan.config import Config
from logan.data import Dataset, Mixture
from logan.devices import synchronize
from logan.training.averaging import AveragedGenerator
from logan.training.setup import Parts, build


@dataclass
class Played:
    """A game in progress.

    Attributes:
        label: its method.
        stream: of its kernels; None where there are none.
        images, steps: how far it is.
        sums: of its reports since :meth:`means`.
        notices: what its engine had to say.
    """

    label: str
    parts: Parts
    average: AveragedGenerator
    stream: torch.cuda.Stream | None
    reals: Iterator[tuple[Tensor, Tensor | None]]
    images: int = 0
    steps: int = 0
    sums: dict[str, Tensor] = field(default_factory=dict)
    summed: int = 0
    notices: list[str] = field(default_factory=list)

    def on_its_stream(self) -> AbstractContextManager[Any]:
        """Everything of this game is done inside."""
        return nullcontext() if self.stream is None else torch.cuda.stream(self.stream)

    def means(self) -> dict[str, float]:
        """Of what was reported since the last call."""
        found = {name: (total / self.summed).item() for name, total in self.sums.items()}
        self.sums, self.summed = {}, 0
        return found


def begin(label: str, config: Config, data: Dataset | Mixture, device: torch.device) -> Played:
    """The game of a config, and its first step's preparations on its own stream."""
    stream = torch.cuda.Stream(device) if device.type == "cuda" else None
    synchronize(device)  # the data were put there on another one
    with nullcontext() if stream is None else torch.cuda.stream(stream):
        parts = build(config, data)
        game = Played(label, parts, AveragedGenerator(parts.generator, config.game.ema_kimg), stream, parts.reals(0))
        parts.game.announce = game.notices.append
    return game


def advance(games: Sequence[Played], rounds: int) -> None:
    """So many steps of every game, in turns; on CUDA they are at it together. The one place that knows how that is done."""
    for _ in range(rounds):
        for game in games:
            with game.on_its_stream():
                _step(game)
    for game in games:
        synchronize(game.parts.device)


def _step(game: Played) -> None:
    """One step, as the training loop plays it."""
    parts = game.parts
    turn = parts.game.step(lambda: next(game.reals), parts.latents)
    images = parts.config.game.batch * parts.game.real_batches_per_step
    game.images += images
    game.steps += 1
    game.average.update(parts.generator, images, game.images)
    for name, value in {"d_loss": turn.d_loss, "g_loss": turn.g_loss, **turn.report}.items():
        if value is not None:
            value = value.detach().double()
            game.sums[name] = game.sums[name] + value if name in game.sums else value
    game.summed += 1
