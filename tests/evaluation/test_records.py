"""What a run remembers of its scores."""

import json
import math

import pytest
import torch
from safetensors.torch import load_file, save_file

from logan.errors import InputError
from logan.evaluation import records
from logan.sampling import snapshot


@pytest.fixture
def run(tmp_path):
    """A folder with three snapshots, whose weights are their numbers."""
    for k in (1, 2, 3, 4):
        save_file({"x": torch.tensor([k])}, tmp_path / snapshot.file_name(1000 * k))
    return tmp_path


def line(images, in_training=True, **results):
    return {"metric": "fid10", "results": results or {"fid10": 1.0}, "images": images, "in_training": in_training}


def best(run):
    return json.loads((run / "best.json").read_text())


def kept_weights(run):
    return load_file(run / "network-best.safetensors")["x"].item()


def test_what_is_appended_can_be_read(tmp_path):
    records.append(tmp_path, line(1000))
    records.append(tmp_path, line(2000))
    found = records.read(tmp_path, "fid10")
    assert [r["images"] for r in found] == [1000, 2000]
    assert found[0]["results"] == {"fid10": 1.0}
    assert all(r["timestamp"] > 1.7e9 for r in found)
    assert (tmp_path / "metric-fid10.jsonl").read_text().count("\n") == 2


def test_nothing_was_measured(tmp_path):
    assert records.read(tmp_path, "fid10") == []


@pytest.mark.parametrize("junk", ['{"metric": "fid10", "resu', "[1, 2]", "nonsense"])
def test_a_line_that_is_no_record_is_ignored(tmp_path, junk):
    records.append(tmp_path, line(1000))
    with open(tmp_path / "metric-fid10.jsonl", "a") as f:
        f.write(junk)
    assert [r["images"] for r in records.read(tmp_path, "fid10")] == [1000]


def test_later_measurements_are_dropped(tmp_path):
    for images in (1000, 2000, 3000):
        records.append(tmp_path, line(images))
        records.append(tmp_path, line(images) | {"metric": "is10"})
    records.drop_after(tmp_path, 2000)
    for metric in ("fid10", "is10"):
        assert [r["images"] for r in records.read(tmp_path, metric)] == [1000, 2000]


def test_what_evaluate_measured_is_kept(tmp_path):
    records.append(tmp_path, line(3000))
    records.append(tmp_path, line(3000, in_training=False))
    records.drop_after(tmp_path, 1000)
    assert [r["in_training"] for r in records.read(tmp_path, "fid10")] == [False]


def test_the_lowest_fid_is_the_best(run):
    told = [records.keep_best(run, 1000 * k, {"is10": k, "fid10": fid}) for k, fid in ((1, 9.0), (2, 5.0), (3, 7.0))]
    assert told == [True, True, False]
    found = best(run)
    assert found.pop("measure") == [None, None, None]
    assert found == {"by": "fid10", "images": 2000, "kimg": 2.0, "scores": {"is10": 2, "fid10": 5.0}}
    assert kept_weights(run) == 2


def test_the_first_of_equals_is_the_best(run):
    assert records.keep_best(run, 1000, {"fid10": 5.0})
    assert not records.keep_best(run, 2000, {"fid10": 5.0})
    assert kept_weights(run) == 1


def test_more_modes_are_better(run):
    for k, modes in ((1, 3.0), (2, 7.0), (3, 5.0)):
        records.keep_best(run, 1000 * k, {"modes10": modes, "quality10": 0.5, "reverse_kl10": 0.1})
    assert best(run)["by"] == "modes10"
    assert kept_weights(run) == 2


def test_among_equal_modes_the_quality_decides(run):
    for k, quality in ((1, 0.5), (2, 0.9), (3, 0.7)):
        records.keep_best(run, 1000 * k, {"modes10": 8.0, "quality10": quality, "reverse_kl10": 0.0})
    assert kept_weights(run) == 2


def test_without_fid_kid_decides_and_then_the_first():
    assert records.leading({"is10": 1.0, "kid10": 1.0, "fid10": 1.0}) == "fid10"
    assert records.leading({"is10": 1.0, "kid10": 1.0, "kid10_std": 1.0}) == "kid10"
    assert records.leading({"is10": 1.0, "precision10": 1.0}) == "is10"
    assert records.leading({}) is None


def test_the_highest_is_without_fid(run):
    for k, score in ((1, 2.0), (2, 6.0), (3, 4.0)):
        records.keep_best(run, 1000 * k, {"is10": score})
    assert kept_weights(run) == 2


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_diverged_run_is_never_the_best(run, bad):
    assert not records.keep_best(run, 1000, {"fid10": bad})
    assert not (run / "best.json").exists()
    assert records.keep_best(run, 2000, {"fid10": 5.0})
    assert not records.keep_best(run, 3000, {"fid10": bad})
    assert kept_weights(run) == 2


def test_no_scores_no_best(run):
    assert not records.keep_best(run, 1000, {})
    assert not (run / "best.json").exists()


def test_a_score_beside_that_is_not_finite_is_null(run):
    records.keep_best(run, 1000, {"modes10": 0.0, "quality10": 0.0, "reverse_kl10": math.inf})
    assert best(run)["scores"]["reverse_kl10"] is None
    assert records.keep_best(run, 2000, {"modes10": 1.0, "quality10": 0.5, "reverse_kl10": 2.0})


def test_another_leading_score_starts_anew(run):
    records.keep_best(run, 1000, {"fid10": 5.0})
    assert records.keep_best(run, 2000, {"fid20": 50.0})
    assert best(run)["by"] == "fid20"


def test_a_best_of_before_a_resumption_that_was_undone_is_replaced(run):
    records.keep_best(run, 3000, {"fid10": 1.0})
    assert records.keep_best(run, 2000, {"fid10": 5.0})  # resumed before 3000
    assert kept_weights(run) == 2


def test_when_later_measurements_are_dropped_the_best_of_the_rest_is_kept(run):
    """A run that was killed after its measurement at 4000, and goes on from 2000 with other --tick and --snap."""
    for k, fid in ((1, 30.0), (2, 20.0), (4, 10.0)):
        records.append(run, line(1000 * k, fid10=fid))
        records.keep_best(run, 1000 * k, {"fid10": fid})
    records.drop_after(run, 2000)
    records.append(run, line(3000, fid10=25.0))
    records.keep_best(run, 3000, {"fid10": 25.0})
    assert best(run)["images"] == 2000
    assert kept_weights(run) == 2


def test_by_another_yardstick_the_best_starts_anew(run):
    """A classifier's FID of 5 does not keep Inception's 30 from being the best."""
    assert records.keep_best(run, 1000, {"fid10": 5.0}, records.Yardstick("classifier", "data", 0))
    assert records.keep_best(run, 2000, {"fid10": 30.0}, records.Yardstick("inception", "data", 0))
    assert not records.keep_best(run, 3000, {"fid10": 31.0}, records.Yardstick("inception", "data", 0))
    assert best(run)["images"] == 2000


def test_only_what_the_last_yardstick_found_is_read(tmp_path):
    for images, sha, value in ((1000, "a", 5.0), (2000, "b", 30.0), (3000, "b", 20.0)):
        line = {"metric": "fid10", "results": {"fid10": value}, "images": images, "in_training": True}
        records.append(tmp_path, line | {"detector_sha256": sha, "real_key": "r", "latent_steps": 0})
    assert {k: v for k, (v, _) in records.measured(tmp_path).items()} == {2000: {"fid10": 30.0}, 3000: {"fid10": 20.0}}


@pytest.mark.parametrize("damaged", ["{}", '{"images": "x", "by": "fid10", "scores": {}}', "[1]", "x"])
def test_a_damaged_best_is_one_line(run, damaged):
    (run / records.BEST).write_text(damaged)
    with pytest.raises(InputError, match="remove it"):
        records.keep_best(run, 1000, {"fid10": 5.0})


def test_bytes_that_are_no_text_spoil_one_line_only(tmp_path):
    records.append(tmp_path, {"metric": "fid10", "results": {"fid10": 1.0}, "images": 1, "in_training": True})
    with open(tmp_path / "metric-fid10.jsonl", "ab") as f:
        f.write(b'\xff\xfe\n{"no": "results"}\n')
    assert len(records.read(tmp_path, "fid10")) == 1


def without(name):
    return lambda r: {k: v for k, v in r.items() if k != name}


WHOLE = {"metric": "fid10", "results": {"fid10": 1.0}, "images": 1000, "in_training": True, "steps": 10, "seconds": 0.5,
         "detector": "classifier", "detector_sha256": "ab", "n_real": 10, "n_fake": 10, "real_key": "r",
         "latent_steps": 0}  # fmt: skip
DAMAGES = {
    "no images": without("images"),
    "no results": without("results"),
    **{f"images: {x!r}"[:30]: lambda r, x=x: {**r, "images": x} for x in ("1000", None, -1, 0.5, [], True)},
    **{
        f"results: {x!r}"[:30]: lambda r, x=x: {**r, "results": x} for x in (None, 7, [], {"fid10": "1"}, {"fid10": []})
    },
    **{f"{name} is a list": lambda r, name=name: {**r, name: []} for name in list(WHOLE)[3:]},
    "a number of 5,000 digits": lambda r: json.dumps(r).replace("1000", "9" * 5000),
    "Infinity": lambda r: json.dumps(r).replace("1000", "Infinity"),
    "nested": lambda r: '{"images": ' + "[" * 10**5,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_record_of_other_kinds_is_left_out(tmp_path, damage):
    damaged = damage(WHOLE)
    text = damaged if isinstance(damaged, str) else json.dumps(damaged)
    (tmp_path / "metric-fid10.jsonl").write_text(f"{text}\n{json.dumps(WHOLE)}\n")
    assert records.read(tmp_path, "fid10") == records.in_training(tmp_path) == [WHOLE]
    records.drop_after(tmp_path, 1000)
    assert (tmp_path / "metric-fid10.jsonl").read_text().count("\n") == 1


@pytest.mark.parametrize("name", ["steps", "seconds", "detector", "n_fake"])
def test_a_comparison_without_what_it_reads(tmp_path, name):
    """Of records of a program that writes less."""
    from logan.compare.runs import read_points
    from logan.compare.summary import footnote

    from .small import result

    records.append(tmp_path, without(name)(WHOLE))
    assert len(read_points(tmp_path)) == (0 if name in ("steps", "seconds") else 1)
    assert (footnote([result("a", [{"fid10": 1.0}], run=tmp_path)]) == "") == (name in ("detector", "n_fake"))


BESTS = {
    **{f"{name} is missing": without(name) for name in ("images", "by", "scores")},
    **{f"images: {x!r}"[:30]: lambda r, x=x: {**r, "images": x} for x in ("1000", None, -1, 0.5, True)},
    **{
        f"scores: {x!r}"[:30]: lambda r, x=x: {**r, "scores": x} for x in (None, 7, [], {"fid10": "1"}, {"fid10": None})
    },
    **{f"by: {x!r}"[:30]: lambda r, x=x: {**r, "by": x} for x in (None, 7, [], "other")},
    "measure: 7": lambda r: {**r, "measure": 7},
    "nested": lambda r: "[" * 10**5,
    "NaN": lambda r: json.dumps(r).replace("1000", "NaN"),
}


@pytest.mark.parametrize("damage", BESTS.values(), ids=BESTS)
def test_a_best_of_other_kinds_is_one_line(run, damage):
    assert records.keep_best(run, 1000, {"fid10": 5.0})
    damaged = damage(best(run))
    (run / records.BEST).write_text(damaged if isinstance(damaged, str) else json.dumps(damaged))
    for use in (lambda: records.keep_best(run, 1000, {"fid10": 4.0}), lambda: records.drop_after(run, 500)):
        with pytest.raises(InputError, match=r"best\.json is damaged.*remove it"):
            use()
