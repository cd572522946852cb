"""Seconds and images of training alone."""

import os
import signal

import pytest

from logan.game import Game
from logan.training import folder
from logan.training.loop import train
from logan.training.stopwatch import Lap, Stopwatch

from .small import config


def test_a_lap_is_of_training_alone():
    now = 100.0
    watch = Stopwatch(lambda: now)
    watch.start(1000)
    now = 104.0
    watch.leave_out(1.5)  # the probe
    assert watch.read(1500) == Lap(2.5, 500)
    assert watch.read(1500).images_per_second == 200
    now = 110.0
    watch.start(1500)  # the scores took 6 s
    now = 112.0
    assert watch.read(1600) == Lap(2.0, 100)
    now = 115.0
    assert watch.read(1700) == Lap(5.0, 200)  # a reading is no end of the lap


def test_no_time_is_no_division_by_zero():
    watch = Stopwatch(lambda: 1.0)
    assert watch.read(64).images_per_second == pytest.approx(64e9)


def test_a_run_logs_the_seconds_of_its_steps(tmp_path, monkeypatch):
    """A step takes a second, and the scores a hundred; the run is stopped between two ticks, and goes on."""
    now, step, settings = 0.0, Game.step, config(network="mlp", engine="plain")

    def one_second(self, *args):
        nonlocal now
        now += 1
        if now == 25:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, *args)

    def measure(generator, discriminator):
        nonlocal now
        now += 100
        return {}

    monkeypatch.setattr(Stopwatch.__init__, "__defaults__", (lambda: now,))
    monkeypatch.setattr(Game, "step", one_second)
    with pytest.raises(KeyboardInterrupt):
        train(settings, outdir=tmp_path, quiet=True, measure=measure)
    run = train(settings, resume=tmp_path / "00000-digits-ngd", quiet=True, measure=measure)
    stats = folder.read_stats(run)
    assert [r["seconds"] for r in stats] == [20, 40, 60, 80]
    assert [r["seconds_left"] for r in stats] == [60, 40, 20, 0]
    assert {r["images_per_second"] for r in stats} == {50}
