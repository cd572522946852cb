"""Names of metrics."""

import pytest

from logan.errors import InputError
from logan.evaluation.names import Metric, count_name, lower_is_better, parse, parse_all


@pytest.mark.parametrize("name", ["fid10k", "kid50k", "is1797", "pr10", "modes10k", "fid10000k"])
def test_parsing_a_name_gives_it_back(name):
    assert parse(name).name == name


def test_kind_and_count():
    assert parse("kid50k") == Metric("kid", 50_000)
    assert parse("is1797") == Metric("is", 1797)


def test_thousands_are_shortened():
    assert parse("fid5000") == parse("fid5k")
    assert parse("fid5000").name == "fid5k"
    assert [count_name(n) for n in (10, 999, 1000, 1500, 50_000)] == ["10", "999", "1k", "1500", "50k"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fod10k", r"unknown metric 'fod10k' \(did you mean 'fid10k'\?\); metrics: fid10k, kid10k"),
        ("", "unknown metric ''"),
        ("FID10k", "unknown metric"),
        ("fid", "'fid' needs a number of generated images, as in fid10k"),
        ("kid", "'kid' needs a number of generated images, as in kid10k"),
        ("fid10kk", "needs a number"),
        ("fid1.5k", "unknown metric|needs a number"),
        ("none", "unknown metric"),
    ],
)
def test_wrong_names(name, message):
    with pytest.raises(InputError, match=message):
        parse(name)


@pytest.mark.parametrize("name", ["fid0", "fid9", "is0k", "fid10001k", "fid10000001"])
def test_impossible_counts(name):
    with pytest.raises(InputError, match=f"{name}.*10 to 10,000,000"):
        parse(name)


def test_several_names_by_spaces_and_commas():
    assert [m.name for m in parse_all(["is10k,fid10k", "kid5k"])] == ["is10k", "fid10k", "kid5k"]


def test_repetitions_count_once_however_they_are_spelt():
    assert [m.name for m in parse_all(["fid1k", "is1k", "fid1k", "fid1000"])] == ["fid1k", "is1k"]


def test_none_is_no_metric():
    assert parse_all(["none"]) == ()
    assert parse_all([]) == ()


def test_none_does_not_go_with_others():
    with pytest.raises(InputError, match="none"):
        parse_all(["none", "fid10k"])


@pytest.mark.parametrize(
    ("score", "lower"),
    [
        ("fid10k", True),
        ("kid10k", True),
        ("reverse_kl10k", True),
        ("is10k", False),
        ("precision10k", False),
        ("recall10k", False),
        ("modes10k", False),
        ("quality10k", False),
    ],
)
def test_lower_is_better(score, lower):
    assert lower_is_better(score) is lower
