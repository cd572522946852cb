"""Scores of the averaged generator at every snapshot of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from logan.config import Config
from logan.data import Dataset, Mixture
from logan.evaluation import detectors, names, records, reference
from logan.evaluation.evaluator import Evaluator, check_kind
from logan.sampling import draw_latents, evaluation_step, generate

BATCH = 250
"""Generated images per pass: no more than this are in memory beside their features."""


class Scorer:
    """``config.scores`` made ready: checked, the detector trained or loaded, the features of the real images extracted.

    Args:
        config: of the run.
        data: its training set, the reals of FID and its kin: all images up to 50,000.
        device: where images are generated and scored.
        say: told what takes long.
        progress: as :func:`logan.training.watch.track`, or None.

    Raises:
        InputError: metrics that do not fit the data, or a detector that is not there.
    """

    MOST_REALS = 50_000

    def __init__(
        self, config: Config, data: Dataset | Mixture, device: torch.device, say: Callable[[str], None], progress: Any
    ) -> None:
        self.config, self.device = config, device
        self.classes = data.num_classes if config.data.conditional else 0
        metrics = names.parse_all(config.scores.metrics)
        self.step = evaluation_step(config, config.scores.metric_latent_steps) if metrics else None
        if isinstance(data, Mixture) or not metrics:
            self.evaluator = Evaluator(metrics, mixture=data if isinstance(data, Mixture) else None)
            return
        for metric in metrics:
            check_kind(metric, mixture=False)
        s = config.scores
        detector = detectors.get(s.detector, s.detector_weights, data, say=say, progress=progress)
        detector.to(device)
        real = reference.of_real(data, self.MOST_REALS, detector, device)
        self.evaluator = Evaluator(metrics, detector, real)

    def __call__(self, generator: nn.Module, discriminator: nn.Module) -> dict[str, float]:
        """Scores by name; the same latents every time."""
        seed = self.config.run.seed + 2
        return self.evaluator(lambda n: self._draw(generator, discriminator, n, seed), seed=seed)

    def _draw(self, generator: nn.Module, discriminator: nn.Module, n: int, seed: int) -> Iterator[Tensor]:
        source = torch.Generator("cpu").manual_seed(seed)
        z = draw_latents(self.config, n, source)
        labels = torch.randint(self.classes, (n,), generator=source) if self.classes else None
        yield from generate(generator, discriminator, z, labels, self.step, batch=BATCH, seed=seed, device=self.device)

    def write(self, run: Path, images: int, steps: int, seconds: float) -> None:
        """Append what the last call found to the run's ``metric-….jsonl``."""
        for record in self.evaluator.last.values():
            where = {"in_training": True, "images": images, "kimg": images / 1000, "steps": steps, "seconds": seconds}
            how = {
                "seed": self.config.run.seed + 2,
                "latent_steps": self.config.scores.metric_latent_steps,
                "trunc": 1.0,
            }
            records.append(run, record | how | where)
