"""``logan plan`` leaves at once when asked to, wherever torch is; and counts once for several devices."""

import os
import subprocess
import sys

import pytest

from logan.bench import kept_plans, planning
from logan.bench.live_memory import LiveMemory
from logan.cli.main import main

PLAN = ["plan", "--preset", "digits", "--width", "8", "--depth", "1"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LOGAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def plan():
    """Counted once: that takes seconds."""
    from logan.cli.train import read_arguments

    return planning.make(read_arguments(PLAN[1:]).config)


@pytest.fixture
def made(plan, monkeypatch):
    """The batch sizes of the plans that are asked for, instead of the seconds that each takes."""
    batches = []

    def make(config, say, gpus):
        say("counting")
        batches.append(config.game.batch)
        return plan

    monkeypatch.setattr(planning, "make", make)
    return batches


INTERRUPTED = """
import importlib, os, signal, sys, time
from logan.cli.main import main
owner, name, call = sys.argv[1], sys.argv[2], int(sys.argv[3])
module, _, kind = owner.partition(":")
target = importlib.import_module(module)
target = getattr(target, kind) if kind else target
original, calls = getattr(target, name), []
def signalled(*args, **kwargs):
    calls.append(1)
    if len(calls) == call:
        os.kill(os.getpid(), getattr(signal, sys.argv[4]))
        time.sleep(0)  # the handler runs here, at the latest
        print("went on", file=sys.stderr)
    return original(*args, **kwargs)
setattr(target, name, signalled)
sys.exit(main(sys.argv[5:]))
"""


@pytest.mark.parametrize(
    ("owner", "name", "call"),
    [
        pytest.param("logan.networks", "create", 1, marks=pytest.mark.slow),
        pytest.param("logan.bench.planning", "game_of", 2, marks=pytest.mark.slow),
        # in code that torch calls: within an operation, within a backward pass, and when a tensor's memory goes
        pytest.param("logan.bench.live_memory:LiveMemory", "__torch_dispatch__", 7, marks=pytest.mark.slow),
        pytest.param("logan.bench.counting:Operations", "__torch_dispatch__", 40, marks=pytest.mark.slow),
        ("logan.bench.live_memory:LiveMemory", "_gone", 3),
    ],
)
def test_ctrl_c_leaves_at_once(owner, name, call, cache):
    number = "SIGTERM" if name == "create" else "SIGINT"
    command = [sys.executable, "-c", INTERRUPTED, owner, name, str(call), number, *PLAN]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False
    )
    assert done.returncode == 130
    assert done.stderr.splitlines()[-1] == "logan: interrupted"
    for bad in ("went on", "Traceback", "Exception ignored", "terminate called", "KeyboardInterrupt"):
        assert bad not in done.stderr
    assert done.stdout == ""
    assert not list(cache.glob("*.json"))


def test_the_next_device_is_answered_from_what_was_counted(made, capsys):
    assert main([*PLAN, "--device", "h100"]) == 0
    first = capsys.readouterr()
    assert "counting" in first.err  # there is no terminal here: a line
    assert main([*PLAN, "--device", "h100"]) == 0
    assert capsys.readouterr() == (first.out, "")
    assert main([*PLAN, "--device", "v100", "--utilisation", "0.2"]) == 0
    assert capsys.readouterr().out != first.out
    assert len(made) == 1
    assert main([*PLAN, "--batch", "32"]) == 0  # other settings are counted
    assert made == [64, 32]


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"costs": {"none": 3}}', b'{"costs": {"none": {"flop_per_image": "x"}}}']
)
def test_a_damaged_plan_is_made_anew(damage, cache, made, capsys):
    assert main(PLAN) == 0
    first = capsys.readouterr().out
    (path,) = cache.glob("plan-*.json")
    whole = path.read_bytes()
    path.write_bytes(damage)
    assert main(PLAN) == 0
    assert capsys.readouterr().out == first
    assert path.read_bytes() == whole
    assert len(made) == 2


def test_what_is_kept_is_what_was_counted(plan):
    path = kept_plans.place(plan.config, 1)
    kept_plans.keep(path, plan)
    again = kept_plans.read(path, plan.config)
    assert (again.parameters, again.resident, again.local_batch) == (plan.parameters, plan.resident, plan.local_batch)
    for method, cost in plan.costs.items():
        assert again.costs[method].flop_per_image == cost.flop_per_image
        for batch in (1, 7, 64, 10_000):
            for in_parts in (False, True):
                assert again.costs[method].bytes(batch, in_parts) == cost.bytes(batch, in_parts)
    assert kept_plans.place(plan.config, 2) != path


def test_moments_that_are_never_the_worst_are_not_kept():
    memory = LiveMemory.of(7, [(0, 0), (5, 0), (3, 14), (3, 7), (5, 7), (1, 28), (0, 21)])
    assert sorted(memory.moments()) == [(1, 28), (3, 14), (5, 7)]
    for batch in (1, 7, 70):
        assert LiveMemory.of(7, memory.moments()).most(batch) == memory.most(batch)
