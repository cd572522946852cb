"""Points of truncation curves."""

import pytest

from logan.metrics.truncation import LEVELS, Point, match

CURVE = [Point(1.0, 8.0, 50.0), Point(0.5, 5.0, 80.0), Point(0.1, 20.0, 120.0)]


@pytest.mark.parametrize(("fid", "trunc"), [(0.0, 0.5), (6.4, 0.5), (6.6, 1.0), (13.9, 1.0), (14.1, 0.1), (99.0, 0.1)])
def test_match_by_fid_is_the_nearest(fid, trunc):
    assert match(CURVE, fid=fid).trunc == trunc


@pytest.mark.parametrize(("score", "trunc"), [(0.0, 1.0), (64.0, 1.0), (66.0, 0.5), (101.0, 0.1), (500.0, 0.1)])
def test_match_by_inception_score_is_the_nearest(score, trunc):
    assert match(CURVE, inception_score=score).trunc == trunc


def test_match_at_zero_is_a_match():
    """A FID of 0 is a number, not the absence of one."""
    assert match(CURVE, fid=0) is CURVE[1]
    assert match(CURVE, inception_score=0) is CURVE[0]


@pytest.mark.parametrize("given", [{}, {"fid": 1.0, "inception_score": 2.0}])
def test_match_needs_one_of_the_two(given):
    with pytest.raises(ValueError, match="either a FID or an IS"):
        match(CURVE, **given)


def test_match_needs_a_curve():
    with pytest.raises(ValueError, match="a curve"):
        match([], fid=1.0)


def test_levels_go_from_none_down_to_the_papers_last():
    assert LEVELS[0] == 1.0
    assert LEVELS[-1] == 0.02
    assert list(LEVELS) == sorted(set(LEVELS), reverse=True)
