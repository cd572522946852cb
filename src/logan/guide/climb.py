"""Latent optimisation at evaluation: Algorithm 1, with the losses left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from logan.errors import InputError
from logan.latent import LatentStep, Method

from .chain import Chain, Guided
from .contract import Guide, require_steps
from .priors import keep_within


@dataclass(frozen=True)
class Latent(Guide):
    """k steps up the gradient of D's score: z ← [z + αg] or [z + αg/(β + ‖g‖²)].

    Appendix E of Wu et al. (2019) takes ten. It assumes nothing of D but that better images score higher *nearby*;
    taken far, it finds images that D likes and nobody else does: the score rises, and FID too.

    Attributes:
        steps: k; 0 leaves z as it is.
        method, alpha, beta, portion: as in :class:`logan.LatentStep`. Not its α of 0.9, which is for one step: many such went
            too far on most networks of docs/results/guides.

    Example:
        With D = −‖z‖²/2, g = −z: z shrinks by 1 − α at each step.

        >>> import torch
        >>> G, D = torch.nn.Identity(), lambda x: -x.square().sum(1) / 2
        >>> Latent(steps=2, method="gd", alpha=0.5, portion=1.0)(G, D, torch.tensor([[0.8, -0.4]])).z
        tensor([[ 0.2000, -0.1000]])
    """

    steps: int = 10
    method: Method = "ngd"
    alpha: float = 0.1
    beta: float = 0.1
    portion: float = 1.0
    name: ClassVar[str] = "latent"
    needs_logit: ClassVar[bool] = False
    draws_from_prior: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require_steps(self.steps)
        self._step("normal")

    def walk(self, chain: Chain) -> Guided:
        step, bound = self._step(chain.prior), keep_within(chain.prior)
        z = chain.z.to(chain.wide)
        before = None
        for _ in range(self.steps):
            scores, g = chain.gradient(z)
            before = scores if before is None else before
            g[:, self._optimised(z.shape[1]) :] = 0
            z = bound(z + step.displacement(g))
        after = chain.score(z)
        return chain.done(z, after if before is None else before, after)

    def check_latents(self, d: int) -> None:
        self._optimised(d)

    def _step(self, prior: str) -> LatentStep:
        return LatentStep(self.method, self.alpha, self.beta, self.portion, penalty=0.0, bounds=None)

    def _optimised(self, d: int) -> int:
        count = int(self.portion * d + 0.5)
        if count < 1:
            raise InputError(f"`portion` {self.portion} of {d} latent dimensions leaves none to optimise; raise it")
        return count
