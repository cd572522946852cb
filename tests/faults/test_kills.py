"""The short form of the kills: see docs/trust.md for the long one."""

import os

import pytest

from . import kills
from .material import unreadable_files

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills")


def test_nothing_is_lost_and_the_run_is_the_same(tmp_path):
    found = kills.play(tmp_path, kills=3, seed=1, real=100, kimg=2)
    assert found["kills"] == 3
    assert found["states_lost"] == 0
    assert found["files_unreadable"] == found["runs_that_differ"] == found["runs_not_judged"] == []
    assert found["runs_finished"] >= 1


def test_the_harness_sees_what_is_not_whole(tmp_path):
    for name in ("training-state-latest.pt", "network.safetensors", "reals.png", "best.json"):
        (tmp_path / name).write_bytes(b"{")
    (tmp_path / "reals.png.partial").write_bytes(b"")
    assert len(unreadable_files(tmp_path)) == 4
