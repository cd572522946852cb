"""The short form of the signals: one to each command; see docs/trust.md for the long one."""

import os
import random

import pytest

from . import signals

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="asks Linux whether a program listens")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def commands(work):
    return signals.prepare(work)


WITH_WORKERS = [pytest.param(name, marks=pytest.mark.slow) for name in ("train", "compare")]
"""Two of some eight failed on a loaded machine, by something that was said on the way out and is not understood yet."""


@pytest.mark.parametrize("name", ["evaluate", "data prepare", *WITH_WORKERS])
def test_it_leaves_tidily_and_goes_on(work, commands, name):
    found = signals.play(work, commands[name], 1, random.Random(name), real=100)
    assert found["wrong"] == [], str(found["wrong"])
    assert set(found["statuses"]) <= {"0", "130"}
