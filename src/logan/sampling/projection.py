"""Inversion: the latent, and the class, whose picture is nearest to a given one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from logan.config import MAX_SEED
from logan.errors import InputError
from logan.guide.draws import LATENT, Draws
from logan.guide.priors import check_prior, from_normal

WARM_UP = 0.05
"""The share of the steps in which the learning rate rises."""
SHORT = 4
"""Of the steps a fourth is taken with each class, to find which one is right."""
LOOKED_AT, TRIED = 32, 2
"""Random latents that are looked at with each class, and the best of them, which are moved."""
TINY = 1e-12


class Features(Protocol):
    """What tells pictures apart otherwise than by pixels: a :class:`~logan.metrics.detector.Detector` that takes floats in
    [0, 255] and can be differentiated, as ``classifier`` and ``efficientnet-lite0`` can."""

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) to features (B, F) and logits."""
        ...


@dataclass(frozen=True)
class Projection:
    """How the nearest picture is looked for.

    What is made small, for a target t, over z = T(u) (:mod:`logan.guide.priors`):

        mean (G(z) − t)² + w_f ‖φ(G(z)) − φ(t)‖²/‖φ(t)‖² + w_p ‖u‖²/(2d),

    pixels in [−1, 1], φ the features, d the number of dimensions. In u the prior is normal: that is z itself for N(0, I), and
    z = erf(u/√2), elementwise, for U(−1, 1). So z stays within its bounds without being clipped (a clipped z would stand still at
    ±1 in every dimension that once got there, where G has seen little), and −log p is ‖u‖²/2 for both. On the sphere z = u/‖u‖,
    every z is as likely as any other, and w_p has no meaning.

    Source, for several starts and a schedule: Karras et al. 2020, "Analyzing and improving the image quality of StyleGAN",
    appendix D; for a prior in the loss, Bora et al. 2017, "Compressed sensing using generative models".

    Attributes:
        steps: of Adam, from each start. The learning rate rises over the first twentieth, and falls as half a cosine to 0.
        starts: how many z are moved: the best of ``candidates``.
        candidates: random z that are looked at first.
        lr: Adam's highest learning rate, in u, whose spread under the prior is 1.
        feature_weight: w_f; of no meaning without features.
        prior_weight: w_p.
        seed: of the candidates. They are the same ones for every picture, and pictures are projected one by one: what comes
            depends on no other picture.

    Raises:
        InputError: for a field outside its range.
    """

    steps: int = 200
    starts: int = 8
    candidates: int = 256
    lr: float = 0.1
    feature_weight: float = 0.1
    prior_weight: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least, most in (("steps", 0, 10**6), ("starts", 1, 10**4), ("candidates", 1, 10**6)):
            if not least <= getattr(self, name) <= most:
                raise InputError(f"`{name}` must be >= {least} and <= {most:,}, not {getattr(self, name)}")
        if self.candidates < self.starts:
            raise InputError(f"`candidates` {self.candidates} must not be fewer than `starts`, {self.starts}")
        if not 0 < self.lr < math.inf:
            raise InputError(f"`lr` must be > 0 and finite, not {self.lr}")
        for name in ("feature_weight", "prior_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"`{name}` must be >= 0 and finite, not {getattr(self, name)}")
        if not 0 <= self.seed <= MAX_SEED:
            raise InputError(f"`seed` must be >= 0 and <= {MAX_SEED}, not {self.seed}")

    def pictures(self, classes: int = 0) -> int:
        """Passes through G for one target, where the class has to be found among so many: for a progress bar."""
        tried = classes * (LOOKED_AT + TRIED * (self._short + 1))
        return tried + self.candidates + self.starts * (self.steps + 1)

    @property
    def _short(self) -> int:
        return -(-self.steps // SHORT)


@dataclass(frozen=True)
class Projected:
    """What was found for n targets.

    Attributes:
        z: (n, d), on the CPU.
        labels: (n,), or None without classes.
        images: G(z), (n, C, H, W), on the CPU.
        pixels: mean squared difference from the target, of numbers in [−1, 1]; (n,).
        features: ‖φ(G(z)) − φ(t)‖²/‖φ(t)‖², (n,); not a number without features.
    """

    z: Tensor
    labels: Tensor | None
    images: Tensor
    pixels: Tensor
    features: Tensor


def project(
    generator: nn.Module,
    targets: Tensor,
    latent_dim: int,
    settings: Projection | None = None,
    *,
    prior: str = "uniform",
    classes: int = 0,
    labels: Sequence[int | None] | None = None,
    features: Features | None = None,
    batch: int = 64,
    progress: Callable[[int], None] = lambda pictures: None,
) -> Projected:
    """The latents whose pictures are nearest to the targets, one by one.

    Args:
        generator: in evaluation mode, its weights without gradients; z, or (z, labels), to images.
        targets: floats in [−1, 1], (n, C, H, W), of the shape that the generator makes; on its device. float64 makes all of it
            float64.
        latent_dim: d.
        settings: see :class:`Projection`.
        prior: ``uniform``, ``normal`` or ``sphere``.
        classes: of the generator; 0 for none.
        labels: the class of each target; None for one that is to be found: each class is tried with a fourth of the steps,
            and the one that comes nearest is taken.
        features: φ, on the same device; None for pixels alone.
        batch: images per pass, at most.
        progress: told how many more pictures G has made.

    Raises:
        InputError: for targets, labels or a prior that do not fit, and a generator none of whose pictures is finite.

    Example:
        >>> G = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Unflatten(1, (1, 2, 2))).requires_grad_(False)
        >>> z = torch.tensor([[0.3, -0.6]])
        >>> found = project(G, G(z), latent_dim=2, settings=Projection(prior_weight=0))
        >>> torch.allclose(found.z, z, atol=1e-3)
        True
    """
    settings = settings or Projection()
    check_prior(prior)
    _check(targets, classes, labels, batch)
    found = []
    with torch.inference_mode(False), torch.no_grad():
        for i, target in enumerate(targets):
            one = _One(generator, target.clone(), latent_dim, settings, prior, features, batch, progress)
            label = None if labels is None else labels[i]
            if classes and label is None:
                label = one.label(classes)
            found.append((*one.nearest(label), label))
    z, images, pixels, by_features, chosen = zip(*found, strict=True)
    return Projected(
        torch.stack(z),
        torch.tensor(chosen) if classes else None,
        torch.stack(images),
        torch.stack(pixels),
        torch.stack(by_features),
    )


def _check(targets: Tensor, classes: int, labels: Sequence[int | None] | None, batch: int) -> None:
    if targets.ndim != 4 or not targets.is_floating_point() or not len(targets):
        raise InputError(
            f"targets must be floating point of shape (n, C, H, W), not {tuple(targets.shape)} {targets.dtype}",
            "images",
        )
    if not bool(targets.isfinite().all()):
        raise InputError("targets must be finite numbers", "images")
    if not 1 <= batch <= 10**6:
        raise InputError(f"`batch` must be >= 1 and <= {10**6:,}, not {batch}")
    if labels is None:
        return
    if classes == 0:
        raise InputError("`labels` needs a class-conditional generator; this one was trained without `conditional`")
    if len(labels) != len(targets):
        raise InputError(f"`labels` must be one for each of the {len(targets)} targets, not {len(labels)}")
    if wrong := [label for label in labels if label is not None and not 0 <= label < classes]:
        raise InputError(f"`labels` must be in 0 ... {classes - 1}, not {wrong[0]}")


class _One:
    """One target, and what is made small for it."""

    def __init__(
        self,
        generator: nn.Module,
        target: Tensor,
        latent_dim: int,
        settings: Projection,
        prior: str,
        features: Features | None,
        batch: int,
        progress: Callable[[int], None],
    ) -> None:
        self.generator, self.settings, self.prior, self.batch = generator, settings, prior, batch
        self.features, self.progress = features, progress
        wide = torch.promote_types(target.dtype, torch.float32)
        self.target, self.latent_dim = target.to(wide)[None], latent_dim
        self.wanted = None if features is None else self._features(self.target)

    def label(self, classes: int) -> int:
        """The class that comes nearest."""
        u = self._draw(LOOKED_AT)
        best = []
        for k in range(classes):
            start = self._best_of(u, k, TRIED)
            best.append(self._moved(start, k, self.settings._short)[1].min())
        return int(torch.stack(best).argmin())

    def nearest(self, label: int | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """z, its picture, and its distances."""
        s = self.settings
        start = self._best_of(self._draw(s.candidates), label, s.starts)
        u, loss = self._moved(start, label, s.steps)
        best = loss.argmin()
        if not bool(loss[best].isfinite()):
            raise InputError("this generator makes no finite picture of any latent; use another snapshot", "snapshot")
        z = from_normal(u[best][None], self.prior)
        image = self._picture(z, label)
        pixels, features = self._distances(image)
        return z[0].cpu(), image[0].cpu(), pixels[0].cpu(), features[0].cpu()

    def _draw(self, n: int) -> Tensor:
        u = Draws(self.settings.seed, 0, n).normal(LATENT, 0, self.latent_dim)
        return self._on_shell(u.to(self.target.dtype).to(self.target.device))

    def _on_shell(self, u: Tensor) -> Tensor:
        """For the sphere, where the length of u means nothing: √d, at which a step in u is as large as elsewhere."""
        return u * math.sqrt(self.latent_dim) / u.norm(dim=1, keepdim=True) if self.prior == "sphere" else u

    def _picture(self, z: Tensor, label: int | None) -> Tensor:
        given = () if label is None else (torch.full((len(z),), label, device=z.device),)
        images = self.generator(z, *given).to(z.dtype)
        if images.shape[1:] != self.target.shape[1:]:
            there, here = (" x ".join(map(str, x.shape[1:])) for x in (self.target, images))
            raise InputError(f"targets must be of the generator's shape, {here}, not {there}", "images")
        return images

    def _features(self, images: Tensor) -> Tensor:
        assert self.features is not None
        return self.features((images.float() + 1) * 127.5)[0]

    def _distances(self, images: Tensor) -> tuple[Tensor, Tensor]:
        pixels = (images - self.target).square().mean((1, 2, 3))
        if self.wanted is None:
            return pixels, torch.full_like(pixels, torch.nan)
        scale = self.wanted.square().sum().clamp(min=TINY)
        return pixels, (self._features(images) - self.wanted).square().sum(1).to(pixels) / scale

    def _loss(self, u: Tensor, label: int | None) -> Tensor:
        """What is made small, (rows,); infinite where it is no number."""
        s = self.settings
        pixels, features = self._distances(self._picture(from_normal(u, self.prior), label))
        loss = pixels if self.wanted is None else pixels + s.feature_weight * features
        if self.prior != "sphere":
            loss = loss + s.prior_weight * u.square().sum(1) / (2 * self.latent_dim)
        self.progress(len(u))
        return torch.where(loss.isfinite(), loss, torch.inf)

    def _losses(self, u: Tensor, label: int | None) -> Tensor:
        return torch.cat([self._loss(part, label) for part in u.split(self.batch)])

    def _best_of(self, u: Tensor, label: int | None, n: int) -> Tensor:
        return u[self._losses(u, label).argsort(stable=True)[:n]]

    def _moved(self, u: Tensor, label: int | None, steps: int) -> tuple[Tensor, Tensor]:
        """From each row of u the best that Adam passes, and its loss."""
        at = u.clone()
        best, least = u, torch.full((len(u),), torch.inf, device=u.device, dtype=u.dtype)
        adam = torch.optim.Adam([at], lr=1.0)
        for k in range(steps):
            loss, at.grad = self._slope(at, label)
            better = loss < least
            best, least = torch.where(better[:, None], at, best), torch.where(better, loss, least)
            adam.param_groups[0]["lr"] = self.settings.lr * _schedule(k, steps)
            adam.step()
            at.copy_(self._on_shell(at))
        loss = self._losses(at, label)  # where the last step led
        better = loss < least
        return torch.where(better[:, None], at, best), torch.where(better, loss, least)

    def _slope(self, at: Tensor, label: int | None) -> tuple[Tensor, Tensor]:
        """The loss of each row, and its gradient; 0 where there is none."""
        losses, slopes = [], []
        for part in at.split(self.batch):
            with torch.enable_grad():
                u = part.detach().clone().requires_grad_()
                loss = self._loss(u, label)
                (slope,) = torch.autograd.grad(loss.sum(), u)
            losses.append(loss.detach())
            slopes.append(slope.nan_to_num(0, 0, 0))
        return torch.cat(losses), torch.cat(slopes)


def _schedule(k: int, steps: int) -> float:
    """The share of the learning rate at step k: up over the first twentieth, then down as half a cosine."""
    done = (k + 1) / steps
    return min(1.0, done / WARM_UP) * (1 + math.cos(math.pi * k / steps)) / 2
