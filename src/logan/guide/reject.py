"""Discriminator rejection sampling."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from .chain import Chain, Guided
from .contract import Guide, check_scores, require
from .draws import CHOICE, LATENT
from .priors import from_normal


@dataclass(frozen=True)
class Reject(Guide):
    """Draw latents anew until one is accepted, with probability exp(d(G(z)) − M) if γ is 0: the accepted follow p_data.

    The acceptance probability is σ(F), F = d − M − log(1 − exp(d − M)) − γ, with M the maximum of d: for γ = 0, σ(F) =
    exp(d − M). In high dimensions few are accepted then; γ < 0 accepts more, and is less exact. Source: Azadi et al.
    2019, "Discriminator rejection sampling". There γ is a percentile of F in each batch; here it is a
    percentile over the burn-in, so that a sample does not depend on its batch. For the same reason M is that of the
    burn-in, and does not grow later; where d is above it, the sample is accepted.

    Attributes:
        gamma: γ, unless there is a percentile.
        percentile: q in (0, 100): γ is the q-th percentile of F (Azadi et al.: 80 to 95).
        maximum: M; None measures it.
        most: draws per sample at most; then the one that scored best is taken.

    Example:
        d = log(3) for x > 0 and −∞ else, with M = log 3: every sample that is returned is > 0.

        >>> D = lambda x: torch.where(x[:, 0] > 0, math.log(3), -50.0)
        >>> found = Reject(maximum=math.log(3))(torch.nn.Identity(), D, torch.linspace(-1, 1, 5)[:, None])
        >>> bool((found.z > 0).all())
        True
    """

    gamma: float = 0.0
    percentile: float | None = None
    maximum: float | None = None
    most: int = 1000
    name: ClassVar[str] = "reject"
    needs_logit: ClassVar[bool] = True
    draws_from_prior: ClassVar[bool] = True
    budget: ClassVar[str] = "most"

    def __post_init__(self) -> None:
        require(math.isfinite(self.gamma), f"`gamma` must be finite, not {self.gamma}")
        q = self.percentile
        require(q is None or 0 < q < 100, f"`percentile` must be in (0, 100), not {q}")
        require(
            q is None or self.gamma == 0, "`gamma` and `percentile` are one or the other: the percentile is gamma's"
        )
        require(self.maximum is None or math.isfinite(self.maximum), f"`maximum` must be finite, not {self.maximum}")
        require(isinstance(self.most, int) and self.most >= 1, f"`most` must be a whole number >= 1, not {self.most!r}")

    def measure(self, chain: Chain) -> Reject:
        if self.maximum is not None and self.percentile is None:
            return self
        d = chain.score(chain.z).double()
        check_scores(d)
        found = replace(self, maximum=float(d.max()) if self.maximum is None else self.maximum)
        if self.percentile is None:
            return found
        odds = found._log_odds(d, 0.0)
        return replace(found, gamma=float(torch.quantile(odds, self.percentile / 100)), percentile=None)

    def walk(self, chain: Chain) -> Guided:
        guide = self.measure(chain)
        d = chain.score(chain.z)
        z, before = chain.z.clone(), d
        best, best_d, tries = z.clone(), d.clone(), torch.ones(len(z), device=z.device)
        waiting = self._refused(guide, chain, d, 0)
        for k in range(1, self.most):
            rows = waiting.nonzero()[:, 0]
            if not len(rows):
                break
            z[rows] = fresh(chain, k)[rows]
            d = d.clone()
            d[rows] = chain.score(z[rows], rows).to(d.dtype)
            tries[rows] += 1
            better = waiting & (d > best_d)
            best[better], best_d[better] = z[better], d[better]
            waiting = waiting & self._refused(guide, chain, d, k)
        z, d = torch.where(waiting[:, None], best, z), torch.where(waiting, best_d, d)
        return chain.done(z, before, d, (~waiting).float() / tries)

    def _log_odds(self, d: Tensor, gamma: float) -> Tensor:
        """F, (B,), float64."""
        assert self.maximum is not None
        below = (d.double() - self.maximum).clamp(max=-1e-14)
        return below - torch.log(-torch.expm1(below)) - gamma

    @staticmethod
    def _refused(guide: Reject, chain: Chain, d: Tensor, k: int) -> Tensor:
        chance = torch.sigmoid(guide._log_odds(d, guide.gamma))
        return chain.draws.uniform(CHOICE, k)[:, 0].to(d.device) >= chance


def fresh(chain: Chain, k: int) -> Tensor:
    """The k-th other latent of each sample, (B, d), of the prior."""
    u = chain.draws.normal(LATENT, k, chain.z.shape[1])
    return from_normal(u, chain.prior).to(chain.z.dtype).to(chain.z.device)
