"""Discriminator-driven latent sampling: Langevin dynamics in z."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from .chain import Chain, Guided
from .contract import Guide, require, require_positive, require_steps
from .draws import CHOICE, PROPOSAL
from .priors import from_normal, to_normal


@dataclass(frozen=True)
class Langevin(Guide):
    """Sample z in proportion to p(z) exp(d(G(z))/τ), by Langevin dynamics.

    If d is the logit of an optimal D, log p_data(x)/p_G(x), these z give samples of p_data where p_G has any. Source:
    Che et al. 2020, "Your GAN is secretly an energy-based model and you should use discriminator driven latent
    sampling": z ← z − ε/2 ∇E(z) + √ε n, n ~ N(0, I), with E(z) = −log p(z) − d(G(z)).

    Here the walk is in coordinates u in which the prior is normal (:mod:`logan.guide.priors`), and the linear part of
    the drift is taken implicitly, as in the Crank–Nicolson scheme,

        u′ = [(2 − δ) u + 2δ ∇d/τ + √(8δ) n] / (2 + δ),   δ = ε/2,

    which to first order in ε is the same step, and leaves the prior as it is *exactly* where d says nothing, whatever
    ε. Source: Cotter et al. 2013, "MCMC methods for functions: modifying old algorithms to make them faster"
    (its pCNL).

    Attributes:
        steps: how many; 0 leaves z as it is.
        step_size: ε > 0.
        temperature: τ > 0: below 1, D is believed more than it says.
        noise: scales n: 1 samples; less than 1 is nearer to climbing, 0 climbs to a mode (Che et al. use less than 1 on
            images).
        metropolis: accept each step with the probability that makes the target exact whatever ε (Metropolis-adjusted);
            ``noise`` is 1 then.

    Raises:
        InputError: for a field outside its range.

    Example:
        With d(x) = 2x − 2 and G(z) = z, p_data is N(2, 1) if p(z) is N(0, 1):

        >>> z = torch.randn(2000, 1, generator=torch.Generator().manual_seed(0))
        >>> found = Langevin(steps=60, step_size=0.2)(torch.nn.Identity(), lambda x: 2 * x[:, 0] - 2, z, prior="normal")
        >>> round(found.z.mean().item(), 1), round(found.z.std().item(), 1)
        (2.0, 1.0)
    """

    steps: int = 100
    step_size: float = 0.01
    temperature: float = 1.0
    noise: float = 1.0
    metropolis: bool = False
    name: ClassVar[str] = "langevin"
    needs_logit: ClassVar[bool] = True
    draws_from_prior: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_steps(self.steps)
        require_positive(step_size=self.step_size, temperature=self.temperature)
        require(0 <= self.noise < math.inf, f"`noise` must be >= 0 and finite, not {self.noise}")
        require(
            not self.metropolis or self.noise == 1,
            f"`metropolis` needs `noise` 1, not {self.noise}: else it has no target to be exact for",
        )

    def walk(self, chain: Chain) -> Guided:
        u = to_normal(chain.z, chain.prior)
        pull = 1.0 if chain.prior == "normal" else self.noise**2
        d, slope = self._look(chain, u)
        before, accepted = d, torch.zeros(len(u), device=u.device)
        for k in range(self.steps):
            noise = chain.draws.normal(PROPOSAL, k, u.shape[1]).to(u.device)
            there = self._mean(u, slope, pull) + self.noise * self._spread(pull) * noise
            d_there, slope_there = self._look(chain, there)
            yes = torch.ones_like(d, dtype=torch.bool)
            if self.metropolis:
                odds = self._log_odds(u, d, slope, there, d_there, slope_there)
                yes = chain.draws.uniform(CHOICE, k)[:, 0].to(u.device).log() < odds
            u, slope = torch.where(yes[:, None], there, u), torch.where(yes[:, None], slope_there, slope)
            d, accepted = torch.where(yes, d_there, d), accepted + yes
        z = from_normal(u, chain.prior) if self.steps else chain.z
        return chain.done(z, before, d, accepted / max(self.steps, 1))

    @property
    def _delta(self) -> float:
        return self.step_size / 2

    def _spread(self, pull: float = 1.0) -> float:
        """The standard deviation of a step with the whole noise."""
        return math.sqrt(8 * self._delta) / (2 + self._delta * pull)

    def _mean(self, u: Tensor, slope: Tensor, pull: float = 1.0) -> Tensor:
        """Where a step from u leads on average; slope: ∇_u d/τ; pull: how much of the prior's drift −u there is.

        With less noise the drift of N(0, I) in u has to be as much weaker, else it would draw the latents of a cube to its middle,
        where log p(z) is as flat as everywhere; of a normal prior it belongs to the energy, and stays.
        """
        return ((2 - self._delta * pull) * u + 2 * self._delta * slope) / (2 + self._delta * pull)

    def _look(self, chain: Chain, u: Tensor) -> tuple[Tensor, Tensor]:
        """d(G(T(u))), (B,), and its gradient in u over τ, float64: T's derivative is taken by autograd."""
        with torch.inference_mode(False), torch.enable_grad():
            at = u.detach().clone().requires_grad_()
            z = from_normal(at, chain.prior)
        d, g = chain.gradient(z.detach())
        (slope,) = torch.autograd.grad(z, at, g.double())
        return d, slope / self.temperature

    def _log_odds(self, u: Tensor, d: Tensor, slope: Tensor, v: Tensor, d_v: Tensor, slope_v: Tensor) -> Tensor:
        """log [π(v) q(u | v)] − log [π(u) q(v | u)] for π(u) ∝ exp(−‖u‖²/2 + d/τ) and q(v | u) = N(mean of u, spread²)."""

        def joint(a: Tensor, d_a: Tensor, slope_a: Tensor, b: Tensor) -> Tensor:
            target = d_a.double() / self.temperature - a.square().sum(1) / 2
            return target - (b - self._mean(a, slope_a)).square().sum(1) / (2 * self._spread() ** 2)

        return joint(v, d_v, slope_v, u) - joint(u, d, slope, v)
