"""Whole steps from graphs play the run that single steps play."""

from __future__ import annotations

import functools
import json

import pytest
import torch

from logan.fast import cuda_graph, gears
from logan.game import Game
from logan.training import script, state, whole_steps
from logan.training.averaging import AveragedGenerator
from logan.training.loop import train
from logan.training.pace import Pace
from logan.training.script import Script
from logan.training.setup import Parts

from ..fast.emulated_graph import EmulatedGraph
from .small import assert_same_run, config, without_times
from .test_resume import Stop, ctrl_c, die


def give_graphs(patch):
    """This machine's CPU has graphs; returns those that are made."""
    made = []

    def new_graph(device, generators=(), beside=None):
        made.append(EmulatedGraph(device, generators, beside))
        return made[-1]

    patch.setattr(cuda_graph, "can_capture", lambda device: True)
    patch.setattr(cuda_graph, "new_graph", new_graph)
    return made


def play_several(patch):
    """Eight steps per launch at the most, from the start, and ten laid out: some are left when more are needed."""
    patch.setattr(script, "MOST", 10)
    patch.setattr(Pace, "launched", lambda self, steps: setattr(self, "per_launch", 8))


@pytest.fixture
def graphs(monkeypatch):
    return give_graphs(monkeypatch)


@pytest.fixture
def several(monkeypatch):
    play_several(monkeypatch)


LESS_OFTEN = {"latent_every": 2}


@pytest.fixture(scope="module")
def captured_run(tmp_path_factory):
    """From graphs, latent steps less often."""
    with pytest.MonkeyPatch.context() as patch:
        give_graphs(patch), play_several(patch)
        return train(settings(**LESS_OFTEN), outdir=tmp_path_factory.mktemp("captured"), quiet=True)


@pytest.fixture(scope="module")
def single_steps(tmp_path_factory):
    """settings ↦ the run of them whose steps are played one by one, each trained once."""
    outdir = tmp_path_factory.mktemp("single")
    return functools.cache(lambda **changes: train(settings(engine="recorded", **changes), outdir=outdir, quiet=True))


def settings(**changes):
    return config(
        **{"engine": "cuda-graph", "kimg": 3, "network": "mlp", "spectral_norm": None, "width": 16, "snap": 2} | changes
    )


def assert_same_but_for_rounding(single, whole):
    one, two = (torch.load(p / state.FILE_NAME, weights_only=True) for p in (single, whole))
    for name in ("generator", "discriminator", "g_optimiser", "d_optimiser", "random"):
        assert_equal(one[name], two[name], name)
    for key, value in one["average"].items():
        torch.testing.assert_close(two["average"][key], value)
    logs = [[json.loads(x) for x in (p / "stats.jsonl").read_text().splitlines()] for p in (single, whole)]
    diversity = [[r.pop("diversity") for r in log if "diversity" in r] for log in logs]  # of the average's samples
    assert diversity[0] == pytest.approx(diversity[1], rel=1e-5)
    assert_equal(*map(without_times, logs), "log")


def assert_equal(a, b, where):
    if isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for k in a:
            if k != "capturable":
                assert_equal(a[k], b[k], f"{where}.{k}")
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for x, y in zip(a, b, strict=True):
            assert_equal(x, y, where)
    else:
        assert a == b, where


VARIANTS = {
    "a random portion": {},
    "batch norm, spectral norm": {"network": "dcgan", "spectral_norm": True, "width": 4, "kimg": 1},
    "alternating, 2 D-steps": {"update": "alternating", "d_steps": 2, "batch": 25},
    "latent steps less often": {"latent_every": 3, "latent_share": 0.5, "ema_kimg": 0},
    "latent steps seldom": {"latent_every": 5},
    "no latent step, normal prior": {"latent": "none", "prior": "normal"},
    "conditional, gd, bfloat16": {"conditional": True, "latent": "gd", "alpha": 0.1, "precision": "bfloat16"},
    "a mixture, cs": {"data": "ring", "mirror": False, "latent": "cs", "kimg": 2},
    "sga under a probe": {"latent": "none", "dynamics": "sga", "probe": 7, "kimg": 2},
    "in parts": {"batch_gpu": 10, "subset": "leading", "kimg": 2},
}


@pytest.fixture
def said(monkeypatch):
    """What is said while a run goes on."""
    lines = []
    monkeypatch.setattr("logan.training.watch.Watch.say", lambda self, message: lines.append(message))
    return lines


def warnings(said):
    return [line for line in said if "playing" in line]


def test_random_dimensions_in_parts_are_played_step_by_step(tmp_path, graphs, said):
    """Every part sets the random numbers back, which a graph of a device does not allow while it is captured."""
    changes = {"batch_gpu": 10, "subset": "random", "kimg": 1}
    train(settings(**changes), outdir=tmp_path, quiet=True)
    assert [line for line in said if "`subset` random" in line]
    said.clear()
    train(settings(**changes, latent="none"), outdir=tmp_path, quiet=True)
    assert not warnings(said)


QUICK = list(VARIANTS)[:4]


@pytest.mark.parametrize("variant", [pytest.param(v, marks=() if v in QUICK else pytest.mark.slow) for v in VARIANTS])
def test_the_run_is_that_of_single_steps(tmp_path, graphs, several, said, single_steps, variant):
    single = single_steps(**VARIANTS[variant])
    assert not graphs
    whole = train(settings(**VARIANTS[variant]), outdir=tmp_path, quiet=True)
    assert_same_but_for_rounding(single, whole)
    assert not warnings(said)
    assert sum(g.replays for g in graphs) > 3
    assert any(
        len(g.noted.calls) >= 4 * min(len(h.noted.calls) for h in graphs) for g in graphs
    )  # several steps at once


def test_images_that_the_device_does_not_hold(tmp_path, graphs, several, said, monkeypatch, single_steps):
    single = single_steps(kimg=2)
    monkeypatch.setattr("logan.data.stream._has_room", lambda device, images: False)
    whole = train(settings(kimg=2), outdir=tmp_path, quiet=True)
    assert_same_but_for_rounding(single, whole)
    assert not warnings(said)


OTHER_MOMENTS = [(1, ctrl_c), (2, die), (45, ctrl_c)]


@pytest.mark.parametrize(
    ("step", "how"), [(13, ctrl_c), *(pytest.param(*moment, marks=pytest.mark.slow) for moment in OTHER_MOMENTS)]
)
def test_resume_is_exact(tmp_path, graphs, several, captured_run, monkeypatch, step, how):
    """Wherever it stops: among the steps played singly, before a launch, and in the middle of what was laid out."""
    changes = settings(**LESS_OFTEN)
    play, count = whole_steps.WholeSteps.play, 0

    def stopped(self, at_most):
        nonlocal count
        before, count = count, count + (played := play(self, at_most))
        if before < step <= count:
            how()
        return played

    with monkeypatch.context() as patch:
        patch.setattr(whole_steps.WholeSteps, "play", stopped)
        with pytest.raises((Stop, KeyboardInterrupt)):
            train(changes, outdir=tmp_path, desc="stopped", quiet=True)
    torch.manual_seed(99)
    assert_same_run(captured_run, train(changes, resume=tmp_path / "00000-stopped", quiet=True))


def test_a_run_may_go_on_where_there_are_no_graphs(tmp_path, graphs, several, said, monkeypatch, single_steps):
    """`auto` is another engine there; what the optimisers keep is read all the same."""
    single = single_steps()
    as_recorded = (("compiled", lambda recording: recording.run),)  # no compiler works inside an emulated capture
    monkeypatch.setitem(gears.GEARS, "compiled", as_recorded)
    first = train(settings(engine="auto", kimg=2), outdir=tmp_path, quiet=True)
    assert graphs
    played = sum(g.replays for g in graphs)
    monkeypatch.setattr(cuda_graph, "can_capture", lambda device: False)
    first = train(settings(engine="auto"), resume=first, quiet=True)
    assert played == sum(g.replays for g in graphs)
    assert not warnings(said)
    one, two = (torch.load(p / state.FILE_NAME, weights_only=True) for p in (single, first))
    for key, value in one["generator"].items():  # products by another library in between
        torch.testing.assert_close(two["generator"][key], value, rtol=1e-3, atol=1e-4)
    assert not two["g_optimiser"]["param_groups"][0]["capturable"]


def capture_fails(patch):
    def capture(graph, function):
        graph.capture(function)
        raise RuntimeError("operation not permitted")

    patch.setattr(cuda_graph, "capture", capture)


def weight_is_baked_in(patch):
    """The host counts the steps; a graph always knows the one that it was captured at."""
    read, steps = Script.read, []

    def counted(self):
        steps.append(0)
        return torch.tensor(1 / len(steps), dtype=torch.float64), read(self)[1]

    patch.setattr(Script, "read", counted)


def weight_is_read_by_the_host(patch):
    move = AveragedGenerator.move
    patch.setattr(AveragedGenerator, "move", lambda self, generator, weight: move(self, generator, float(weight)))


def counter_stands_still(patch):
    advance = Script.advance
    patch.setattr(Script, "advance", lambda self: None if cuda_graph.capturing() else advance(self))


def latents_are_baked_in(patch):
    latents = Parts.latents

    def once(self, n):
        return torch.full((n, 8), 0.5) if cuda_graph.capturing() else latents(self, n)

    patch.setattr(Parts, "latents", once)


def an_optimiser_is_forgotten(patch):
    step = torch.optim.Adam.step

    def forgets(self, *args):
        return None if cuda_graph.capturing() and self.param_groups[0]["lr"] == 1e-3 else step(self, *args)

    patch.setattr(torch.optim.Adam, "step", forgets)


FAULTS = {
    capture_fails: "operation not permitted",
    weight_is_read_by_the_host: "not permitted when stream is capturing",
    weight_is_baked_in: "of the average of G is not what it should be",
    counter_stands_still: "counter is not what it should be",
    latents_are_baked_in: "it draws other random numbers",
    an_optimiser_is_forgotten: "of D is not what it should be",
}


QUICK_FAULTS = (capture_fails, weight_is_baked_in, counter_stands_still)


@pytest.mark.parametrize(
    "fault",
    [pytest.param(f, id=f.__name__, marks=() if f in QUICK_FAULTS else pytest.mark.slow) for f in FAULTS],
)
def test_a_graph_that_does_something_else_is_not_believed(tmp_path, graphs, said, monkeypatch, fault, single_steps):
    """One notice, and the run of single steps."""
    changes = {"kimg": 1, "d_lr": 1e-3}
    single = single_steps(**changes)
    fault(monkeypatch)
    whole = train(settings(**changes), outdir=tmp_path, quiet=True)
    assert_same_but_for_rounding(single, whole)
    (warning,) = [line for line in warnings(said) if "no graph of the whole step" in line]
    assert FAULTS[fault] in warning
    assert len(warnings(said)) == (2 if fault is capture_fails else 1)  # then turns cannot be captured either


def test_no_memory_for_a_comparison(tmp_path, graphs, said, monkeypatch, single_steps):
    """The graph plays on, and one notice says that nobody looks."""
    changes = {"kimg": 1, "d_lr": 1e-3}
    single = single_steps(**changes)

    def full(self):
        next(self.generator.parameters()).data.zero_()  # half-done work is put back
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(Game, "check_next", full)
    whole = train(settings(**changes), outdir=tmp_path, quiet=True)
    assert_same_but_for_rounding(single, whole)
    assert ["not compared: no memory" in line for line in warnings(said)] == [True]
    assert sum(g.replays for g in graphs) > 10


def test_rules_with_a_memory_are_played_singly(tmp_path, graphs, said, single_steps):
    changes = {"latent": "none", "dynamics": "optimistic", "kimg": 1}
    single = single_steps(**changes)
    whole = train(settings(**changes), outdir=tmp_path, quiet=True)
    assert_same_but_for_rounding(single, whole)
    assert ["`dynamics` optimistic keeps" in line for line in warnings(said)] == [True]


def test_graphs_are_compared_at_snapshots(tmp_path, graphs, several, monkeypatch):
    compared = []
    compare = whole_steps.WholeSteps._play_and_compare

    def noted(self, graph, steps):
        compared.append(self.game.steps_played)
        return compare(self, graph, steps)

    monkeypatch.setattr(whole_steps.WholeSteps, "_play_and_compare", noted)
    monkeypatch.setattr(whole_steps, "CHECKED", {1, 2})
    train(settings(kimg=2, snap=1), outdir=tmp_path, quiet=True)
    assert compared[0] == 2
    assert 20 in compared  # after the snapshot of 1,000 images


def test_no_trace_of_a_comparison(tmp_path, graphs, several, captured_run, monkeypatch):
    monkeypatch.setattr(whole_steps, "CHECKED", set(range(1000)))
    assert_same_run(captured_run, train(settings(**LESS_OFTEN), outdir=tmp_path, quiet=True))
