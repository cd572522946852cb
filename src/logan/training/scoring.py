"""Scores of the averaged generator at every snapshot of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from logan.config import Config
from logan.data import Dataset, Mixture
from logan.distributed import World
from logan.evaluation import detectors, names, protocols, records
from logan.evaluation.evaluator import Evaluator
from logan.sampling import draw_latents, evaluation_step, generate
from logan.training import thinning

BATCH = 250
"""Generated images per pass, or fewer with --batch-gpu: no more than this are in memory beside their features."""

SEED_AFTER = 2
"""Added to the run's seed for the latents that are scored: the same at every snapshot, and none that training or pictures draw."""


class Scorer:
    """``config.scores`` made ready: checked, the detector trained or loaded, the features of the real images extracted.

    Args:
        config: of the run.
        data: its training set, the reals of FID and its kin: all images up to 50,000.
        device: where images are generated and scored.
        say: told what takes long.
        progress: called with the fraction of the classifier's training that is done.
        world: the ranks, each of which generates its slice of the images.
        may_train: train a classifier now if there is none yet, which takes minutes; else when the first score is asked for, so
            that a person sees pictures before.

    Raises:
        InputError: metrics that do not fit the data, or a detector that is not there.
    """

    def __init__(
        self,
        config: Config,
        data: Dataset | Mixture,
        device: torch.device,
        say: Callable[[str], None],
        progress: Any,
        world: World | None = None,
        may_train: bool = True,
    ) -> None:
        self.config, self.device, self.world = config, device, World() if world is None else world
        self.classes = data.num_classes if config.data.conditional else 0
        self.shape = data.channels, data.image_size
        s, small = config.scores, config.game.batch_gpu
        self.batch = BATCH if small is None else min(BATCH, max(small, 64))
        self.step = evaluation_step(config, s.metric_latent_steps) if names.parse_all(s.metrics) else None
        self._prepare = partial(
            protocols.prepare,
            replace(protocols.PROTOCOLS["training"], metrics=s.metrics),
            config.data,
            data,
            detector=s.detector,
            weights=s.detector_weights,
            device=device,
            progress=progress,
        )
        self._say, self._every = say, 0
        self._evaluator: Evaluator | None = None
        with suppress(detectors.NotTrainedError):
            self._evaluator = self._ready(may_train)

    @property
    def evaluator(self) -> Evaluator:
        """What scores, whose classifier is trained now if it was not before. All ranks ask for it together."""
        if self._evaluator is None:
            with self.world.first_alone():  # the others find the classifier and the features in the cache
                self._evaluator = self._ready()
            if self.by and self.world.first:
                self._say(f"scores are by {self.by}")
        self._evaluator.gather = self.world.all_gather_rows
        return self._evaluator

    def _ready(self, may_train: bool = True) -> Evaluator:
        """What scores, named in a line; what measures nothing if nobody asked for a certain detector and none can be had."""
        try:
            return self._prepare(say=self._say, may_train=may_train)
        except detectors.NoDetectorError as error:
            self._say(f"training without scores: {error}")
            return Evaluator(())

    @property
    def detector(self) -> str:
        """The name of what scores; empty where nothing is needed, or known yet."""
        detector = None if self._evaluator is None else self._evaluator.detector
        return "" if detector is None else detector.name

    @property
    def by(self) -> str:
        """The detector, to be named once where its scores are shown without it; empty if there is none, or none yet."""
        detector = None if self._evaluator is None else self._evaluator.detector
        return "" if detector is None else f"{detector.name} {detector.sha256[:12]}, {detector.size / 1e6:.3g} MB"

    def is_due(self, images: int, generator: nn.Module, discriminator: nn.Module) -> bool:
        """Whether the snapshot at ``images`` is to be scored: see :func:`logan.training.thinning.every`. The last one always is."""
        run = self.config.run
        if not names.parse_all(self.config.scores.metrics) or images >= run.kimg * 1000:
            return True
        if not self._every:
            self._every = thinning.every(self.config, generator, discriminator, self._operations)
            if self._every > 1 and self.world.first:
                self._say(
                    f"scoring every {thinning.ordinal(self._every)} snapshot: each would take more than a tenth of the operations "
                    f"of training; `score_every` 1 scores each"
                )
        return images // (run.tick * run.snap * 1000) % self._every == 0

    def _operations(self) -> float:
        return thinning.of_detector(self.evaluator, *self.shape, self.device)

    def __call__(self, generator: nn.Module, discriminator: nn.Module) -> dict[str, float]:
        """Scores by name; the same latents every time."""
        seed = self.config.run.seed + SEED_AFTER
        return self.evaluator(lambda n: self._draw(generator, discriminator, n, seed), seed=seed)

    def _draw(self, generator: nn.Module, discriminator: nn.Module, n: int, seed: int) -> Iterator[Tensor]:
        source = torch.Generator("cpu").manual_seed(seed)
        own = self.world.own_slice(n)
        z = draw_latents(self.config, n, source)[own]
        labels = torch.randint(self.classes, (n,), generator=source)[own] if self.classes else None
        yield from generate(
            generator, discriminator, z, labels, self.step, batch=self.batch, seed=seed, device=self.device
        )

    def write(self, run: Path, images: int, steps: int, seconds: float) -> records.Yardstick:
        """Append what the last call found to the run's ``metric-….jsonl``; returns by what it was measured."""
        yardstick = records.UNKNOWN
        where = {"in_training": True, "images": images, "kimg": images / 1000, "steps": steps, "seconds": seconds}
        k = self.config.scores.metric_latent_steps
        how = {
            "seed": self.config.run.seed + SEED_AFTER,
            "latent_steps": k,
            "trunc": 1.0,
            "protocol": "training",
            "split": "train",
        }
        for record in self.evaluator.last.values():
            records.append(run, record | how | where)
            yardstick = records.yardstick_of(record | how)
        return yardstick
