"""Seconds and images of training alone."""

import pytest

from logan.training.stopwatch import Lap, Stopwatch


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
