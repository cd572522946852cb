"""A guide made ready for one generator: checked against its loss, and measured on latents that no sample depends on."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor, nn

from logan.config import Config
from logan.cs_gan import CSStep
from logan.errors import InputError
from logan.guide import Calibration, Guide, Guided, Latent

LOGITS = ("non-saturating", "minimax")
"""Losses whose D estimates log p_data(x)/p_G(x)."""
BURN_IN, BURN_IN_SEED = 1024, 2**40 + 20
"""Latents that a guide is measured on, and their seed: always the same ones, whatever is sampled."""


@dataclass
class Tally:
    """What guiding has cost and brought so far, over all samples.

    Attributes:
        samples: how many.
        evaluations: passes through D∘G in all, those with a gradient and without.
        before, after: the sums of d at the latents drawn and at those chosen.
        accepted: the sum of the shares of proposals that were accepted.
        seconds: spent in guides.
    """

    samples: int = 0
    evaluations: int = 0
    before: float = 0.0
    after: float = 0.0
    accepted: float = 0.0
    seconds: float = 0.0

    def means(self) -> dict[str, float]:
        """Per sample, by name."""
        n = max(self.samples, 1)
        names = ("evaluations", "before", "after", "accepted", "seconds")
        return {name: getattr(self, name) / n for name in names}


@dataclass(frozen=True)
class Guidance:
    """A guide, the prior of the latents, and what makes a logit of D's score; ``tally`` counts."""

    guide: Guide
    prior: str
    calibration: Calibration | None = None
    tally: Tally = field(default_factory=Tally)

    def __call__(
        self, generator: nn.Module, discriminator: nn.Module, z: Tensor, labels: Tensor | None, *, seed: int, first: int
    ) -> Tensor:
        """Better latents for z, (B, d), the samples ``first … first + B − 1`` of ``seed``."""
        started = time.monotonic()
        found = self.guide(
            generator,
            discriminator,
            z,
            labels,
            prior=self.prior,
            calibration=self.calibration,
            seed=seed,
            first=first,
        )
        self._count(found)
        self.tally.seconds += time.monotonic() - started  # after the sums: a GPU has to be done for them
        return found.z

    def describe(self) -> dict[str, Any]:
        """For a record: the guide's name and settings as measured, and the calibration."""
        settings = {"name": self.guide.name, **asdict(self.guide)}  # type: ignore[call-overload]
        return {"guide": settings, "calibration": self.calibration and asdict(self.calibration)}

    def _count(self, found: Guided) -> None:
        t = self.tally
        t.samples += len(found.z)
        t.evaluations += int(found.evaluations.sum())
        t.before += float(found.before.cpu().double().sum())
        t.after += float(found.after.cpu().double().sum())
        t.accepted += float(found.accepted.cpu().double().sum())


def check(guide: Guide, config: Config, calibrated: bool, trunc: float = 1.0, latent_steps: int = 0) -> None:
    """Refuse what does not go together.

    Raises:
        InputError: a guide that needs a logit where D was not trained to be one and no calibration makes it one, or the reverse;
            truncation of the prior that a guide samples, or a prior that it cannot; a guide and ``latent_steps``.
    """
    if not isinstance(guide, Guide):
        raise InputError(
            f"`guide` is one of logan.guide, with its settings, such as logan.guide.Langevin(), not {guide!r}"
        )
    if guide.needs_logit and not calibrated:
        _check_logit(guide.name, config)
    if calibrated and not guide.needs_logit:
        raise InputError(f"`guide` {guide.name} takes D's scores as they are; leave `calibration` out")
    if guide.draws_from_prior and trunc != 1:
        raise InputError(
            f"`trunc` {trunc} has no meaning with `guide` {guide.name}, which draws from the whole prior; leave it out"
        )
    if guide.draws_from_prior and config.on_sphere() and config.networks.prior == "uniform":
        raise InputError(
            f"`guide` {guide.name} cannot draw latents as this run's, of a cube put on the sphere; `guide` latent, flow and "
            f"transport start from those that are drawn"
        )
    if latent_steps:
        raise InputError("`latent_steps` and `guide` are one or the other: `guide` latent takes such steps")
    guide.check_latents(config.networks.latent_dim)


def _check_logit(name: str, config: Config) -> None:
    loss, latent = config.game.loss, config.latent.latent
    why = f"trained with `loss` {loss}, are none" if loss not in LOGITS else ""
    if not why and latent != "none":
        why = f"trained on samples that `latent` {latent} had moved, are those of others"
    if why:
        raise InputError(
            f"`guide` {name} needs the logit of a density ratio, and D's scores of this run, {why}; pass `calibration`, which fits "
            f"one (logan.guide.calibrate)"
        )


def prior_of(config: Config) -> str:
    """As guides name it."""
    return "sphere" if config.on_sphere() else config.networks.prior


def own_latent(config: Config, steps: int = 10) -> Latent:
    """The run's own latent step as a guide: α, β and c of training; the defaults where it had none by gradient.

    Of a random portion the leading dimensions are taken, so that a sample does not depend on its batch. CS-GAN's step (its size
    is learnt) is none of these: the defaults too.
    """
    step = config.latent_step()
    if step is None or isinstance(step, CSStep):
        return Latent(steps=steps)
    return Latent(steps=steps, method=step.method, alpha=step.alpha, beta=step.beta, portion=step.portion)
