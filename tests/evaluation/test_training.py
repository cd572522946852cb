"""Scores while a run trains: what is written, and that the run does not notice."""

import json
import math
import time
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

import logan
from logan.config import ScoreConfig, presets
from logan.errors import InputError
from logan.evaluation import cache, detectors, records
from logan.sampling import snapshot
from logan.training import folder
from logan.training.loop import train
from logan.training.scoring import Scorer

from ..training.small import config
from .small import classifier_file, folder_of_images, never

METRICS = ("fid50", "is50", "kid50", "pr50")


def scored(*metrics, latent_steps=0, **changes):
    settings = config(**{"kimg": 2, "snap": 1, "engine": "plain", "threads": 1} | changes)
    return replace(settings, scores=ScoreConfig(metrics=metrics, metric_latent_steps=latent_steps))


def mixture(*metrics, preset="ring"):
    settings = presets.get(preset)
    run = replace(settings.run, kimg=2, tick=1, snap=1, engine="plain")
    return replace(settings, run=run, scores=ScoreConfig(metrics=metrics))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(scored(*METRICS), outdir=tmp_path_factory.mktemp("runs"), quiet=True)


def test_a_file_per_metric(run):
    assert {p.name for p in run.glob("metric-*")} == {f"metric-{m}.jsonl" for m in METRICS}


def test_a_line_per_snapshot(run):
    for metric in METRICS:
        where = [(r["images"], r["kimg"], r["steps"]) for r in records.read(run, metric)]
        assert where == [(1000, 1.0, 20), (2000, 2.0, 40)]


def test_the_fields_of_a_line(run):
    record = records.read(run, "fid50")[-1]
    assert 0 < record.pop("total_time") < 60
    assert 0 < record.pop("seconds") < 60
    assert abs(record.pop("timestamp") - time.time()) < 3600
    results = record.pop("results")
    assert list(results) == ["fid50"]
    assert results["fid50"] > 0
    assert record == {
        "metric": "fid50",
        "detector": "classifier",
        "detector_sha256": detectors.get("classifier", None, logan.data.open_data("digits")).sha256,
        "detector_bytes": detectors.get("classifier", None, logan.data.open_data("digits")).size,
        "n_real": 1797,
        "n_fake": 50,
        "splits": None,
        "seed": 2,
        "latent_steps": 0,
        "trunc": 1.0,
        "in_training": True,
        "images": 2000,
        "kimg": 2.0,
        "steps": 40,
        "protocol": "training",
        "split": "train",
        "real_key": cache.key_of(logan.data.open_data("digits"))[:32] + "-1797",
    }


def test_the_log_has_all_scores(run):
    for i, tick in enumerate(folder.read_stats(run)):
        lines = [records.read(run, metric)[i]["results"] for metric in METRICS]
        assert tick["metrics"] == {k: v for line in lines for k, v in line.items()}


def test_the_best_snapshot_is_that_of_the_lowest_fid(run):
    lowest = min(records.read(run, "fid50"), key=lambda r: r["results"]["fid50"])
    best = json.loads((run / "best.json").read_text())
    assert (best["by"], best["images"]) == ("fid50", lowest["images"])
    assert best["scores"]["fid50"] == lowest["results"]["fid50"]
    kept, original = (load_file(run / n) for n in (records.BEST_SNAPSHOT, snapshot.file_name(best["images"])))
    assert all(torch.equal(kept[k], original[k]) for k in original)


def test_the_best_snapshot_loads(run):
    model = logan.load(run / records.BEST_SNAPSHOT)
    assert model.sample(3).shape == (3, 1, 8, 8)


def test_the_latest_snapshot_is_not_the_best_one_by_its_name(run):
    assert snapshot.find(run).name == "network-snapshot-000002.safetensors"


def assert_same_weights(a, b):
    """At the end: in the snapshots, and in the networks as they are trained."""
    one, two = (load_file(snapshot.find(run)) for run in (a, b))
    assert all(torch.equal(one[k], two[k]) for k in one)
    one, two = (torch.load(run / "training-state-latest.pt", weights_only=True) for run in (a, b))
    for network in ("generator", "discriminator"):
        assert all(torch.equal(one[network][k], v) for k, v in two[network].items())


@pytest.mark.parametrize("changes", [{}, {"conditional": True}], ids=str)
def test_measuring_never_changes_the_training(tmp_path, changes):
    """The other run comes to its first snapshot at its end."""
    measured = train(scored("fid50", "kid50", "is50", latent_steps=1, **changes), outdir=tmp_path, quiet=True)
    assert_same_weights(measured, train(scored(snap=2, **changes), outdir=tmp_path, quiet=True))


def test_a_measure_of_the_caller_may_draw_random_numbers(tmp_path):
    measured = train(scored(), outdir=tmp_path, quiet=True, measure=lambda g, d: {"fid1k": torch.rand(()).item()})
    assert_same_weights(measured, train(scored(snap=2), outdir=tmp_path, quiet=True))


def test_without_metrics_there_is_no_trace_of_them(tmp_path):
    for metrics in ((), ("none",)):
        run = train(scored(*metrics, kimg=1), outdir=tmp_path, quiet=True)
        assert list(run.glob("metric-*")) == []
        assert not (run / "best.json").exists()


def test_latents_are_moved_before_scoring_if_asked_for(tmp_path):
    plain, moved = (
        records.read(train(scored("fid50", kimg=1, latent_steps=k), outdir=tmp_path, quiet=True), "fid50")[0]
        for k in (0, 3)
    )
    assert (plain["latent_steps"], moved["latent_steps"]) == (0, 3)
    assert plain["results"] != moved["results"]


def test_mixtures_are_scored_by_modes(tmp_path):
    run = train(mixture("modes100"), outdir=tmp_path, quiet=True)
    lines = records.read(run, "modes100")
    assert [list(r["results"]) for r in lines] == [["modes100", "quality100", "reverse_kl100"]] * 2
    assert lines[0]["detector"] is None
    assert json.loads((run / "best.json").read_text())["by"] == "modes100"


def test_a_run_that_diverges_has_null_and_no_best(tmp_path):
    deep = scored("fid50", kimg=1, network="mlp", depth=10, g_lr=1e6, ema_kimg=0)
    run = train(deep, outdir=tmp_path, quiet=True)
    assert not torch.isfinite(logan.load(run).sample(50)).all()
    assert records.read(run, "fid50")[0]["results"] == {"fid50": None}
    assert folder.read_stats(run)[0]["metrics"] == {"fid50": None}
    assert not (run / "best.json").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (scored("modes50"), "modes50 does not fit"),
        (mixture("fid50"), "fid50 does not fit"),
        (mixture("modes50", "kid50", preset="grid"), "kid50 does not fit"),
        (scored("fid50", "fud50"), "unknown metric 'fud50'"),
        (scored("fid5"), "10 to 10,000,000"),
        (scored("fid50", latent_steps=3, latent="none"), "`metric_latent_steps` needs"),
        (replace(scored(), scores=ScoreConfig(("fid50",), detector="inception")), "no Inception weights"),
        (
            replace(scored(), scores=ScoreConfig(("fid50",), detector_weights="nowhere.st")),
            "no classifier at nowhere.st",
        ),
    ],
)
def test_metrics_that_do_not_fit_stop_before_a_folder_is_made(tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        train(settings, outdir=tmp_path / "runs", quiet=True)
    assert not (tmp_path / "runs").exists()


def test_data_without_labels_stop_before_a_folder_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(detectors, "train_classifier", never)
    photos = folder_of_images(tmp_path / "photos", 50, classes=1)
    settings = replace(scored(data=str(photos)), scores=ScoreConfig(("fid50",), detector="classifier"))
    with pytest.raises(InputError, match="needs class labels"):
        train(settings, outdir=tmp_path / "runs", quiet=True)
    assert not (tmp_path / "runs").exists()


def test_too_few_real_images_stop_before_a_folder_is_made(tmp_path):
    photos = folder_of_images(tmp_path / "photos", 4)
    weights = str(classifier_file(tmp_path / "c.safetensors", channels=3))
    settings = replace(scored(data=str(photos), batch=4), scores=ScoreConfig(("pr10",), detector_weights=weights))
    with pytest.raises(InputError):
        train(settings, outdir=tmp_path / "runs", quiet=True)
    assert not (tmp_path / "runs").exists()


def test_measures_of_the_caller_choose_the_best_too(tmp_path):
    values = iter([3.0, 1.0, math.nan])
    run = train(scored(kimg=3), outdir=tmp_path, quiet=True, measure=lambda g, d: {"fid1k": next(values)})
    assert json.loads((run / "best.json").read_text())["images"] == 2000
    assert list(run.glob("metric-*")) == []


def test_seconds_are_those_of_training_without_measuring(tmp_path, monkeypatch):
    """``logan compare`` has them as ms per step; some methods take longer to measure."""
    call = Scorer.__call__

    def slow(self, *networks):
        time.sleep(1)
        return call(self, *networks)

    monkeypatch.setattr(Scorer, "__call__", slow)
    run = train(mixture("modes100"), outdir=tmp_path, quiet=True)
    first, second = (r["seconds"] for r in records.read(run, "modes100"))
    assert second - first < 1
