"""FID, KID and IS against their formulas, computed here in float64, and against torchmetrics called directly."""

import importlib
import math
import warnings
from contextlib import nullcontext
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch import nn

from logan.metrics import distances
from logan.metrics.distances import FrechetStatistics, fid, inception_score, kid
from logan.metrics.torch_fidelity import without_init

F64 = torch.float64


class Given(nn.Module):
    """Stands where torchmetrics expects a feature extractor: the features are there already."""

    def __init__(self, num_features: int):
        super().__init__()
        self.num_features = num_features

    def forward(self, features):
        return features


def torchmetrics_image(name: str):
    """The module by its own name. It imports torch-fidelity and torchvision where they are installed, and needs neither."""
    try:
        with without_init() if find_spec("torch_fidelity") else nullcontext():
            return importlib.import_module(f"torchmetrics.image.{name}")
    except (ImportError, RuntimeError) as error:  # the latter where torchvision is of another build of torch
        pytest.skip(f"torchmetrics cannot be imported: {error}")


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def fid_of(real: torch.Tensor, fake: torch.Tensor) -> float:
    return fid(FrechetStatistics.of(real), FrechetStatistics.of(fake))


def root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(values.clip(0))) @ vectors.T


def fid_by_formula(real: torch.Tensor, fake: torch.Tensor) -> float:
    """With tr((Σ₁Σ₂)^½) = tr((Σ₁^½ Σ₂ Σ₁^½)^½), whose matrix is symmetric."""
    a, b = real.double().numpy(), fake.double().numpy()
    s1, s2 = np.cov(a, rowvar=False, ddof=1), np.cov(b, rowvar=False, ddof=1)
    cross = root(root(s1) @ s2 @ root(s1))
    return float(np.square(a.mean(0) - b.mean(0)).sum() + np.trace(s1 + s2) - 2 * np.trace(cross))


def two_sets(n: int = 60, m: int = 45, width: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    mix = torch.randn(width, width)
    return torch.randn(n, width) @ mix, torch.randn(m, width) * 1.5 + 0.3


def points_with(mean: torch.Tensor, covariance: torch.Tensor, n: int = 40) -> torch.Tensor:
    """n points whose mean and unbiased covariance are exactly these."""
    x = torch.randn(n, len(mean), dtype=F64)
    x -= x.mean(0)
    white = torch.linalg.solve_triangular(torch.linalg.cholesky(torch.cov(x.T)), x.T, upper=False)
    return (torch.linalg.cholesky(covariance) @ white).T + mean


def test_fid_is_the_formula():
    real, fake = two_sets()
    assert fid_of(real, fake) == pytest.approx(fid_by_formula(real, fake), rel=1e-9)


def test_fid_with_fewer_images_than_features():
    """Both covariances are singular, as with 2,048 features they often are."""
    real, fake = two_sets(20, 15, width=40)
    assert fid_of(real, fake) == pytest.approx(fid_by_formula(real, fake), rel=1e-5)


def test_fid_is_what_torchmetrics_computes_from_the_features():
    real, fake = (x.double() for x in two_sets())
    metric = torchmetrics_image("fid").FrechetInceptionDistance(feature=Given(7))
    metric.update(real, real=True)
    metric.update(fake, real=False)
    assert fid_of(real, fake) == pytest.approx(metric.compute().item(), rel=1e-12)


def test_fid_of_a_set_with_itself_is_zero():
    real, _ = two_sets()
    assert abs(fid_of(real, real)) < 1e-6


@pytest.mark.parametrize("n", [5, 500])
def test_fid_between_diagonal_gaussians(n):
    """‖μ₁ − μ₂‖² + Σ (σ₁ − σ₂)², from unbiased covariances whatever the number of points."""
    real = points_with(torch.zeros(3, dtype=F64), torch.diag(torch.tensor([1.0, 4.0, 9.0], dtype=F64)), n)
    fake = points_with(
        torch.tensor([1.0, 0, 2], dtype=F64), torch.diag(torch.tensor([4.0, 4.0, 1.0], dtype=F64)), n + 3
    )
    assert fid_of(real, fake) == pytest.approx((1 + 4) + (1 + 0 + 4), rel=1e-9)


def test_fid_between_gaussians_whose_covariances_do_not_commute():
    """In two dimensions tr(M^½) = √(tr M + 2 √det M)."""
    s1 = torch.tensor([[2.0, 0.8], [0.8, 1.0]], dtype=F64)
    s2 = torch.tensor([[1.0, -0.5], [-0.5, 3.0]], dtype=F64)
    m = s1 @ s2
    cross = math.sqrt(m.trace().item() + 2 * math.sqrt(torch.linalg.det(m).item()))
    mean = torch.tensor([1.0, -1.0], dtype=F64)
    expected = (s1 + s2).trace().item() - 2 * cross
    assert fid_of(points_with(mean, s1), points_with(mean, s2)) == pytest.approx(expected, rel=1e-9)


def test_fid_by_hand():
    """{−1, 1} has mean 0 and unbiased variance 2; {0, 2, 4} has mean 2 and variance 4."""
    expected = 4 + (math.sqrt(2) - 2) ** 2
    assert fid_of(torch.tensor([[-1.0], [1.0]]), torch.tensor([[0.0], [2.0], [4.0]])) == pytest.approx(expected)


def test_fid_does_not_depend_on_the_order_of_the_images():
    real, fake = two_sets()
    shuffled = fid_of(real[torch.randperm(60)], fake[torch.randperm(45)])
    assert shuffled == pytest.approx(fid_of(real, fake), rel=1e-10)


def test_fid_does_not_change_when_both_sets_are_rotated():
    real, fake = (x.double() for x in two_sets())
    rotation = torch.linalg.qr(torch.randn(7, 7, dtype=F64)).Q
    assert fid_of(real @ rotation, fake @ rotation) == pytest.approx(fid_of(real, fake), rel=1e-9)


def test_fid_of_a_shifted_set_is_the_squared_shift():
    real, _ = two_sets()
    shift = torch.tensor([3.0, 0, 0, -4, 0, 0, 12])
    assert fid_of(real, real + shift) == pytest.approx(169, abs=1e-4)


def test_fid_is_symmetric():
    real, fake = two_sets()
    assert fid_of(real, fake) == pytest.approx(fid_of(fake, real), rel=1e-9)


def test_moments_are_summed_in_float64():
    """Far from the origin float32 sums of squares would lose the variance altogether."""
    x = torch.randn(200, 3)
    there = x + 2.0**12  # exact to 2⁻¹¹
    real, fake = there[:100], there[100:]
    assert fid_of(real, fake) == pytest.approx(fid_by_formula(real, fake), rel=1e-5)


@pytest.mark.parametrize("n", [0, 1])
def test_fid_needs_two_images(n):
    with pytest.raises(ValueError, match=f"at least two images, not {n}"):
        FrechetStatistics.of(torch.zeros(n, 4))


@pytest.mark.parametrize(("width", "other"), [(4, 5), (4, 1), (1, 4)])
def test_fid_refuses_sets_of_other_widths(width, other):
    with pytest.raises((ValueError, RuntimeError)):
        fid_of(torch.randn(9, width), torch.randn(9, other))


def kid_by_formula(real: torch.Tensor, fake: torch.Tensor) -> float:
    """1/(n(n−1)) Σ_{i≠j} k(x_i, x_j) + the same of y − 2/(nm) Σ k(x_i, y_j), term by term."""

    def k(x, y):
        return (float(x @ y) / len(x) + 1) ** 3

    x, y = real.double().numpy(), fake.double().numpy()
    n, m = len(x), len(y)
    xx = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    yy = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return xx + yy - 2 * sum(k(a, b) for a in x for b in y) / (n * m)


def test_kid_of_whole_sets_is_the_formula():
    real, fake = two_sets(30, 30)
    mean, deviation = kid(real, fake)
    assert mean == pytest.approx(kid_by_formula(real, fake), rel=1e-10)
    assert deviation == pytest.approx(0, abs=1e-10 * mean)


def test_kid_by_hand():
    """x = {0, 2}, y = {1, −1}, k = (xy + 1)³: 1 + 0 − ½ (1 + 1 + 27 − 1)."""
    mean, _ = kid(torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [-1.0]]))
    assert mean == pytest.approx(1 + 0 - (1 + 1 + 27 - 1) / 2)


def direct_kid(real, fake, size, seed):
    with warnings.catch_warnings(), torch.random.fork_rng([]):
        warnings.simplefilter("ignore")
        kernel_distance = torchmetrics_image("kid").KernelInceptionDistance
        metric = kernel_distance(feature=Given(real.shape[1]), subsets=100, subset_size=size)
        metric.update(real.double(), real=True)
        metric.update(fake.double(), real=False)
        torch.manual_seed(seed)
        return tuple(x.item() for x in metric.compute())


def test_kid_is_what_torchmetrics_computes_on_subsets_of_the_smaller_sets_size():
    real, fake = two_sets(50, 12)
    assert kid(real, fake, seed=3) == pytest.approx(direct_kid(real, fake, 12, 3), rel=1e-12)


def test_kid_takes_100_subsets_of_1000(monkeypatch):
    assert (distances.KID_SUBSET, distances.KID_SUBSETS) == (1000, 100)
    monkeypatch.setattr(distances, "KID_SUBSET", 9)
    real, fake = two_sets(40, 30)
    assert kid(real, fake) == pytest.approx(direct_kid(real, fake, 9, 0), rel=1e-12)


def test_kid_depends_on_its_seed_alone():
    real, fake = two_sets(40, 20)
    first = kid(real, fake, seed=1)
    torch.manual_seed(99)
    assert kid(real, fake, seed=1) == first
    assert kid(real, fake, seed=2) != first


def test_kids_deviation_is_over_the_number_of_subsets(monkeypatch):
    """Each subset's value by the formula; subsets are drawn real first, then fake, from one generator."""
    monkeypatch.setattr(distances, "KID_SUBSET", 6)
    monkeypatch.setattr(distances, "KID_SUBSETS", 5)
    real, fake = two_sets(12, 9)
    deviation = kid(real, fake, seed=8)[1]
    torch.manual_seed(8)
    values = [kid_by_formula(real[torch.randperm(12)[:6]], fake[torch.randperm(9)[:6]]) for _ in range(5)]
    assert deviation == pytest.approx(np.std(values), rel=1e-9)


def test_kid_of_one_image_is_refused_and_not_nan():
    """Its unbiased estimate divides by n − 1."""
    with pytest.raises(ValueError, match="two"):
        kid(torch.randn(1, 4), torch.randn(5, 4))


def is_by_formula(logits: torch.Tensor) -> float:
    x = logits.double().numpy()
    p = np.exp(x - x.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    return float(np.exp((p * (np.log(p) - np.log(p.mean(0)))).sum(1).mean()))


def test_is_of_one_split_is_the_formula():
    logits = torch.randn(50, 6) * 3
    assert inception_score(logits) == (pytest.approx(is_by_formula(logits), rel=1e-12), 0.0)


@pytest.mark.parametrize("splits", [2, 5, 10])
def test_is_of_several_splits_is_their_mean_and_deviation(splits):
    logits = torch.randn(50, 6) * 3
    mean, deviation = inception_score(logits, splits=splits, seed=4)
    torch.manual_seed(4)
    parts = logits[torch.randperm(50)].view(splits, -1, 6)
    scores = [is_by_formula(part) for part in parts]
    assert mean == pytest.approx(np.mean(scores), rel=1e-12)
    assert deviation == pytest.approx(np.std(scores), rel=1e-9)


@pytest.mark.parametrize("splits", [1, 5])
def test_is_is_what_torchmetrics_computes(splits):
    """Its deviation is over n − 1."""
    logits = torch.randn(50, 6) * 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metric = torchmetrics_image("inception").InceptionScore(feature=Given(6), splits=splits)
        metric.update(logits.double())
        torch.manual_seed(0)
        mean, deviation = metric.compute()
    ours = inception_score(logits, splits=splits)
    assert ours[0] == pytest.approx(mean.item(), rel=1e-12)
    assert splits == 1 or ours[1] == pytest.approx(deviation.item() * math.sqrt((splits - 1) / splits), rel=1e-12)


def test_is_of_certain_and_balanced_predictions_is_the_number_of_classes():
    assert inception_score(60 * torch.eye(5).repeat(4, 1))[0] == pytest.approx(5)


def test_is_of_equal_predictions_is_one():
    assert inception_score(torch.randn(1, 6).repeat(20, 1), splits=4) == (pytest.approx(1), pytest.approx(0))


def test_is_of_predictions_certain_beyond_float64_is_a_number():
    """exp(−1000) is 0, and 0 ln 0 is 0 by convention: both images are surely of class 0, and the score is 1."""
    assert inception_score(torch.tensor([[0.0, -1000.0], [0.0, -1000.0]]))[0] == pytest.approx(1)


def test_is_has_as_many_parts_as_asked_for():
    """Four images of four classes in three parts of 1, 1 and 2: (1 + 1 + 2)/3."""
    assert inception_score(60 * torch.eye(4), splits=3)[0] == pytest.approx(4 / 3)


@pytest.mark.parametrize("splits", [0, -1, 11])
def test_is_refuses_more_splits_than_images(splits):
    with pytest.raises(ValueError, match=f"1 to 10 splits, not {splits}"):
        inception_score(torch.randn(10, 3), splits=splits)


def test_scores_leave_the_global_random_state_as_it_was():
    real, fake = two_sets()
    before = torch.get_rng_state()
    kid(real, fake), inception_score(real, splits=3), fid_of(real, fake)
    assert torch.equal(torch.get_rng_state(), before)


def test_scores_do_not_warn():
    real, fake = two_sets()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kid(real, fake), inception_score(real), fid_of(real, fake)


def test_fid_of_a_set_with_itself_with_fewer_images_than_features():
    """Both covariances are singular; square roots of eigenvalues of their product would be off by 6e-4."""
    features = 5 * torch.randn(200, 512, generator=torch.Generator().manual_seed(0))
    assert abs(fid_of(features, features)) < 1e-6
