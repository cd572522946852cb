"""On the way from one latent to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from logan.config import Config
from logan.errors import InputError
from logan.guide.priors import keep_within
from logan.latent import to_sphere
from logan.sampling.model import Model, draw_latents

Course = Literal["auto", "linear", "spherical"]
ALIKE = 1e-6
"""A sine of an angle below which two directions are one in float32, or opposite."""


def between(a: Tensor, b: Tensor, share: Tensor, *, curved: bool) -> Tensor:
    """Latents from a, (d,), to b: (len(share), d).

    * straight: (1 − t) a + t b, which stays within U(−1, 1);
    * curved: the direction goes along the great circle through a and b, (sin((1 − t)ω) â + sin(tω) b̂)/sin ω with ω their angle,
      the norm evenly from ‖a‖ to ‖b‖: of a normal prior nearly all samples have ‖z‖ ≈ √d, and the middle of a straight line has
      not. Opposite directions have many great circles; one of them is taken. Source: Shoemake 1985, "Animating rotation with
      quaternion curves"; for latents, White 2016, "Sampling generative networks".

    Args:
        a, b: the ends.
        share: t, (k,), from 0 at a to 1 at b.
        curved: which of the two.

    Example:
        >>> a, b, half = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), torch.tensor([0.5])
        >>> [round(between(a, b, half, curved=curved).norm().item(), 3) for curved in (False, True)]
        [0.707, 1.0]
    """
    t = share[:, None]
    if not curved or not a.any() or not b.any():  # zero has no direction
        return (1 - t) * a + t * b
    from_a, to_b = a / a.norm(), b / b.norm()
    cosine = torch.dot(from_a, to_b)
    across = to_b - cosine * from_a
    if across.norm() < ALIKE:
        if cosine > 0:
            return (1 - t) * a + t * b
        across = torch.zeros_like(a)
        across[from_a.abs().argmin()] = 1
        across -= torch.dot(across, from_a) * from_a
        angle = torch.full_like(cosine, torch.pi)
    else:
        angle = torch.atan2(across.norm(), cosine)  # of small angles too, where the arc cosine is rough
    direction = (t * angle).cos() * from_a + (t * angle).sin() * across / across.norm()
    return ((1 - t) * a.norm() + t * b.norm()) * direction


def between_samples(config: Config, a: Tensor, b: Tensor, share: Tensor) -> Tensor:
    """The same as the run's prior wants it: straight for U(−1, 1), curved for N(0, I) and on the sphere."""
    found = between(a, b, share, curved=is_curved(config, "auto"))
    return to_sphere(found) if config.on_sphere() else found


def is_curved(config: Config, path: Course) -> bool:
    """What a kind of path is for a run.

    Raises:
        InputError: for a word that is none.
    """
    if path not in get_args(Course):
        raise InputError(f"`path` is one of {', '.join(get_args(Course))}, not {path!r}")
    return path == "spherical" or (path == "auto" and (config.networks.prior == "normal" or config.on_sphere()))


@dataclass(frozen=True)
class End:
    """Where a path begins, ends or passes.

    Attributes:
        z: (d,).
        label: the class; None for a generator without, or where any will do.
    """

    z: Tensor
    label: int | None = None


def end_of_seed(model: Model, seed: int, trunc: float = 1.0, label: int | None = None) -> End:
    """Latent and class of ``model.sample(1, seed=seed, trunc=trunc)``.

    Raises:
        InputError: for an impossible seed, truncation or class.
    """
    model.check_sampling(seed, trunc, 0, 1)
    source = torch.Generator("cpu").manual_seed(seed)
    z = draw_latents(model.info.config, 1, source, trunc)[0]
    if model.num_classes and label is None:
        label = int(torch.randint(model.num_classes, (1,), generator=source))
    return End(z, label)


def path_through(
    config: Config, ends: Sequence[End], frames: int, *, path: Course = "auto", loop: bool = False
) -> tuple[Tensor, Tensor | None]:
    """The latents (n, d) of a path through two or more ends, and the classes (n,), None if the ends have none.

    Each leg, from one end to the next, has ``frames`` steps: frame k·frames is the k-th end itself. Of a loop the last leg leads
    to the first end, which is not shown twice: n = frames · ends; else n = frames · (ends − 1) + 1. No latent leaves the run's
    prior: those beyond [−1, 1] are clipped, those of the sphere are put on it. Where two ends are of different classes, z goes
    its way and the class changes in the middle of the leg: a class is a word, with nothing between two.

    Raises:
        InputError: for fewer than two ends, or impossible settings.
    """
    if len(ends) < 2:
        raise InputError("a path needs two ends or more")
    if not 1 <= frames <= 10_000:
        raise InputError(f"`frames` must be >= 1 and <= 10,000, not {frames}")
    curved = is_curved(config, path)
    within = keep_within("sphere" if config.on_sphere() else config.networks.prior)
    share = torch.arange(1, frames) / frames
    latents, labels = [], []
    legs = list(zip(ends, [*ends[1:], ends[0]], strict=True))
    for a, b in legs if loop else legs[:-1]:
        latents += [a.z[None], within(between(a.z, b.z, share, curved=curved))]
        labels += [a.label] + [a.label if t < 0.5 else b.label for t in share.tolist()]
    if not loop:
        latents.append(ends[-1].z[None])
        labels.append(ends[-1].label)
    return torch.cat(latents), None if None in labels else torch.tensor(labels)
