"""What every guide works with: the networks as one function of z, and its result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from logan.errors import InputError
from logan.latent import gradient_of_scores, working_copy
from logan.side_effects import no_side_effects, same_random_numbers_next

from .draws import Draws

if TYPE_CHECKING:
    from .calibration import Calibration


@dataclass(frozen=True)
class Guided:
    """What a guide returns.

    Attributes:
        z: the latents to generate with, (B, d), of the type of those given.
        before, after: d(G(z)), (B,), at the latents given and at ``z``: D's scores, calibrated if there is a
            calibration.
        evaluations: passes through D∘G per sample, (B,); a pass with its gradient counts as one.
        accepted: the share of proposals that were accepted, (B,); 1 for guides that propose nothing.
    """

    z: Tensor
    before: Tensor
    after: Tensor
    evaluations: Tensor
    accepted: Tensor


@dataclass
class Chain:
    """D∘G on one batch, counting how often it is asked.

    Attributes:
        labels: (B,), or None.
        calibration: makes a logit of a score; None where scores are used as they are.
        z: the latents given, where guides compute.
        draws: the batch's random numbers.
        device: of the networks, and of what is returned.
        at_once: images per pass where no gradient is taken; None is all.
        evaluations: (B,), so far.
    """

    generator: nn.Module
    discriminator: nn.Module
    z: Tensor
    labels: Tensor | None
    prior: str
    draws: Draws
    device: torch.device
    calibration: Calibration | None = None
    at_once: int | None = None
    evaluations: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.evaluations = torch.zeros(len(self.z), dtype=torch.int64)

    def score(self, z: Tensor, rows: Tensor | None = None) -> Tensor:
        """d(G(z)), (B,) or (len(rows),), float32 at least, without a gradient."""
        self._count(rows)
        with torch.no_grad(), no_side_effects(), same_random_numbers_next(self.device):
            rows = torch.arange(len(z), device=z.device) if rows is None else rows
            parts = zip(*(x.split(self.at_once or len(z)) for x in (z.to(self.z.dtype), rows)), strict=True)
            return torch.cat([self._wide(self._score(x.to(self.device), part)) for x, part in parts]).to(self.z.device)

    def gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """d(G(z)), (B,), and ∂Σ_j d(G(z_j))/∂z, both float32 at least."""
        self._count(None)
        with torch.inference_mode(False), torch.enable_grad():
            x = working_copy(z.detach().to(self.wide).to(self.device))
            scores, g = gradient_of_scores(self._score, x, self.z.dtype, create_graph=False)
        return self._wide(scores.detach()).to(self.z.device), g.detach().to(self.z.device)

    @property
    def wide(self) -> torch.dtype:
        """The type that the arithmetic of guides is done in."""
        return torch.promote_types(self.z.dtype, torch.float32)

    def random(self, numbers: Tensor) -> Tensor:
        """``numbers`` of :class:`Draws`, where guides compute."""
        return numbers.to(self.wide).to(self.z.device)

    def done(self, z: Tensor, before: Tensor, after: Tensor, accepted: Tensor | None = None) -> Guided:
        """The result."""
        accepted = torch.ones(len(z), device=z.device) if accepted is None else accepted
        z, before, after, accepted = (x.to(self.device) for x in (z.detach().to(self.z.dtype), before, after, accepted))
        return Guided(z, before, after, self.evaluations, accepted)

    def _score(self, z: Tensor, rows: Tensor | None = None) -> Tensor:
        labels = self.labels if rows is None or self.labels is None else self.labels[rows.to(self.labels.device)]
        given = () if labels is None else (labels,)
        scores = self.discriminator(self.generator(z, *given), *given)
        if scores.shape not in ((len(z),), (len(z), 1)):
            raise InputError(f"D must return one score per image, ({len(z)},), not {tuple(scores.shape)}")
        if self.calibration is None:
            return scores
        return self.calibration(scores.flatten())

    def _wide(self, scores: Tensor) -> Tensor:
        return scores.flatten().to(torch.promote_types(scores.dtype, torch.float32))

    def _count(self, rows: Tensor | None) -> None:
        if rows is None:
            self.evaluations += 1
        else:
            self.evaluations[rows.cpu()] += 1
