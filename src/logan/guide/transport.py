"""Discriminator optimal transport in z."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from .chain import Chain, Guided
from .contract import Guide, check_scores, require, require_positive, require_steps
from .priors import keep_within


@dataclass(frozen=True)
class Transport(Guide):
    """Move z₀ to argmin_z ‖z − z₀‖ − D(G(z))/k, with k the Lipschitz constant of D∘G.

    If D is an optimal critic of the Wasserstein-1 distance between samples and data, k times over, this is where the
    optimal transport takes the sample: z moves only where D rises more steeply than k. It needs no logit. Source:
    Tanaka 2019, "Discriminator optimal transport", in latent space, with its effective k: the largest
    |D(G(z)) − D(G(y))|/‖z − y‖ over pairs, here of one class. In many dimensions no two latents are near each other, k is smaller
    than the steepest slope, and all samples move.

    In place of plain descent, whose gradient is undefined at z₀ and which therefore starts beside it, a step of
    proximal gradient descent: w = z + η∇D(G(z))/k − z₀, z ← [z₀ + w max(0, 1 − η/‖w‖)], whose fixed points are exactly
    the minimum's.

    Attributes:
        steps: how many; 0 leaves z as it is.
        step_size: η > 0. The default is what most networks of docs/results/guides did best with.
        lipschitz: k > 0; None measures it.

    Example:
        D = −a‖x − c‖²/2 rises with slope a‖x − c‖: z goes on towards c until the slope is k, here to a distance of
        0.25.

        >>> D = lambda x: -2 * (x - 0.5).square().sum(1)
        >>> z = torch.tensor([[-0.5], [0.4]])
        >>> Transport(steps=200, step_size=0.1, lipschitz=1.0)(torch.nn.Identity(), D, z).z
        tensor([[0.2500],
                [0.4000]])
    """

    steps: int = 20
    step_size: float = 0.01
    lipschitz: float | None = None
    name: ClassVar[str] = "transport"
    needs_logit: ClassVar[bool] = False
    draws_from_prior: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require_steps(self.steps)
        require_positive(step_size=self.step_size)
        if self.lipschitz is not None:
            require_positive(lipschitz=self.lipschitz)

    def measure(self, chain: Chain) -> Transport:
        if self.lipschitz is not None:
            return self
        scores = chain.score(chain.z)
        check_scores(scores)
        k = steepest(chain.z, scores, chain.labels)
        return replace(self, lipschitz=k or torch.finfo(torch.float32).max)  # a D that says nothing moves nothing

    def walk(self, chain: Chain) -> Guided:
        k = self.measure(chain).lipschitz
        assert k is not None
        start = chain.z.to(chain.wide)
        bound, z, before = keep_within(chain.prior), start, None
        for _ in range(self.steps):
            d, g = chain.gradient(z)
            before = d if before is None else before
            w = z + self.step_size * g / k - start
            shrink = (1 - self.step_size / w.norm(dim=1, keepdim=True).clamp(min=1e-30)).clamp(min=0)
            z = bound(start + w * shrink)
        after = chain.score(z)
        return chain.done(z, after if before is None else before, after)


def steepest(z: Tensor, scores: Tensor, labels: Tensor | None = None) -> float:
    """The largest |s_i − s_j|/‖z_i − z_j‖ over pairs of z (N, d) of one class, with scores (N,).

    Raises:
        InputError: if no two latents of a class differ.
    """
    z, scores = z.double(), scores.double()
    far = torch.cdist(z, z)
    other = far == 0
    if labels is not None:
        other = other | (labels[:, None] != labels[None]).to(other.device)
    require(
        not bool(other.all()),
        "the Lipschitz constant cannot be measured on one latent, or on such that are alike; give `lipschitz`",
    )
    return float(((scores[:, None] - scores[None]).abs() / far.masked_fill(other, torch.inf)).max())
