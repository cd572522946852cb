"""Adversarial losses: pure functions of scores, all with one signature.

A loss is three functions of one score t, applied to each sample: what the discriminator pays for a real image, what it
pays for a fake one, and what the generator pays for its fake. In the paper's equation 1, h_D and h_G are the last two.

    L_D = mean real(D(x)) + mean fake(D(G(z′)))          L_G = mean generator(D(G(z′)))

To add a loss: write its three functions below and enter it in ``LOSSES``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from logan.errors import InputError, did_you_mean

PerSample = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Loss:
    """Both players' losses as functions of scores.

    Attributes:
        name: as on the command line.
        real: (B,) scores D(x) of real images to D's loss per sample, (B,).
        fake: (B,) scores D(G(z′)) to D's loss per sample, (B,).
        fool: (B,) scores D(G(z′)) to G's loss per sample, (B,).
        zero_sum: promises that fool(t) = −fake(t): what G wins on a fake, D loses.

    Example:
        What D and G pay by every loss where D gives 0.5 to a real image and 0 to a fake:

        >>> real, fake = torch.tensor([0.5]), torch.tensor([0.0])
        >>> for loss in LOSSES.values():
        ...     print(f"{loss.name}: {loss.discriminator(real, fake):.3f} {loss.generator(fake).abs():.3f}")
        hinge: 1.500 0.000
        wasserstein: -0.500 0.000
        non-saturating: 1.167 0.693
        minimax: 1.167 0.693
    """

    name: str
    real: PerSample
    fake: PerSample
    fool: PerSample
    zero_sum: bool = False

    def discriminator(self, real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        """L_D from scores of real (B,) and generated images (B,); scalar."""
        return mean(self.real, real_scores) + mean(self.fake, fake_scores)

    def generator(self, fake_scores: Tensor) -> Tensor:
        """L_G from scores of generated images (B,); scalar."""
        return mean(self.fool, fake_scores)


def mean(per_sample: PerSample, scores: Tensor) -> Tensor:
    """The mean over the batch of one of a loss's three functions; scalar."""
    return per_sample(_wide(scores)).mean()


def _wide(scores: Tensor) -> Tensor:
    """Scores in float32 at least: a mean over a batch loses digits in half precision."""
    return scores.to(torch.promote_types(scores.dtype, torch.float32))


def _negative(t: Tensor) -> Tensor:
    return -t


def _identity(t: Tensor) -> Tensor:
    return t


def _hinge_real(t: Tensor) -> Tensor:
    return F.relu(1 - t)


def _hinge_fake(t: Tensor) -> Tensor:
    return F.relu(1 + t)


def _minus_log_sigmoid(t: Tensor) -> Tensor:
    return F.softplus(-t)


def _minus_log_one_minus_sigmoid(t: Tensor) -> Tensor:
    return F.softplus(t)


def _log_one_minus_sigmoid(t: Tensor) -> Tensor:
    return -F.softplus(t)


hinge = Loss("hinge", real=_hinge_real, fake=_hinge_fake, fool=_negative)
"""L_D = mean max(0, 1 − D(x)) + mean max(0, 1 + D(G(z))),  L_G = −mean D(G(z))  (Lim & Ye 2017; appendix C, eq. 36 and 42).

The Poisson reading (appendix C, eq. 36–42). Many identical discriminators may each vote to reject an image; the number of
votes k is Poisson with rate λ = −D(G(z)), p(k; λ) = λᵏ e^{−λ} / k!. The image fools them all if no vote is cast,
p(k = 0; λ) = e^{−λ}, and so −ln p(k = 0; λ) = λ = −D(G(z)): the generator's hinge loss is the negative log-likelihood that
the empirical Fisher matrix of equation 10 asks for. It is a likelihood only where D(G(z)) < 0, which the discriminator's
hinge loss pushes towards.
"""

wasserstein = Loss("wasserstein", real=_negative, fake=_identity, fool=_negative, zero_sum=True)
"""L_D = −mean D(x) + mean D(G(z)),  L_G = −mean D(G(z))  (Arjovsky et al. 2017; the form of the paper's section 2.2)."""

non_saturating = Loss(
    "non-saturating", real=_minus_log_sigmoid, fake=_minus_log_one_minus_sigmoid, fool=_minus_log_sigmoid
)
"""Binary cross-entropy from logits, G maximises log σ(D(G(z)))  (Goodfellow et al. 2014, section 3; used by CS-GAN)."""

minimax = Loss(
    "minimax", real=_minus_log_sigmoid, fake=_minus_log_one_minus_sigmoid, fool=_log_one_minus_sigmoid, zero_sum=True
)
"""Binary cross-entropy from logits, G minimises log(1 − σ(D(G(z)))): zero-sum in the fake term  (Goodfellow et al. 2014, eq. 1)."""

LOSSES: dict[str, Loss] = {loss.name: loss for loss in (hinge, wasserstein, non_saturating, minimax)}


def get(name: str) -> Loss:
    """The loss of that name.

    Raises:
        InputError: if there is none.
    """
    try:
        return LOSSES[name]
    except KeyError:
        choices = ", ".join(LOSSES)
        raise InputError(
            f"unknown loss {name!r}{did_you_mean(name, list(LOSSES))}; losses: {choices}", "loss"
        ) from None
