"""Precision, recall, density and coverage of points whose answers are known by hand, and by brute force."""

import numpy as np
import pytest
import torch

from logan.metrics import manifold
from logan.metrics.manifold import density_coverage, precision_recall

F64 = torch.float64


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def line(*x: float) -> torch.Tensor:
    return torch.tensor(x, dtype=F64)[:, None]


def by_brute_force(real: torch.Tensor, fake: torch.Tensor, k: int) -> dict[str, float]:
    """Squared distances as sums of squares: exact for whole numbers. Balls are without borders for the last two scores."""
    r, f = real.double().numpy(), fake.double().numpy()

    def squared(a, b):
        return sum(np.subtract.outer(a[:, i], b[:, i]) ** 2 for i in range(a.shape[1]))

    def radii(a):
        to_others = squared(a, a)
        np.fill_diagonal(to_others, np.inf)
        return np.sort(to_others, axis=1)[:, k - 1]

    between = squared(r, f)
    inside = between < radii(r)[:, None]
    return {
        "precision": (between <= radii(r)[:, None]).any(0).mean(),
        "recall": (between <= radii(f)[None]).any(1).mean(),
        "density": inside.sum(0).mean() / k,
        "coverage": (between.min(1) < radii(r)).mean(),
    }


def all_four(real: torch.Tensor, fake: torch.Tensor, k: int) -> dict[str, float]:
    precision, recall = precision_recall(real, fake, k)
    density, coverage = density_coverage(real, fake, k)
    return {"precision": precision, "recall": recall, "density": density, "coverage": coverage}


def test_identical_sets_have_precision_and_recall_one():
    points = torch.randn(20, 3)
    assert precision_recall(points, points) == (1.0, 1.0)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_identical_sets_are_covered_once_and_no_more(k):
    """Each ball holds its own centre and k − 1 neighbours; the k-th is on its border."""
    points = torch.randn(20, 3)
    assert density_coverage(points, points, k) == (1.0, 1.0)


@pytest.mark.parametrize(("x", "inside"), [(1.0, 0), (1 - 1e-8, 1), (0.0, 1)])
def test_density_and_coverage_leave_a_balls_border_out(x, inside):
    """All balls but that of 0 are far from the fake; its radius is 1, to its right neighbour."""
    real = torch.tensor([[0, 0], [1, 0], [50, 0], [50.5, 0]], dtype=F64)
    assert density_coverage(real, torch.tensor([[-x, 0]], dtype=F64), k=1) == (inside, inside / 4)


def test_balls_of_equal_points_are_empty():
    """Without a border there is nothing in a ball of radius 0, not even its centre."""
    assert density_coverage(line(2, 2, 7, 7), line(2, 7), k=1) == (0.0, 0.0)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
@pytest.mark.parametrize("width", [2, 3])
def test_on_a_lattice_where_most_distances_are_equal(width, k):
    """Centred, its coordinates are no whole numbers any more, and rounding must not decide."""
    real, fake = (torch.randint(0, 7, (n, width), dtype=F64) for n in (61, 47))
    assert all_four(real, fake, k) == pytest.approx(by_brute_force(real, fake, k), rel=1e-12)
    assert all_four(real / 3 + 0.1, fake / 3 + 0.1, k) == all_four(real, fake, k)
    assert all_four(real, real, k) == pytest.approx(by_brute_force(real, real, k), rel=1e-12)


def test_far_sets_score_nothing():
    points = torch.randn(20, 3)
    assert set(all_four(points, points + 1000, 3).values()) == {0.0}


def test_half_of_the_fakes_inside():
    """Real balls cover [−1, 4]; each fake reaches as far as its neighbour, so that the fakes cover [0, 1] and [50, 51]."""
    assert precision_recall(line(0, 1, 2, 3), line(0.25, 0.75, 50, 51), k=1) == (0.5, 0.5)


def test_precision_is_of_fakes_and_recall_is_of_reals():
    """One fake of four lies among the reals, but the balls of the fakes hold every real."""
    assert precision_recall(line(0, 1, 2, 3), line(0.5, 10, 11, 12), k=1) == (0.25, 1.0)


def test_collapse_to_one_point_is_precise_and_recalls_only_that_point():
    """Balls of equal fakes have no extent."""
    assert precision_recall(line(0, 1, 2, 3, 4), line(2, 2, 2, 2, 2)) == (1.0, 0.2)


@pytest.mark.parametrize(("x", "precision"), [(8.99, 0.25), (9.0, 0.25), (9.01, 0.0)])
def test_ball_reaches_to_the_kth_other_point_and_includes_its_border(x, precision):
    """For k = 2 the ball around 7 reaches to 5 on one side, so to 9 on the other."""
    assert precision_recall(line(0, 0.5, 1, 5, 5.5, 7), line(x, -100, -200, -300), k=2)[0] == precision


@pytest.mark.parametrize(("k", "precision"), [(1, 0.0), (2, 0.5), (3, 1.0)])
def test_a_larger_k_widens_the_manifold(k, precision):
    """Radii of 0, 1, 3, 6 around 0 are 1, 3, 6; those around 6 are 3, 5, 6: it is the leftmost reach that grows."""
    assert precision_recall(line(0, 1, 3, 6), line(-2.5, -4, -2.5, -4), k=k)[0] == precision


def test_density_counts_every_ball_and_coverage_those_that_hold_a_fake():
    """All radii are 1; the fake at 2.25 lies in the balls of 2 and 3, the other in none."""
    assert density_coverage(line(0, 1, 2, 3, 4), line(2.25, 100), k=1) == (1.0, 0.4)


def test_density_divides_by_k():
    """With k = 2 the ends' radii are 2, the others 1: the fake at 1.75 lies in the balls of 0, 1 and 2."""
    assert density_coverage(line(0, 1, 2, 3, 4), line(1.75, 100), k=2) == (3 / 4, 0.6)


def test_coverage_counts_a_ball_once():
    assert density_coverage(line(0, 1, 10, 11), line(0.5, 0.5, 0.5), k=1) == (2.0, 0.5)


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("score", ["precision", "recall", "density", "coverage"])
def test_brute_force_agrees(k, score):
    real, fake = torch.randn(60, 2), torch.randn(45, 2) * 0.7 + 2
    expected = by_brute_force(real, fake, k)[score]
    assert 0 < expected < 1
    assert all_four(real, fake, k)[score] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("k", [2, 4])
def test_order_of_the_points_does_not_matter(k):
    real, fake = torch.randn(40, 2), torch.randn(30, 2) + 1
    shuffled = all_four(real[torch.randperm(40)], fake[torch.randperm(30)], k)
    assert shuffled == pytest.approx(all_four(real, fake, k), rel=1e-12)


@pytest.mark.parametrize("rows", [1, 7, 30])
def test_blocks_of_rows_change_nothing(rows, monkeypatch):
    real, fake = torch.randn(40, 2), torch.randn(30, 2) + 1
    whole = all_four(real, fake, 3)
    monkeypatch.setattr(manifold, "ROWS", rows)
    assert all_four(real, fake, 3) == whole


def test_more_points_than_a_block():
    real, fake = torch.randn(manifold.ROWS + 52, 2), torch.randn(manifold.ROWS + 7, 2) + 1
    assert all_four(real, fake, 3) == pytest.approx(by_brute_force(real, fake, 3), rel=1e-12)


def test_distances_far_from_the_origin_are_exact():
    """Products of coordinates of 2³⁰ would drown distances of 1; the points are many enough for torch to prefer them."""
    real, fake = torch.randint(0, 20, (60, 2), dtype=F64), torch.randint(0, 30, (60, 2), dtype=F64)
    assert all_four(real + 2.0**30, fake + 2.0**30, 3) == all_four(real, fake, 3)


def test_neighbours_are_three_for_precision_and_five_for_density():
    real, fake = torch.randn(60, 2), torch.randn(45, 2) * 0.7 + 0.8
    assert precision_recall(real, fake) == precision_recall(real, fake, k=3)
    assert density_coverage(real, fake) == density_coverage(real, fake, k=5)


@pytest.mark.parametrize(("n", "m"), [(3, 10), (10, 3)])
def test_precision_and_recall_need_more_than_k_of_both(n, m):
    with pytest.raises(ValueError, match="more than 3 points, not 3"):
        precision_recall(torch.randn(n, 2), torch.randn(m, 2))
    precision_recall(torch.randn(4, 2), torch.randn(4, 2))


def test_density_needs_more_than_k_reals_but_one_fake():
    with pytest.raises(ValueError, match="more than 5 points, not 5"):
        density_coverage(torch.randn(5, 2), torch.randn(10, 2))
    assert density_coverage(torch.arange(6.0)[:, None], line(2.0))[1] == 1.0
