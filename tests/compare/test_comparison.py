"""Scores of a run over time: the best, the last, a collapse; mean and deviation; finding runs again."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from logan.compare import runs
from logan.compare.runs import Entry, Result, mean_std
from logan.config import presets
from logan.evaluation import records
from logan.training import folder

from ..evaluation.small import result


def of_fids(*values):
    return result("ngd", [{"fid10": v} for v in values])


def test_the_final_score_is_that_of_the_last_snapshot():
    assert of_fids(9.0, 3.0, 5.0).final("fid10") == 5.0


def test_the_best_point_has_the_lowest_fid():
    assert of_fids(9.0, 3.0, 5.0).best_point("fid10")["steps"] == 20


def test_the_best_point_has_the_highest_is():
    run = result("ngd", [{"is10": v} for v in (2.0, 4.0, 3.0)])
    assert run.best_point("is10")["steps"] == 20


def test_the_first_of_equals_is_the_best_point():
    assert of_fids(9.0, 3.0, 3.0).best_point("fid10")["steps"] == 20


def test_is_is_taken_at_the_lowest_fid():
    """Section 5.2 of the paper; its own best is elsewhere."""
    run = result("ngd", [{"fid10": 9.0, "is10": 8.0}, {"fid10": 3.0, "is10": 5.0}, {"fid10": 4.0, "is10": 7.0}])
    assert run.best("is10", by="fid10") == 5.0
    assert run.best("fid10", by="fid10") == 3.0


def test_a_score_that_is_missing_at_the_best_point_is_nan():
    run = result("ngd", [{"fid10": 3.0, "is10": None}, {"fid10": 9.0, "is10": 2.0}])
    assert math.isnan(run.best("is10", by="fid10"))


def test_a_snapshot_that_diverged_is_infinitely_bad():
    run = result("ngd", [{"fid10": 9.0, "is10": 2.0}, {"fid10": None, "is10": None}])
    assert run.final("fid10") == math.inf
    assert run.final("is10") == -math.inf
    assert run.best("fid10", by="fid10") == 9.0
    assert run.best_point("is10")["steps"] == 10


def test_a_curve_leaves_snapshots_without_the_score_out():
    run = result("ngd", [{"fid10": 9.0}, {"is10": 2.0}, {"fid10": 3.0}])
    assert [(p["steps"], v) for p, v in run.curve("fid10")] == [(10, 9.0), (30, 3.0)]


@pytest.mark.parametrize(
    ("fids", "step"),
    [
        ((9, 5, 4, 3), None),  # falls all the time
        ((9, 5, 11, 30, 40), 30),  # more than twice the best before, to the end
        ((9, 5, 30, 6, 4), None),  # recovers
        ((9, 5, 30, 6, 40, 50), 50),  # recovers, and collapses later
        ((9, 5, 10, 10), None),  # twice is not more than twice
        ((9, 5, 10.1, 10), None),
        ((9, 5, 9, 10.1), 40),  # from the first that is beyond
        ((9, 5, None, None), 30),  # diverges
        ((9, None, 5), None),
        ((9,), None),
        ((None, None), None),  # never was any good
        ((0.5, 30), 20),
    ],
)
def test_collapse_of_a_fid(fids, step):
    assert of_fids(*fids).collapse("fid10") == step


@pytest.mark.parametrize(
    ("modes", "step"),
    [((2, 8, 8), None), ((2, 8, 3, 1), 30), ((2, 8, 1, 5), None), ((0, 0, 0), None), ((8, 4), None), ((8, 0), 20)],
)
def test_collapse_of_modes(modes, step):
    assert result("ngd", [{"modes10": v} for v in modes]).collapse("modes10") == step


def test_kid_below_zero_is_no_collapse():
    """KID is unbiased: that of a perfect generator is as often below zero as above."""
    run = result("ngd", [{"kid10": v} for v in (0.5, -0.001, -0.0009)])
    assert run.collapse("kid10") is None


def test_mean_and_deviation_with_n_minus_1():
    assert mean_std([1.0, 2.0, 6.0]) == (3.0, pytest.approx(math.sqrt((4 + 1 + 9) / 2)))


def test_one_value_has_no_deviation():
    mean, std = mean_std([3.0])
    assert mean == 3.0
    assert math.isnan(std)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_have_no_mean(bad):
    assert not any(map(math.isfinite, mean_std([1.0, bad])))


def test_no_values():
    assert all(map(math.isnan, mean_std([])))


def entry(label, seed=0):
    config = presets.get("digits")
    return Entry(label, replace(config, run=replace(config.run, seed=seed)))


def test_the_name_of_a_run_folder_can_be_one():
    assert entry("ngd").description == "digits-ngd-seed0"
    assert entry("ngd:beta=5:adam-betas=0.5/0.9", 12).description == "digits-ngd-beta-5-adam-betas-0.5-0.9-seed12"


def test_a_long_name_keeps_the_seed(tmp_path):
    text = entry("ngd:" + "x" * 200, 7).description
    assert len(text) <= 100
    assert text.endswith("-seed7")
    assert folder.create(tmp_path, text).is_dir()


def line(metric, images, in_training=True, **results):
    where = {"images": images, "steps": images // 50, "seconds": images / 2000, "in_training": in_training}
    return {"metric": metric, "results": results} | where


def test_points_join_the_metrics_of_a_snapshot_in_order(tmp_path):
    for images in (2000, 1000):
        records.append(tmp_path, line("fid10", images, fid10=images / 100))
        records.append(tmp_path, line("pr10", images, precision10=0.5, recall10=0.25))
    assert runs.read_points(tmp_path) == [
        {"images": k, "steps": k // 50, "seconds": k / 2000}
        | {"scores": {"fid10": k / 100, "precision10": 0.5, "recall10": 0.25}}
        for k in (1000, 2000)
    ]


def test_points_are_what_training_measured(tmp_path):
    records.append(tmp_path, line("fid10", 1000, fid10=5.0))
    records.append(tmp_path, line("fid10", 1000, in_training=False, fid10=4.0))
    records.append(tmp_path, line("fid10", 2000, in_training=False, fid10=3.0))
    assert [p["scores"] for p in runs.read_points(tmp_path)] == [{"fid10": 5.0}]


def make_run(path: Path, config) -> Path:
    path.mkdir(parents=True)
    folder.write_options(path, config)
    return path


def test_runs_are_found_by_their_settings(tmp_path):
    config = entry("ngd").config
    run = make_run(tmp_path / "00000-a", config)
    (tmp_path / "00001-empty").mkdir()
    (tmp_path / "table.md").write_text("")
    broken = make_run(tmp_path / "00002-broken", config)
    (broken / folder.OPTIONS).write_text("{")
    assert runs.existing_runs(tmp_path) == [(run, config)]


def test_a_folder_that_is_not_there_holds_no_runs(tmp_path):
    assert runs.existing_runs(tmp_path / "nowhere") == []


def test_how_far_a_run_has_come(tmp_path):
    assert runs.images_seen(tmp_path) == 0
    (tmp_path / folder.STATS).write_text(
        "".join(json.dumps({"tick": i, "kimg": i + 1.0, "steps": i}) + "\n" for i in range(3))
    )
    assert runs.images_seen(tmp_path) == 3000


def test_among_equal_modes_the_best_quality_is_the_best():
    points = [
        {"images": i, "steps": i, "seconds": 1.0, "scores": {"modes10k": 8.0, "quality10k": q, "reverse_kl10k": kl}}
        for i, (q, kl) in enumerate([(0.2, None), (0.9, 0.1), (0.5, 0.2)])
    ]
    r = Result(Entry("ngd", presets.get("ring")), Path("."), points)
    assert r.best_point("modes10k")["steps"] == 1
    assert r.best("quality10k", "modes10k") == 0.9
