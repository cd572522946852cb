"""Scores of the averaged generator at every snapshot of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
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

BATCH = 250
"""Generated images per pass, or fewer with --batch-gpu: no more than this are in memory beside their features."""


class Scorer:
    """``config.scores`` made ready: checked, the detector trained or loaded, the features of the real images extracted.

    Args:
        config: of the run.
        data: its training set, the reals of FID and its kin: all images up to 50,000.
        device: where images are generated and scored.
        say: told what takes long.
        progress: called with the fraction of the classifier's training that is done.
        world: the ranks, each of which generates its slice of the images.

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
    ) -> None:
        self.config, self.device, self.world = config, device, World() if world is None else world
        self.classes = data.num_classes if config.data.conditional else 0
        s, small = config.scores, config.game.batch_gpu
        self.batch = BATCH if small is None else min(BATCH, max(small, 64))
        self.step = evaluation_step(config, s.metric_latent_steps) if names.parse_all(s.metrics) else None
        try:
            self.evaluator = protocols.prepare(
                replace(protocols.PROTOCOLS["training"], metrics=s.metrics),
                config.data,
                data,
                detector=s.detector,
                weights=s.detector_weights,
                device=device,
                say=say,
                progress=progress,
            )
        except detectors.NoDetectorError as error:  # nobody asked for a certain one, and a run without scores is a run
            say(f"training without scores: {error}")
            self.evaluator = Evaluator(())
        self.evaluator.gather = self.world.all_gather_rows

    @property
    def by(self) -> str:
        """The detector, to be named once where its scores are shown without it; empty if there is none."""
        detector = self.evaluator.detector
        return "" if detector is None else f"{detector.name} {detector.sha256[:12]}, {detector.size / 1e6:.3g} MB"

    def __call__(self, generator: nn.Module, discriminator: nn.Module) -> dict[str, float]:
        """Scores by name; the same latents every time."""
        seed = self.config.run.seed + 2
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
            "seed": self.config.run.seed + 2,
            "latent_steps": k,
            "trunc": 1.0,
            "protocol": "training",
            "split": "train",
        }
        for record in self.evaluator.last.values():
            records.append(run, record | how | where)
            yardstick = records.yardstick_of(record | how)
        return yardstick
