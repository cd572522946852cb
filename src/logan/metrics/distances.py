"""FID, KID and Inception Score of features in float64; KID and IS by torchmetrics."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from logan.metrics.torch_fidelity import torchmetrics_image

KID_SUBSET = 1000
"""Images per subset of KID, and its number of subsets: Binkowski et al. (2018), section 4; torch-fidelity's defaults."""
KID_SUBSETS = 100


LEAST_LOGIT = -600.0
"""Below the largest; e^-600 is still a float64, and 0 ln 0 would be NaN."""


class _Given(nn.Module):
    """Stands where torchmetrics expects a feature extractor: the features are there already."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


@dataclass(frozen=True)
class FrechetStatistics:
    """All that FID needs of a set of n features, in float64.

    Attributes:
        mean: μ, (F,).
        covariance: Σ, (F, F), with n − 1.
    """

    mean: Tensor
    covariance: Tensor

    @classmethod
    def of(cls, features: Tensor) -> FrechetStatistics:
        """Of features (n, F).

        Raises:
            ValueError: fewer than two features.
        """
        if len(features) < 2:
            raise ValueError(f"FID needs at least two images, not {len(features)}")
        wide = features.double()
        centred = wide - wide.mean(0)
        return cls(wide.mean(0), centred.T @ centred / (len(wide) - 1))


def fid(real: FrechetStatistics, fake: FrechetStatistics) -> float:
    """‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½), with unbiased covariances (Heusel et al. 2017, equation 6).

    The last trace is the sum of the singular values of Σ₁^½ Σ₂^½. torchmetrics and others take square roots of eigenvalues
    of Σ₁Σ₂, whose rounding errors do not stay small: with 200 images of 512 features, a set is 6e-4 away from itself.

    Raises:
        ValueError: the features are of different length.
    """
    if len(real.mean) != len(fake.mean):
        raise ValueError(f"features of {len(real.mean)} and of {len(fake.mean)} numbers: of two detectors?")
    cross = torch.linalg.svdvals(_root(real.covariance) @ _root(fake.covariance)).sum()
    traces = real.covariance.trace() + fake.covariance.trace()
    return ((real.mean - fake.mean).square().sum() + traces - 2 * cross).item()


def _root(covariance: Tensor) -> Tensor:
    """The symmetric square root."""
    values, vectors = torch.linalg.eigh(covariance)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


def kid(real: Tensor, fake: Tensor, *, seed: int = 0) -> tuple[float, float]:
    """Mean and standard deviation over subsets of the unbiased MMD² with kernel (xᵀy/F + 1)³ (Binkowski et al. 2018).

    Args:
        real, fake: features (n, F).
        seed: of the subsets: 100 of 1,000 images each, or of the smaller set's size.

    Raises:
        ValueError: fewer than two images in a set.
    """
    if min(len(real), len(fake)) < 2:
        raise ValueError(f"KID needs at least two images in each set, not {len(real)} and {len(fake)}")
    size = min(KID_SUBSET, len(real), len(fake))
    with _no_advice():
        return _kid(real, fake, size, seed)


def _kid(real: Tensor, fake: Tensor, size: int, seed: int) -> tuple[float, float]:
    metric: Any = torchmetrics_image("kid").KernelInceptionDistance(
        feature=_Given(real.shape[1]), subsets=KID_SUBSETS, subset_size=size
    )
    metric.update(real.double(), real=True)
    metric.update(fake.double(), real=False)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        mean, std = metric.compute()
    return mean.item(), std.item()


def inception_score(logits: Tensor, *, splits: int = 1, seed: int = 0) -> tuple[float, float]:
    """exp E_x KL(p(y|x) ‖ p(y)): mean and (for more than one split) standard deviation (Salimans et al. 2016, section 4).

    Args:
        logits: (n, K).
        splits: parts that are scored one by one; images are shuffled before.
        seed: of the shuffling.
    """
    if not 1 <= splits <= len(logits):
        raise ValueError(f"the Inception Score needs 1 to {len(logits)} splits, not {splits}")
    order = torch.randperm(len(logits), generator=torch.Generator().manual_seed(seed))
    wide = logits.double()[order]
    certain = (wide - wide.amax(1, keepdim=True)).clamp(min=LEAST_LOGIT)
    scores = torch.stack([_inception_score(part) for part in certain.tensor_split(splits)])
    return scores.mean().item(), 0.0 if splits == 1 else scores.std().item()


def _inception_score(logits: Tensor) -> Tensor:
    with _no_advice(), torch.random.fork_rng([]):  # it shuffles by the global generator
        metric: Any = torchmetrics_image("inception").InceptionScore(feature=_Given(logits.shape[1]), splits=1)
        metric.update(logits)
        return metric.compute()[0]


@contextmanager
def _no_advice() -> Iterator[None]:
    """torchmetrics warns that it keeps features (they are small here), and torch of the deviation of a single split."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*will save all extracted features.*")
        warnings.filterwarnings("ignore", message=".*degrees of freedom.*")
        yield
