"""From D's score to the logit of a density ratio: logistic regression on images that D was not trained on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from logan.errors import InputError

FEWEST = 10
"""Real and generated images each, below which two numbers are not fitted."""


@dataclass(frozen=True)
class Calibration:
    """d = scale · score + offset, and how well it fits.

    With as many generated as real images, the d that logistic regression finds estimates log p_data(x)/p_G(x). Whether
    the probability σ(d) is right is what ``log_loss`` and ``error`` say; a straight line cannot mend a D whose ranking
    is wrong.

    Attributes:
        scale, offset: the fitted line.
        log_loss: mean −log of the probability given to the truth, nats; log 2 = 0.693 is that of a D that knows
            nothing.
        raw_log_loss: the same of the score as it is.
        auc: the share of (real, generated) pairs that the score ranks rightly; 0.5 is chance.
        error: the expected calibration error: mean |σ(d) − share of real images| over ten bins of equally many,
            weighted.
        reals, fakes: how many images of each.
    """

    scale: float
    offset: float
    log_loss: float
    raw_log_loss: float
    auc: float
    error: float
    reals: int
    fakes: int

    def __call__(self, scores: Tensor) -> Tensor:
        """d, float32 at least."""
        return self.scale * scores.to(torch.promote_types(scores.dtype, torch.float32)) + self.offset

    def __str__(self) -> str:
        return (
            f"d = {self.scale:.3g} · score {self.offset:+.3g}: log loss {self.log_loss:.3f} (as it is {self.raw_log_loss:.3f}, "
            f"knowing nothing 0.693), AUC {self.auc:.3f}, calibration error {self.error:.3f}, {self.reals:,} real and "
            f"{self.fakes:,} generated images"
        )


def calibrate(real: Tensor, fake: Tensor) -> Calibration:
    """Fit d = a·s + b to D's scores of held-out real images (R,) and of generated ones (F,), by logistic regression.

    Both kinds weigh the same, whatever R and F, so that d is the logit of a density ratio and no prior comes in. The
    targets are (n + 1)/(n + 2) and 1/(n + 2) in place of 1 and 0, with which a and b are finite though the scores be
    separable. Newton's method.

    Source: Platt 1999, "Probabilistic outputs for support vector machines"; for GANs, Turner et al. 2019,
    "Metropolis-Hastings generative adversarial networks".

    Raises:
        InputError: fewer than ten scores of a kind, or scores that are not finite.

    Example:
        Two normal distributions of variance 1 around ±1 have the log-ratio 2s:

        >>> found = calibrate(torch.randn(4000) + 1, torch.randn(4000) - 1)
        >>> abs(found.scale - 2) < 0.3 and abs(found.offset) < 0.3
        True
    """
    real, fake = (s.detach().flatten().cpu().double() for s in (real, fake))
    if min(len(real), len(fake)) < FEWEST:
        raise InputError(
            f"calibration needs {FEWEST} real and {FEWEST} generated images, not {len(real)} and {len(fake)}"
        )
    if not (torch.isfinite(real).all() and torch.isfinite(fake).all()):
        raise InputError(
            "D's scores are not all finite numbers: this discriminator has diverged, and cannot be calibrated"
        )
    scores = torch.cat([real, fake])
    targets = torch.cat([torch.full_like(real, _target(len(real))), torch.full_like(fake, 1 - _target(len(fake)))])
    weights = torch.cat([torch.full_like(real, 0.5 / len(real)), torch.full_like(fake, 0.5 / len(fake))])
    a, b = _logistic_regression(scores, targets, weights)
    true = torch.cat([torch.ones_like(real), torch.zeros_like(fake)])
    d = a * scores + b
    return Calibration(
        a,
        b,
        _log_loss(d, true, weights),
        _log_loss(scores, true, weights),
        _auc(real, fake),
        _error(d, true, weights),
        len(real),
        len(fake),
    )


def _target(n: int) -> float:
    return (n + 1) / (n + 2)


def _logistic_regression(s: Tensor, y: Tensor, w: Tensor) -> tuple[float, float]:
    """a, b that minimise Σ w [softplus(d) − y d], d = a s + b: by Newton's method with halved steps, on standardised scores."""
    mean, spread = (w * s).sum(), max(float((w * (s - (w * s).sum()).square()).sum().sqrt()), 1e-12)
    X = torch.stack([(s - mean) / spread, torch.ones_like(s)], 1)
    theta = torch.zeros(2, dtype=torch.float64)

    def loss(at: Tensor) -> float:
        d = X @ at
        return float((w * (torch.nn.functional.softplus(d) - y * d)).sum())

    for _ in range(100):
        p = torch.sigmoid(X @ theta)
        slope = X.T @ (w * (p - y))
        curvature = (X * (w * p * (1 - p))[:, None]).T @ X + 1e-12 * torch.eye(2, dtype=torch.float64)
        step, now = torch.linalg.solve(curvature, slope), loss(theta)
        while loss(theta - step) > now and step.norm() > 1e-12:
            step = step / 2
        theta = theta - step
        if step.norm() < 1e-10:
            break
    a = float(theta[0]) / spread
    return a, float(theta[1]) - a * float(mean)


def _log_loss(d: Tensor, true: Tensor, weights: Tensor) -> float:
    return float((weights * (torch.nn.functional.softplus(d) - true * d)).sum())


def _auc(real: Tensor, fake: Tensor) -> float:
    """The share of pairs with real > fake, ties counted half: by ranks."""
    ordered = fake.sort().values
    below, upto = torch.searchsorted(ordered, real), torch.searchsorted(ordered, real, right=True)
    return float((below + upto).double().mean() / (2 * len(fake)))


def _error(d: Tensor, true: Tensor, weights: Tensor, bins: int = 10) -> float:
    total, edges = 0.0, torch.quantile(d, torch.linspace(0, 1, bins + 1, dtype=d.dtype)[1:-1])
    place = torch.bucketize(d, edges, right=True)  # equal scores in one bin
    for rows in (place == k for k in range(bins)):
        w = weights[rows]
        if math.isclose(float(w.sum()), 0):
            continue
        total += abs(float((w * (torch.sigmoid(d[rows]) - true[rows])).sum()))
    return total
