"""What all guides have in common: the call, its checks, and what is measured beforehand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from logan.errors import InputError

from .chain import Chain, Guided
from .draws import Draws
from .priors import check_prior

if TYPE_CHECKING:
    from .calibration import Calibration

Self = TypeVar("Self", bound="Guide")
OFF = 1e-2
"""How far latents may be off their prior: bfloat16 has no finer numbers around 1."""


class Guide(ABC):
    """A way to choose latents with D's help: a frozen dataclass of settings, called with (G, D, z).

    Attributes:
        name: on the command line.
        needs_logit: whether d has to be the logit of a density ratio, log p_data(x)/p_G(x), as the discriminator of the
            non-saturating and the minimax loss estimates it. Scores of the hinge and the Wasserstein loss are none:
            :func:`logan.guide.calibrate` fits one.
        draws_from_prior: whether its samples are of the whole prior, reweighted by d, wherever the latents given are.
        budget: the name of the setting that says how much it may cost: steps, or draws.
    """

    name: ClassVar[str]
    needs_logit: ClassVar[bool]
    draws_from_prior: ClassVar[bool]
    budget: ClassVar[str] = "steps"

    def __call__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        z: Tensor,
        labels: Tensor | None = None,
        *,
        prior: str = "uniform",
        calibration: Calibration | None = None,
        seed: int = 0,
        first: int = 0,
    ) -> Guided:
        """Better latents for z, each sample by itself.

        Leaves no trace in the networks, whose mode is left as it is: evaluation mode is meant. Random numbers belong to
        (seed, number of the sample), so that a sample is the same in whichever batch it comes.

        Args:
            generator: z, or (z, labels), to images.
            discriminator: images, or (images, labels), to (B,) scores.
            z: (B, d), drawn from ``prior``.
            labels: (B,), or None.
            prior: ``uniform`` on [−1, 1]ᵈ, ``normal``, or ``sphere``.
            calibration: makes a logit of D's score.
            seed: of the guide's own random numbers.
            first: the number of the first sample of the batch.

        Raises:
            InputError: for latents, labels or a prior that do not fit.
        """
        found = self.walk(_chain(generator, discriminator, z, labels, prior, calibration, seed, first))
        check_scores(found.before, found.after)
        return found

    @abstractmethod
    def walk(self, chain: Chain) -> Guided:
        """The guide itself."""

    def measured(
        self: Self,
        generator: nn.Module,
        discriminator: nn.Module,
        z: Tensor,
        labels: Tensor | None = None,
        *,
        prior: str = "uniform",
        calibration: Calibration | None = None,
        batch: int | None = None,
    ) -> Self:
        """This guide with what it has to know of D∘G beforehand, measured on the latents z, (N, d): a burn-in.

        A guide that is called without measures on the batch it is given: then its result depends on the batch.
        ``batch`` is how many images are made at once; None makes all.
        """
        chain = _chain(generator, discriminator, z, labels, prior, calibration, 0, 0)
        return self.measure(replace(chain, at_once=batch or len(z)))

    def measure(self: Self, chain: Chain) -> Self:
        """``measured`` with its arguments gathered; most guides know all they need."""
        return self

    def check_latents(self, d: int) -> None:  # noqa: B027 (most fit any)
        """Refuse settings that do not fit latents of d dimensions (InputError)."""


def _chain(
    generator: nn.Module,
    discriminator: nn.Module,
    z: Tensor,
    labels: Tensor | None,
    prior: str,
    calibration: Calibration | None,
    seed: int,
    first: int,
) -> Chain:
    check_prior(prior)
    if discriminator is None:
        raise InputError(
            "a guide asks D, and there is none: only its generator was given (keep D with it to use guides)"
        )
    if z.ndim != 2 or not z.is_floating_point() or not len(z):
        raise InputError(f"z must be floating point of shape (B, d), not {tuple(z.shape)} {z.dtype}", "z")
    _check_within(z, prior)
    if labels is not None and labels.shape != (len(z),):
        raise InputError(f"`labels` must be of shape ({len(z)},), not {tuple(labels.shape)}")
    if first < 0:
        raise InputError(f"`first` must be >= 0, not {first}")
    home = z.detach().to(without_float64(z.device))
    return Chain(generator, discriminator, home, labels, prior, Draws(seed, first, len(z)), z.device, calibration)


def without_float64(device: torch.device) -> torch.device:
    """Where a guide computes whose networks are on ``device``: there, but for MPS, which has no float64."""
    return torch.device("cpu") if device.type == "mps" else device


def _check_within(z: Tensor, prior: str) -> None:
    """Refuse latents that the prior does not have (InputError): another prior was meant."""
    z = z.detach().float()
    require(bool(torch.isfinite(z).all()), "the latents are not all finite numbers")
    if prior == "uniform" and z.abs().max() > 1 + OFF:
        raise InputError(
            f'these latents, up to {z.abs().max():.3g}, are not of `prior` uniform; say "normal", or which it is'
        )
    if prior == "sphere" and (z.norm(dim=1) - 1).abs().max() > OFF:
        raise InputError("these latents are not of norm 1, as those of `prior` sphere are; say which prior it is")


def check_scores(*scores: Tensor) -> None:
    """Refuse scores that are NaN or +∞ (InputError); −∞ is what no data could be."""
    for d in scores:
        if not bool((d < torch.inf).all()):
            raise InputError("D's scores are not all finite numbers: this discriminator has diverged, and cannot guide")


def require(condition: bool, message: str) -> None:
    """Raise an InputError unless ``condition``."""
    if not condition:
        raise InputError(message)


def require_steps(steps: int) -> None:
    """Refuse what is no number of steps (InputError)."""
    require(
        isinstance(steps, int) and not isinstance(steps, bool) and steps >= 0,
        f"`steps` must be a whole number >= 0, not {steps!r}",
    )


def require_positive(**values: float) -> None:
    """Refuse what is not > 0 and finite (InputError)."""
    for name, value in values.items():
        require(0 < value < float("inf"), f"`{name}` must be > 0 and finite, not {value}")
