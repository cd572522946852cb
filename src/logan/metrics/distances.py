"""FID, KID and Inception Score of features, in float64."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from logan.devices import in_float64
from logan.errors import InputError

KID_SUBSET = 1000
"""Images per subset of KID, and its number of subsets: Binkowski et al. (2018), section 4; torch-fidelity's defaults."""
KID_SUBSETS = 100


def check_finite(*features: Tensor) -> None:
    """Refuse features of a detector that is damaged, or of a generator that has diverged: they have no distance (InputError)."""
    lost = sum(int((~torch.isfinite(x)).any(1).sum()) for x in features)
    if lost:
        raise InputError(
            f"{lost:,} of {sum(map(len, features)):,} images have features that are not finite numbers: the detector is damaged, "
            f"or the generator that made the images has diverged"
        )


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
            ValueError: fewer than two features, or numbers that are not finite.
        """
        if len(features) < 2:
            raise ValueError(f"FID needs at least two images, not {len(features)}")
        check_finite(features)
        wide = in_float64(features)
        centred = wide - wide.mean(0)
        return cls(wide.mean(0), centred.T @ centred / (len(wide) - 1))


def fid(real: FrechetStatistics, fake: FrechetStatistics) -> float:
    """‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½), with unbiased covariances (Heusel et al. 2017, equation 6).

    The last trace is the sum of the singular values of Σ₁^½ Σ₂^½. torchmetrics and others take square roots of eigenvalues
    of Σ₁Σ₂, whose rounding errors do not stay small: with 200 images of 512 features, a set is 6e-4 away from itself.

    Raises:
        ValueError: the features are of different length.

    Example:
        Equal covariances and means 3 and 4 apart: 3² + 4².

        >>> features = torch.randn(100, 2, generator=torch.Generator().manual_seed(0))
        >>> real, fake = (FrechetStatistics.of(x) for x in (features, features + torch.tensor([3.0, 4.0])))
        >>> round(fid(real, fake), 4)
        25.0
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
    """The unbiased MMD² with kernel (xᵀy/F + 1)³: mean and standard deviation over subsets (Bińkowski et al. 2018).

    The deviation is over the number n of subsets, not over n − 1, as in torch-fidelity and torchmetrics.

    Args:
        real, fake: features (n, F).
        seed: of the subsets: 100 of 1,000 images each, or of the smaller set's size.

    Raises:
        ValueError: fewer than two images in a set.

    Example:
        Two sets of two features of one number: the mean of k(x, x′) = 1 and of k(y, y′) = 1, and every k(x, y) = 8.

        >>> real, fake = torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0], [0.0]])
        >>> kid(real, fake)  # 1 + 1 - 2 (1 + 1 + 1 + 8)/4
        (-3.5, 0.0)
    """
    size = min(KID_SUBSET, len(real), len(fake))
    if size < 2:
        raise ValueError(f"KID needs at least two images in each set, not {len(real)} and {len(fake)}")
    check_finite(real, fake)
    generator = torch.Generator().manual_seed(seed)

    def subset(features: Tensor) -> Tensor:
        return in_float64(features[torch.randperm(len(features), generator=generator)[:size]])

    values = torch.stack([_squared_mmd(subset(real), subset(fake)) for _ in range(KID_SUBSETS)])
    return values.mean().item(), values.std(correction=0).item()


def _squared_mmd(x: Tensor, y: Tensor) -> Tensor:
    """E k(x, x′) + E k(y, y′) − 2 E k(x, y) of two sets of n; unbiased, as no point is paired with itself."""
    n = len(x)
    within = sum(k.sum() - k.trace() for k in (_kernel(x, x), _kernel(y, y)))
    return within / (n * (n - 1)) - 2 * _kernel(x, y).mean()


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ (y / y.shape[1]).T + 1) ** 3


def inception_score(logits: Tensor, *, splits: int = 1, seed: int = 0) -> tuple[float, float]:
    """exp E_x KL(p(y|x) ‖ p(y)): mean and standard deviation over splits (Salimans et al. 2016, section 4).

    The deviation is over the number n of splits, as in the paper's code; over n − 1 it would be 5.4 % larger for n = 10.

    Args:
        logits: (n, K).
        splits: parts that are scored one by one; images are shuffled before.
        seed: of the shuffling.

    Raises:
        ValueError: no split, or more of them than images.

    Example:
        Certain, and each class as often: as many as there are classes.

        >>> score, _ = inception_score(100 * torch.eye(4).repeat(5, 1))
        >>> round(score, 6)
        4.0
    """
    if not 1 <= splits <= len(logits):
        raise ValueError(f"the Inception Score needs 1 to {len(logits)} splits, not {splits}")
    check_finite(logits)
    order = torch.randperm(len(logits), generator=torch.Generator().manual_seed(seed))
    probabilities = in_float64(logits)[order].softmax(1)
    scores = torch.stack([_inception_score(part) for part in probabilities.tensor_split(splits)])
    return scores.mean().item(), scores.std(correction=0).item()


def _inception_score(p: Tensor) -> Tensor:
    """The KL divergences' mean is H(p(y)) − E_x H(p(y|x)), where 0 ln 0 is 0."""
    return (torch.special.entr(p.mean(0)).sum() - torch.special.entr(p).sum(1).mean()).exp()
