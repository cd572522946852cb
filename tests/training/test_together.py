"""Runs that take turns in one process are the runs that they would be alone."""

from __future__ import annotations

import logging
import os
import random
import signal
import time
from itertools import pairwise

import numpy as np
import pytest
import torch

from logan.errors import InputError
from logan.fast import cuda_graph
from logan.game import Game
from logan.training import folder, loop, random_states, state, together
from logan.training.begin import Request
from logan.training.loop import train
from logan.training.together import train_together

from ..fast.emulated_graph import EmulatedGraph
from .small import assert_same_run, config
from .test_resume import ctrl_c, stop_after

SMALL = {"network": "mlp", "spectral_norm": None, "width": 16, "kimg": 2}
RUNS = {
    "a random portion": {},  # drawn from torch's own generator, of which there is one
    "another seed": {"seed": 5, "tick": 2},
    "alternating": {"update": "alternating", "d_steps": 2, "batch": 25},
    "a mixture": {"data": "ring", "mirror": False, "latent": "none", "kimg": 1},
}


@pytest.fixture(autouse=True)
def _short_turns(monkeypatch):
    monkeypatch.setattr(together, "TURN", 0.002)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Each of the runs, alone, by name."""
    outdir = tmp_path_factory.mktemp("alone")
    return {name: train(config(**SMALL | changes), outdir=outdir, quiet=True) for name, changes in RUNS.items()}


def requests(outdir, **changes):
    return [Request(config(**SMALL | own | changes), outdir, label=name, quiet=True) for name, own in RUNS.items()]


@pytest.fixture
def turns(monkeypatch):
    """Who had turns, in order."""
    order, turn = [], together._Player.turn

    def noted(self):
        order.append(self.label)
        turn(self)

    monkeypatch.setattr(together._Player, "turn", noted)
    return order


@pytest.mark.parametrize("at_most", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_each_is_the_run_that_it_would_be_alone(tmp_path, alone, turns, at_most):
    random.seed(1), np.random.seed(2), torch.manual_seed(3)
    before, threads = random_states.take(torch.device("cpu")), torch.get_num_threads()
    paths = train_together(requests(tmp_path), at_most, quiet=True)
    for name, path in zip(RUNS, paths, strict=True):
        assert_same_run(alone[name], path)
    assert random_states.same(before, random_states.take(torch.device("cpu")))
    assert torch.get_num_threads() == threads
    first = list(RUNS)[:at_most]
    assert turns[:at_most] == first
    changes = sum(a != b for a, b in pairwise(turns))
    assert changes > 8  # they did take turns


def test_threads_are_each_run_s_own(tmp_path, turns, monkeypatch):
    seen, step, threads = {}, Game.step, [7]
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads[-1])
    monkeypatch.setattr(torch, "set_num_threads", threads.append)  # more of them than cores would only take longer

    def noted(self, *args):
        seen.setdefault(turns[-1], set()).add(torch.get_num_threads())
        return step(self, *args)

    monkeypatch.setattr(Game, "step", noted)
    asked = [Request(config(**SMALL | {"kimg": 1}, threads=n), tmp_path, label=str(n), quiet=True) for n in (0, 2, 3)]
    train_together(asked, 3, quiet=True)
    assert seen == {"0": {7}, "2": {2}, "3": {3}}
    assert torch.get_num_threads() == 7


def test_the_choice_of_kernels_is_each_run_s_own(tmp_path, turns, monkeypatch):
    """Whoever changes it in the turn of one, another does not see it."""
    step, seen = Game.step, {}

    def sets(self, *args):
        seen.setdefault(turns[-1], set()).add(torch.backends.cudnn.benchmark)
        torch.backends.cudnn.benchmark = turns[-1] == "fast"
        return step(self, *args)

    monkeypatch.setattr(Game, "step", sets)
    before = torch.backends.cudnn.benchmark
    asked = [Request(config(**SMALL | {"kimg": 1}), tmp_path, label=name, quiet=True) for name in ("fast", "sure")]
    train_together(asked, 2, quiet=True)
    assert seen["fast"] == {True}
    assert False in seen["sure"]
    assert torch.backends.cudnn.benchmark == before


def test_graphs_of_several_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(cuda_graph, "can_capture", lambda device: True)
    monkeypatch.setattr(cuda_graph, "new_graph", EmulatedGraph)
    asked = requests(tmp_path, engine="cuda-graph", kimg=1)[:2]
    single = [train(r.config, outdir=tmp_path, quiet=True) for r in asked]
    for one, path in zip(single, train_together(asked, 2, quiet=True), strict=True):
        assert_same_run(one, path)


@pytest.mark.skipif(os.name != "posix", reason="sends a signal to itself")
def test_an_interruption_in_the_scores_of_one_saves_all_of_them(tmp_path, alone, monkeypatch):
    """That one leaves its scores for later; the others are in the middle of steps, and save them."""
    with monkeypatch.context() as patch:
        original, count = loop.take_scores, 0

        def signalled(*args):
            nonlocal count
            count += 1
            if count == 1:
                os.kill(os.getpid(), signal.SIGUSR1)
            return original(*args)

        patch.setattr(loop, "take_scores", signalled)
        with pytest.raises(KeyboardInterrupt):
            train_together(requests(tmp_path), 3, quiet=True)
    begun = sorted(tmp_path.iterdir())
    assert len(begun) == 3
    saved = [torch.load(run / state.FILE_NAME, weights_only=True)["progress"] for run in begun]
    assert any(progress["due"] is not None for progress in saved)
    assert all(progress["steps"] > 0 for progress in saved)
    for name, run in zip(RUNS, begun, strict=False):
        assert_same_run(alone[name], train(folder.read_options(run), resume=run, quiet=True))


def test_an_interruption_saves_all_of_them(tmp_path, alone, monkeypatch):
    with monkeypatch.context() as patch:
        stop_after(patch, 60, ctrl_c)
        with pytest.raises(KeyboardInterrupt):
            train_together(requests(tmp_path), 3, quiet=True)
    begun = sorted(tmp_path.iterdir())
    assert len(begun) == 3  # and the fourth did not begin
    for name, path in zip(RUNS, begun, strict=False):
        saved = torch.load(path / state.FILE_NAME, weights_only=True)["progress"]
        assert saved["steps"] > 1
        assert_same_run(alone[name], train(folder.read_options(path), resume=path, quiet=True))


def test_one_that_fails_does_not_lose_the_others(tmp_path, alone, monkeypatch, capsys):
    asked = requests(tmp_path)
    asked[1] = Request(config(**SMALL, batch=10**6), tmp_path, label="too large")

    def breaks(*scores):
        raise RuntimeError("no more memory")

    asked.insert(2, Request(config(**SMALL), tmp_path, measure=breaks, label="breaks"))
    with pytest.raises(InputError, match="`batch` 1000000 is larger than the data set"):
        train_together(asked, 5)
    said = capsys.readouterr().err
    assert "too large: stopped by an error, the others go on: `batch`" in said.replace("--batch", "`batch`")
    assert "breaks: stopped by an error, the others go on: no more memory" in said
    paths = {p.name[:5]: p for p in tmp_path.iterdir()}
    for name, path in zip(("a random portion", "alternating", "a mixture"), [paths[n] for n in ("00000", "00002", "00003")],
                          strict=True):  # fmt: skip
        assert_same_run(alone[name], path)


def test_lines_say_whose_they_are(tmp_path, capsys):
    train_together([Request(config(**SMALL), tmp_path, label=name) for name in ("one", "two")], 2)
    said = capsys.readouterr().err.splitlines()
    for name in ("one", "two"):
        assert sum(line.startswith(f"{name}: tick") for line in said) == 2


def test_what_the_engine_reports_is_of_whom_has_the_turn(tmp_path, capsys, monkeypatch, turns):
    step = Game.step

    def reports(self, *args):
        if self.steps_played == 3:
            logging.getLogger("logan.fast").info("compiled in %d s for %s", 41, turns[-1])
        return step(self, *args)

    monkeypatch.setattr(Game, "step", reports)
    asked = [Request(config(**SMALL | {"kimg": 1}), tmp_path, label=name) for name in ("one", "two")]
    train_together(asked, 2)
    train(asked[0].config, outdir=tmp_path)
    lines = [line for line in capsys.readouterr().err.splitlines() if "compiled" in line]
    assert sorted(lines[:2]) == ["one: compiled in 41 s for one", "two: compiled in 41 s for two"]
    assert [line.startswith("compiled in 41 s") for line in lines[2:]] == [True]  # alone, without a name


def test_seconds_are_of_the_own_turns(tmp_path):
    """The turns of others are in no run's seconds: together they are not more than what passed."""
    began = time.monotonic()
    paths = train_together(requests(tmp_path)[:3], 3, quiet=True)
    passed = time.monotonic() - began
    assert sum(folder.read_stats(path)[-1]["seconds"] for path in paths) < passed


class Settled:
    steps = together.SETTLED


class Beginning:
    steps = 1


def test_as_many_as_memory_permits():
    free = iter([100.0, 80.0, 60.0, 50.0, 26.0])
    room = together._Room(None, lambda: next(free))
    assert room.for_another([])
    assert not room.for_another([Beginning()])  # it may not have taken all that it takes
    assert room.for_another([Settled()])  # 20 were taken, 80 are left
    assert room.for_another([Settled(), Settled()])
    assert room.for_another([Settled()] * 3)
    assert not room.for_another([Settled()] * 4)  # the last took 24, so 36 should be free
    assert not together._Room(None, lambda: 0.0).for_another([Settled()] * together.MOST)
    assert together._Room(2, pytest.fail).for_another([Beginning()])
    assert not together._Room(2, pytest.fail).for_another([Settled()] * 2)
