"""Scoring a snapshot that is on disk, and remembering what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from logan.evaluation import records
from logan.evaluation.evaluator import Evaluator
from logan.evaluation.protocols import Protocol
from logan.files import finite
from logan.sampling import Guidance, Model


def score(
    path: Path,
    model: Model,
    evaluator: Evaluator,
    protocol: Protocol,
    *,
    seed: int = 0,
    trunc: float = 1.0,
    latent_steps: int = 0,
    batch: int = 250,
    guidance: Guidance | None = None,
    progress: Callable[[float], None] = lambda fraction: None,
) -> dict[str, float]:
    """Scores by name; the records are added to the ``metric-….jsonl`` of the snapshot's folder.

    Args:
        path, model: the snapshot, and what was loaded from it.
        evaluator, protocol: as :func:`logan.evaluation.protocols.prepare` made it, and from what.
        seed, trunc, latent_steps, batch, guidance: as :meth:`logan.sampling.Model.batches` takes them. What guiding has cost
            per image is in the records.
        progress: called with the fraction of the images that is drawn.
    """

    def draw(n: int) -> Iterator[Tensor]:
        done = 0
        for images in model.batches(
            n, seed=seed, trunc=trunc, latent_steps=latent_steps, batch=batch, guidance=guidance
        ):
            yield images.to(model.device)
            done += len(images)
            progress(done / n)

    scores = evaluator(draw, seed=seed)
    helped = {} if guidance is None else guidance.describe() | {"guided": finite(guidance.tally.means())}
    for record in evaluator.last.values():
        records.append(path.parent, record | _how(path, model, protocol, seed, trunc, latent_steps) | helped)
    return scores


def known(
    path: Path, model: Model, evaluator: Evaluator, protocol: Protocol, *, seed: int = 0, latent_steps: int = 0
) -> dict[str, float | None] | None:
    """What :func:`score` would find without truncation and guide, if it was found before; None if any of it is missing."""
    how = _how(path, model, protocol, seed, 1.0, latent_steps)
    if evaluator.detector is not None and evaluator.reference is not None:
        how |= {"detector_sha256": evaluator.detector.sha256, "real_key": evaluator.reference.key}
    scores: dict[str, float | None] = {}
    for metric in evaluator.metrics:
        same = [r for r in records.read(path.parent, metric.name) if how.items() <= r.items() and not r.get("guide")]
        if not same:
            return None
        scores |= same[-1]["results"]
    return scores


def _how(path: Path, model: Model, protocol: Protocol, seed: int, trunc: float, latent_steps: int) -> dict[str, Any]:
    return {
        "in_training": False,
        "snapshot": path.name,
        "images": model.info.images,
        "kimg": model.info.images / 1000,
        "protocol": protocol.name,
        "split": protocol.split,
        "seed": seed,
        "latent_steps": latent_steps,
        "trunc": trunc,
    }
