"""The time that a run would take, before it begins."""

from __future__ import annotations

import pytest

from logan.cli.main import main
from logan.config import presets
from logan.training import forecast as forecasts
from logan.training.durations import about
from logan.training.forecast import Forecast, forecast
from logan.training.setup import training_data

from .small import config


def test_the_parts_add_up():
    settings = config(kimg=3600, tick=4, snap=10)
    ((what, much),) = Forecast(100.0).lines(settings, "cpu")
    assert what == "expected time"
    assert much.startswith(
        "about 10 hours on this cpu (100 img/s, timed just now); a first picture after 60 s, the first snapshot"
    )
    assert much.endswith("after 7 min")
    (_, much), (what, scores) = Forecast(100.0, teaching=1800, score=60, scores=90).lines(settings, "cpu")
    assert much.startswith("about 12 hours")
    assert scores == "a classifier is trained before the first one: about 30 min; 90 times about 60 s: 17%"


def test_a_picture_by_the_clock_is_not_promised_where_a_snapshot_comes_first():
    ((_, much),) = Forecast(1000.0).lines(config(kimg=100, tick=1, snap=2), "cuda")
    assert "first picture" not in much
    assert "on this cuda" in much


@pytest.mark.parametrize("preset", ["digits", "ring"])
def test_it_is_measured(preset):
    settings = presets.get(preset)
    found = forecast(settings, training_data(settings))
    assert found.images_per_second > 10
    assert found.scores == -(-settings.run.kimg // (settings.run.tick * settings.run.snap))
    assert found.score > 0
    assert found.teaching == 0  # the digits' comes with the package, and mixtures need none


def test_a_classifier_that_is_not_there_is_counted(monkeypatch, tmp_path):
    monkeypatch.setenv("LOGAN_CACHE", str(tmp_path))
    monkeypatch.setattr(forecasts, "_is_taught", lambda data: False)
    settings = config(metrics=("fid20",))
    assert forecast(settings, training_data(settings)).teaching > 1


def test_what_would_take_too_long_is_not_played(monkeypatch):
    monkeypatch.setattr(forecasts, "MOST_OPERATIONS", 1.0)
    settings = config()
    assert forecast(settings, training_data(settings)) is None


def test_the_plan_has_it(tmp_path, capsys):
    assert main(["train", "--dry-run", "--kimg", "100", "--outdir", str(tmp_path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "expected time" in said
    assert "of that scores" in said
    assert list(tmp_path.iterdir()) == []


def test_words():
    assert [about(s) for s in (0, 89, 91, 3600, 6000, 172_799, 172_801)] == [
        "1 s", "89 s", "2 min", "60 min", "1.7 hours", "48 hours", "2 days",
    ]  # fmt: skip


def test_the_plan_says_what_is_known_to_fail(tmp_path, capsys):
    flags = [
        "--data",
        "digits",
        "--image-size",
        "8",
        "--network",
        "mlp",
        "--width",
        "16",
        "--conditional",
        "--metrics",
        "none",
    ]
    assert main(["train", "--preset", "emoji128", *flags, "--dry-run", "--outdir", str(tmp_path)]) == 0
    assert "note: --beta 5 (the paper's) switches the latent step off in effect" in " ".join(
        capsys.readouterr().out.split()
    )
