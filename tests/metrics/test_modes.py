"""Scores of points against mixtures, on samples made by hand."""

import math

import pytest
import torch

from logan.metrics.modes import score_modes

CENTRES = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])
NAN, INF = math.nan, math.inf


def at(*counts: int, stray: int = 0) -> torch.Tensor:
    """So many points on each centre, and so many far from all of them."""
    points = [CENTRES[i].repeat(n, 1) for i, n in enumerate(counts)]
    return torch.cat([*points, torch.full((stray, 2), 5.0)])


def score(points: torch.Tensor, std: float = 0.5):
    return score_modes(points, CENTRES, std)


def test_all_modes_alike():
    scores = score(at(5, 5, 5, 5))
    assert (scores.modes, scores.quality, scores.reverse_kl) == (4, 1.0, pytest.approx(0, abs=1e-12))


def test_one_mode_only():
    scores = score(at(0, 20, 0, 0))
    assert (scores.modes, scores.quality, scores.reverse_kl) == (1, 1.0, pytest.approx(math.log(4)))


def test_no_point_near_a_mode():
    scores = score(at(0, 0, 0, 0, stray=7))
    assert (scores.modes, scores.quality, scores.reverse_kl) == (0, 0.0, INF)


def test_quality_is_the_share_of_points_near_a_mode():
    assert score(at(3, 3, 3, 0, stray=3)).quality == 0.75


def test_reverse_kl_is_of_the_good_points_shares_against_the_uniform():
    """Shares ½, ¼, ¼, 0: ½ ln 2 + 2 · ¼ ln 1; strays do not count."""
    assert score(at(8, 4, 4, 0, stray=5)).reverse_kl == pytest.approx(math.log(2) / 2)


@pytest.mark.parametrize("counts", [(1, 1, 1, 1), (3, 3, 3, 3), (7, 7, 7, 7)])
def test_reverse_kl_is_never_negative(counts):
    assert score(at(*counts)).reverse_kl >= 0


@pytest.mark.parametrize(("held", "modes"), [(4, 3), (5, 4)])
def test_mode_is_covered_from_a_tenth_of_its_fair_share_on(held, modes):
    """n = 200 and K = 4: a fair share is 50 points."""
    assert score(at(200 - 100 - held, 50, 50, held)).modes == modes


@pytest.mark.parametrize(("stray", "modes"), [(0, 4), (80, 3)])
def test_fair_share_is_of_all_points_not_of_the_good_ones(stray, modes):
    """2 of 80 are a tenth of 20, but not of 40."""
    assert score(at(26, 26, 26, 2, stray=stray)).modes == modes


def test_empty_mode_of_a_small_sample_is_not_covered():
    """A tenth of one point is less than a point."""
    assert score(at(2, 1, 1, 0)).modes == 3


@pytest.mark.parametrize("x", [(NAN, NAN), (NAN, 0.0), (0.0, NAN), (INF, 0.0), (0.0, -INF), (INF, NAN)])
def test_points_that_are_not_finite_are_of_no_quality(x):
    points = at(1, 1, 1, 1)
    points[0] = torch.tensor(x)
    scores = score(points)
    assert (scores.modes, scores.quality, scores.reverse_kl) == (3, 0.75, pytest.approx(math.log(4 / 3)))


def test_nothing_finite_at_all():
    scores = score(torch.full((9, 2), NAN))
    assert (scores.modes, scores.quality, scores.reverse_kl) == (0, 0.0, INF)


def test_point_that_is_not_finite_beside_many_others():
    """For more than 25 points torch computes distances by products, in which infinities could spread."""
    points = at(20, 20, 20, 20)
    points[:5] = NAN
    points[5:8] = INF
    scores = score(points)
    assert (scores.modes, scores.quality) == (4, 0.9)


@pytest.mark.parametrize(("distance", "quality"), [(1.499, 1.0), (1.5, 1.0), (1.501, 0.0), (0.0, 1.0)])
def test_reach_is_three_standard_deviations(distance, quality):
    assert score(CENTRES + torch.tensor([distance, 0.0]), std=0.5).quality == quality


def test_reach_is_a_radius_and_not_per_axis():
    assert score(CENTRES + 1.2, std=0.5).quality == 0.0


def test_point_belongs_to_its_nearest_mode():
    """Both modes reach all three points."""
    centres = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    scores = score_modes(torch.tensor([[0.4, 0.0], [0.6, 0.0], [0.9, 0.3]]), centres, 1.0)
    thirds = math.log(2) + math.log(1 / 3) / 3 + 2 * math.log(2 / 3) / 3
    assert scores.reverse_kl == pytest.approx(thirds)


def test_points_in_the_form_of_images():
    points = at(8, 4, 4, 0, stray=5)
    assert score(points.view(-1, 2, 1, 1)) == score(points)


def test_points_may_carry_gradients():
    points = at(5, 5, 5, 5)
    assert score(points.clone().requires_grad_()) == score(points)


def test_no_points():
    with pytest.raises(ValueError, match="no points"):
        score(torch.zeros(0, 2))
