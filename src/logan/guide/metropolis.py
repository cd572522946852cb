"""The Metropolis–Hastings GAN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from .chain import Chain, Guided
from .contract import Guide, require_steps
from .draws import CHOICE
from .reject import fresh


@dataclass(frozen=True)
class Metropolis(Guide):
    """A chain of k independent proposals z′ of the prior, each accepted with probability min(1, exp(d(G(z′)) − d(G(z)))).

    Its end follows p_data as k grows, if d is the logit of an optimal D. Unlike rejection it needs no maximum and takes
    the same time for every sample. Source: Turner et al. 2019, "Metropolis-Hastings generative adversarial networks"
    (there k = 640, and the chain begins at a real image, which has no z; here at the z given).

    Attributes:
        steps: k; 0 leaves z as it is.

    Example:
        d(x) = x − 1/2 turns N(0, 1) into N(1, 1):

        >>> z = torch.randn(2000, 1, generator=torch.Generator().manual_seed(0))
        >>> found = Metropolis(steps=50)(torch.nn.Identity(), lambda x: x[:, 0] - 0.5, z, prior="normal")
        >>> round(found.z.mean().item(), 1)
        1.0
    """

    steps: int = 100
    name: ClassVar[str] = "metropolis"
    needs_logit: ClassVar[bool] = True
    draws_from_prior: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_steps(self.steps)

    def walk(self, chain: Chain) -> Guided:
        z, d = chain.z, chain.score(chain.z)
        before, accepted = d, torch.zeros(len(z), device=z.device)
        for k in range(1, self.steps + 1):
            there = fresh(chain, k)
            d_there = chain.score(there)
            yes = chain.draws.uniform(CHOICE, k)[:, 0].to(d.device).log() < (d_there - d).double()
            z, d, accepted = torch.where(yes[:, None], there, z), torch.where(yes, d_there, d), accepted + yes
        return chain.done(z, before, d, accepted / max(self.steps, 1))
