"""Scores of a generator under one protocol: which reals, how many fakes, which detector."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from logan.data import Mixture
from logan.errors import InputError
from logan.evaluation.names import Metric, count_name
from logan.evaluation.reference import Reference
from logan.files import finite
from logan.metrics import distances, manifold
from logan.metrics.detector import Detector, Features, extract
from logan.metrics.modes import score_modes

Draw = Callable[[int], Iterable[Tensor]]
"""n to batches of n generated images in all, floats in [−1, 1]."""


@dataclass
class Evaluator:
    """Computes metrics from one set of generated images; the first n of them count for a metric that takes n.

    Attributes:
        metrics: what to compute.
        detector, reference: for images; None for mixtures.
        mixture: for mixtures; None for images.
        splits: of the Inception Score.
        gather: from the numbers (n_r, …) of this rank's images to those of all; one rank has them all.
        last: what the last call found, by metric, with detector, counts and seconds: the records of ``metric-….jsonl``.
    """

    metrics: tuple[Metric, ...]
    detector: Detector | None = None
    reference: Reference | None = None
    mixture: Mixture | None = None
    splits: int = 1
    gather: Callable[[Tensor], Tensor] = lambda rows: rows
    last: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for metric in self.metrics:
            check_kind(metric, self.mixture is not None)

    def __call__(self, draw: Draw, *, from_generator: bool = True, seed: int = 0) -> dict[str, float]:
        """All scores by name: ``fid10k``, ``is10k`` and ``is10k_std``, ``precision10k`` …

        NaN where the generator has diverged.

        Args:
            draw: the generated images.
            from_generator: see :func:`logan.metrics.pixels.to_pixels`.
            seed: of KID's subsets and the Inception Score's shuffling.
        """
        self.last = {}
        if not self.metrics:
            return {}
        most, started = max(metric.count for metric in self.metrics), time.monotonic()
        scores: dict[str, float] = {}
        if self.mixture is not None:
            fakes: Any = self.gather(torch.cat(list(draw(most))))
        else:
            assert self.detector is not None
            own = extract(self.detector, draw(most), from_generator=from_generator)
            no_classes = own.logits.shape[1] == 0
            fakes = Features(self.gather(own.features), own.logits if no_classes else self.gather(own.logits))
        drawn = time.monotonic() - started
        for metric in self.metrics:
            started = time.monotonic()
            found = self._score(metric, fakes, seed)
            scores |= found
            self.last[metric.name] = self._record(metric, found, drawn + time.monotonic() - started)
        return scores

    def _score(self, metric: Metric, fakes: Any, seed: int) -> dict[str, float]:
        if self.mixture is not None:
            m = score_modes(fakes[: metric.count], self.mixture.centres, self.mixture.std)
            return dict(zip(score_names(metric), (float(m.modes), m.quality, m.reverse_kl), strict=True))
        assert self.reference is not None
        return score_features(metric, self.reference, fakes.first(metric.count), self.splits, seed)

    def _record(self, metric: Metric, found: dict[str, float], seconds: float) -> dict[str, Any]:
        reference, detector = self.reference, self.detector
        real = None if reference is None else len(reference.features)
        return {
            "metric": metric.name,
            "results": finite(found),
            "detector": detector and detector.name,
            "detector_sha256": detector and detector.sha256,
            "detector_bytes": detector and detector.size,
            "n_real": metric.count if metric.kind == "pr" else real,
            "n_fake": metric.count,
            "real_key": reference and reference.key,
            "splits": self.splits if metric.kind == "is" else None,
            "total_time": round(seconds, 3),
        }


def check_kind(metric: Metric, mixture: bool) -> None:
    """Refuse image metrics for mixtures and the other way round."""
    if (metric.kind == "modes") != mixture:
        fitting = "modes10k" if mixture else "fid10k, kid10k, is10k, pr10k"
        raise InputError(f"metric {metric.name} does not fit these data; use {fitting}", "metrics")


def score_features(metric: Metric, real: Reference, fake: Features, splits: int, seed: int) -> dict[str, float]:
    """One metric of a generated set against a real one; NaN if the generated one is not finite."""
    names = score_names(metric, splits)
    if not fake.finite:
        return dict.fromkeys(names, math.nan)
    values: tuple[float, ...]
    if metric.kind == "fid":
        values = (distances.fid(real.statistics, distances.FrechetStatistics.of(fake.features)),)
    elif metric.kind == "kid":
        values = distances.kid(real.features.features, fake.features, seed=seed)
    elif metric.kind == "is":
        values = distances.inception_score(fake.logits, splits=splits, seed=seed)[: len(names)]
    else:
        reals = real.features.features[: metric.count]  # equally dense: Kynkäänniemi, section 2
        values = (*manifold.precision_recall(reals, fake.features), *manifold.density_coverage(reals, fake.features))
    return dict(zip(names, values, strict=True))


def score_names(metric: Metric, splits: int = 1) -> list[str]:
    """The names of a metric's scores."""
    parts = {
        "fid": ["fid"],
        "kid": ["kid", "kid_std"],
        "is": ["is", "is_std"] if splits > 1 else ["is"],
        "pr": ["precision", "recall", "density", "coverage"],
        "modes": ["modes", "quality", "reverse_kl"],
    }[metric.kind]
    n = count_name(metric.count)
    return [p.removesuffix("_std") + n + ("_std" if p.endswith("_std") else "") for p in parts]
