"""A run that is stopped and goes on has the scores of the run that never was."""

import json
from dataclasses import replace

import pytest
from safetensors.torch import load_file

from logan.config import ScoreConfig
from logan.evaluation import records
from logan.training import loop
from logan.training.loop import train

from ..training.small import assert_same_run, config
from .small import runs

SETTINGS = replace(
    config(kimg=3, snap=1, batch=250, engine="plain", threads=1), scores=ScoreConfig(metrics=("fid50", "is50"))
)


class Stop(Exception):
    """Stands for a process that dies."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return train(SETTINGS, outdir=tmp_path_factory.mktemp("whole"), quiet=True)


def killed_in(outdir):
    """A run that dies after the second measurement is written and before the state is."""
    save, count = loop.save_curves, 0

    def dies(*args):
        nonlocal count
        count += 1
        if count == 2:
            raise Stop
        save(*args)

    with pytest.MonkeyPatch.context() as m:
        m.setattr(loop, "save_curves", dies)
        with pytest.raises(Stop):
            train(SETTINGS, outdir=outdir, quiet=True)
    return outdir / "00000-digits-ngd"


@pytest.fixture
def killed(tmp_path):
    return killed_in(tmp_path)


@pytest.fixture(scope="module")
def gone_on(tmp_path_factory):
    """A run that was killed, and went on to its end."""
    run = killed_in(tmp_path_factory.mktemp("killed"))
    assert [images for images, _ in results(run)] == [1000, 2000]
    return train(SETTINGS, resume=run, quiet=True)


def results(run, metric="fid50"):
    return [(r["images"], r["results"]) for r in records.read(run, metric) if r["in_training"]]


def best(run):
    return json.loads((run / "best.json").read_text())


def test_the_measurement_that_is_made_again_is_there_once(whole, gone_on):
    for metric in ("fid50", "is50"):
        assert [images for images, _ in results(gone_on, metric)] == [1000, 2000, 3000]
        assert results(gone_on, metric) == results(whole, metric)


def test_the_run_is_the_one_that_never_stopped(whole, gone_on):
    assert_same_run(whole, gone_on)


def test_the_best_is_that_of_the_run_that_never_stopped(whole, gone_on):
    assert best(gone_on) == best(whole)
    one, two = (load_file(p / records.BEST_SNAPSHOT) for p in (whole, gone_on))
    assert all((one[k] == two[k]).all() for k in one)


def test_what_evaluate_measured_stays(killed):
    runs("evaluate", killed, "--metrics", "fid20", "fid50", "--seed", "9")
    train(SETTINGS, resume=killed, quiet=True)
    assert [r["seed"] for r in records.read(killed, "fid20")] == [9]
    assert [r["seed"] for r in records.read(killed, "fid50") if not r["in_training"]] == [9]


def test_other_metrics_may_be_measured_from_there_on(killed):
    train(replace(SETTINGS, scores=ScoreConfig(metrics=("is30",))), resume=killed, quiet=True)
    assert [images for images, _ in results(killed, "fid50")] == [1000]
    assert [images for images, _ in results(killed, "is30")] == [2000, 3000]
