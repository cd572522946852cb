"""Published ways to measure: which real images, how many generated ones, how many splits.

Scores by different protocols do not compare: FID falls as samples grow, and test images lie further away than the training
images do. LOGAN's Table 2 puts 29.3 (protocol C) beside 23.1 (protocol B).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from logan.config import DataConfig
from logan.data import Dataset, Mixture
from logan.data.open import open_configured
from logan.errors import InputError
from logan.evaluation import detectors, names, reference
from logan.evaluation.evaluator import Evaluator, check_kind
from logan.metrics import manifold


@dataclass(frozen=True)
class Protocol:
    """One way to measure.

    Attributes:
        name: as on the command line.
        metrics: their names.
        split: of the real images.
        reals: how many of them (:func:`logan.evaluation.reference.chosen`); None for all.
        splits: of the Inception Score.
    """

    name: str
    metrics: tuple[str, ...] = ("fid10k", "is10k")
    split: Literal["train", "test"] = "train"
    reals: int | None = 50_000
    splits: int = 1


PROTOCOLS = {
    "training": Protocol("training"),
    "A": Protocol("A", ("fid50k", "is50k"), "train", 50_000, 10),
    "B": Protocol("B", ("fid10k", "is10k"), "train", 10_000, 1),
    "C": Protocol("C", ("fid5k", "is5k"), "test", 10_000, 1),
}
"""``training``: what ``--snap`` measures. A: 50k training images, 50k fakes (most work after 2018). B: the first 10k training
images, 10k fakes, one split (CS-GAN's code: the 23.1 and 17.7 of Table 2). C: 10k test images, 5k fakes (SN-GAN: the 29.3)."""


PUBLISHED = ("A", "B", "C")
FEW = 1000
"""Generated images, below which a score says more about their number than about the generator."""


def get(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        InputError: if there is none.
    """
    if name not in PROTOCOLS:
        raise InputError(f"`protocol` is one of {', '.join(PROTOCOLS)}, not {name!r}")
    return PROTOCOLS[name]


def prepare(
    protocol: Protocol,
    data: DataConfig,
    train: Dataset | Mixture | None = None,
    *,
    detector: str = "auto",
    weights: str | None = None,
    device: torch.device,
    say: Any = lambda message: None,
    progress: Any = lambda fraction: None,
    only_check: bool = False,
    may_train: bool = True,
) -> Evaluator:
    """An evaluator with its detector and its real features, ready to score; everything that can be missing is found here.

    Args:
        protocol: which metrics and reals.
        data: where the real images come from.
        train: the training set, if it is open already. The classifier learns from it, whatever the protocol's split.
        detector, weights: as :func:`logan.evaluation.detectors.get` takes them.
        device: where features are computed.
        say, progress, may_train: as there.
        only_check: find what is missing, and train and read nothing; what is returned scores nothing.

    Raises:
        InputError: data, a split, labels, a detector or its weights are missing, or a metric does not fit.
    """
    metrics = names.parse_all(protocol.metrics)
    train = open_configured(data) if train is None else train
    mixture = isinstance(train, Mixture)
    for metric in metrics:
        check_kind(metric, mixture)
    if mixture and protocol.name in PUBLISHED:
        raise InputError(f"protocol {protocol.name} is for images, and {train.name} is points; leave it out")
    if mixture:
        return Evaluator(metrics, mixture=train)  # type: ignore[arg-type]
    if not metrics:
        return Evaluator(())
    there = detectors.check(detector, weights, train, metrics)  # type: ignore[arg-type]  # before anything is read or trained
    reals = train if protocol.split == "train" else open_configured(data, protocol.split)
    assert not isinstance(train, Mixture)
    assert not isinstance(reals, Mixture)
    _check_enough(protocol, metrics, reals, say)
    if only_check:
        return Evaluator(())
    network = there or detectors.get(
        detector, weights, train, device=device, say=say, progress=progress, may_train=may_train
    )
    if notice := getattr(network, "notice", ""):
        say(notice)
    network.to(device)
    real = reference.of_real(reals, protocol.reals, network, device, say)
    return Evaluator(metrics, network, real, splits=protocol.splits)


def _check_enough(protocol: Protocol, metrics: Sequence[names.Metric], reals: Dataset, say: Any) -> None:
    """InputError if there are not as many real images as a metric cannot do without; of what says little a line."""
    least = max(names.LEAST, 1 + manifold.NEIGHBOURS)
    if len(reals) < least:
        raise InputError(
            f"{reals.name} has {len(reals)} images; {', '.join(m.name for m in metrics)} needs {least} or more"
        )
    available = min(len(reals), protocol.reals or len(reals))
    for metric in metrics:
        if metric.kind == "pr" and metric.count > available:
            raise InputError(
                f"{metric.name} takes as many real as generated images, and {reals.name} has {available:,}: pr{available}"
            )
    few = [m for m in metrics if m.count < FEW <= len(reals)]
    if few:
        say(
            f"warning: {', '.join(m.name for m in few)}: so few generated images say little; {few[0].kind}10k takes 10,000"
        )
    if protocol.name in PUBLISHED and available < (protocol.reals or 0):
        say(f"protocol {protocol.name} asks for {protocol.reals:,} real images, and {reals.name} has {available:,}")
