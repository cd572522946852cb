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


SECONDS = 60
"""To leave in: how soon it does on a machine that has nothing else to do is for the long form to say."""
COMPARE = pytest.param("compare", marks=pytest.mark.slow)
"""Six runs, which take as long as all else here; tests/compare has what is its own: a stop at every point of a last snapshot."""


@pytest.mark.parametrize("name", ["train", "evaluate", "data prepare", COMPARE])
def test_it_leaves_tidily_and_goes_on(work, commands, name):
    found = signals.play(work, commands[name], 1, random.Random(name), real=100, most_seconds=SECONDS)
    assert found["wrong"] == [], str(found["wrong"])
    assert set(found["statuses"]) <= {"0", "130"}
