"""A comparison that ends at any point of a run's last snapshot: the same command goes on, and leaves the same runs."""

from __future__ import annotations

import functools
import os
import signal
from dataclasses import replace

import pytest

from logan.compare import runs
from logan.compare.runs import Entry
from logan.config import GameConfig, NetworkConfig, RunConfig, ScoreConfig, presets
from logan.evaluation import records
from logan.training import folder, loop, state

from ..interfering import Killed, interfere, killed, signalled
from ..training.small import assert_same_run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends signals to itself")

POINTS = {
    "before the scores": (loop, "take_scores", 2, False),
    "after the last metric's line": (records, "append_line", 2, True),
    "before the log's line": (loop, "append_line", 2, False),
    "after the log's line": (loop, "append_line", 2, True),
    "at the curves": (loop, "save_curves", 2, False),
    "before the state after": (state, "save", 5, False),
    "after the state after": (state, "save", 5, True),
}
"""Of the second and last snapshot: the owner and name of a function, which call of it, and whether after its work."""


def entry(latent):
    """Two snapshots of ten steps each."""
    config = replace(
        presets.get("ring", latent),
        networks=NetworkConfig(network="mlp", latent_dim=4, width=8, depth=1),
        game=GameConfig(batch=100, ema_kimg=1),
        run=RunConfig(kimg=2, tick=1, snap=1, engine="plain"),
        scores=ScoreConfig(metrics=("modes100",)),
    )
    return Entry(latent, config)


ENTRIES = [entry("none"), entry("ngd")]


def compare(outdir, together=1):
    return [result.run for result in runs.run_all(ENTRIES, outdir, lambda text: None, quiet=True, together=together)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return functools.cache(lambda: compare(tmp_path_factory.mktemp("whole")))


QUICK = ("killed, after the log's line", "signalled, at the curves")
ENDS = [(how, point) for how in ("killed", "signalled") for point in POINTS]


@pytest.mark.parametrize(
    ("how", "point"),
    [pytest.param(*end, marks=[pytest.mark.slow] * (", ".join(end) not in QUICK)) for end in ENDS],
)
def test_it_goes_on_where_it_was(tmp_path, monkeypatch, whole, how, point):
    owner, name, call, after = POINTS[point]
    with monkeypatch.context() as m:
        interfere(m, owner, name, call, killed if how == "killed" else signalled(signal.SIGTERM), after)
        with pytest.raises((Killed, KeyboardInterrupt)):
            compare(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    for one, two in zip(whole(), compare(tmp_path), strict=True):
        assert_same_run(one, two)


@pytest.mark.slow
def test_so_does_one_that_trains_all_together(tmp_path, monkeypatch, whole):
    with monkeypatch.context() as m:
        interfere(m, loop, "save_curves", 4, signalled(signal.SIGUSR1))
        with pytest.raises(KeyboardInterrupt):
            compare(tmp_path, together=2)
    for one, two in zip(whole(), compare(tmp_path, together=2), strict=True):
        assert_same_run(one, two)


def test_a_line_of_the_log_counts_once_the_state_knows_of_it(tmp_path, monkeypatch):
    with monkeypatch.context() as m:
        interfere(m, loop, "save_curves", 2, killed)
        with pytest.raises(Killed):
            compare(tmp_path)
    (run,) = tmp_path.iterdir()
    assert [line["kimg"] for line in folder.read_stats(run)] == [1, 2]
    assert runs.images_seen(run) == 1000
    (run / state.FILE_NAME).write_bytes(b"damaged")
    assert runs.images_seen(run) == 2000
    (run / state.FILE_NAME).unlink()
    assert runs.images_seen(run) == 2000
