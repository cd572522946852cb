"""What only a CUDA device can show. Without one see tests/fast/test_cuda_rules.py."""

import copy
import os
import subprocess
import sys

import pytest
import torch

from logan import turns
from logan.config.presets import PRESETS
from logan.devices import without_tf32
from logan.fast.engine import Engine
from tests.fast.preset_steps import players_of
from tests.training.small import assert_same_run

pytestmark = pytest.mark.cuda
DEVICE = "cuda"
PRECISIONS = {"float32": 5e-3, "bfloat16": 2e-1}
"""How far two orders of summation may be apart: in single precision, where units near a kink change sides, and in bfloat16, which
rounds in another order besides. The engine has proved itself in single precision before."""


def relative(a, b):
    a, b = (torch.cat([g.flatten().double() for g in gradients if g is not None]) for gradients in (a, b))
    return ((a - b).norm() / b.norm()).item()


def play(engine, turn, players, inputs, rules, steps=2):
    """Turns on a copy of the players, by an engine or, with None, as written; and the state that they leave."""
    players = copy.deepcopy(players)
    if engine is None:
        played = [turn(*players, *inputs, rules=rules) for _ in range(steps)]
    else:
        recorded = Engine(*players, engine, pytest.fail)
        played = [copy.deepcopy(recorded.play(turn, inputs, rules)) for _ in range(steps)]
    return played, [b for p in players for b in p.buffers()]


def assert_close(ours, theirs, tolerance):
    (played, state), (expected, expected_state) = ours, theirs
    for a, b in zip(played, expected, strict=True):
        for player in ("d_gradients", "g_gradients"):
            assert relative(getattr(a, player), getattr(b, player)) < tolerance, player
    for a, b in zip(state, expected_state, strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("latent", ["none", "ngd"])
@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_records_and_plays(preset, latent, precision):
    case = players_of(preset, precision, latent, DEVICE)
    with without_tf32():
        plain, recorded = (play(engine, turns.simultaneous, *case) for engine in (None, "recorded"))
    assert_close(recorded, plain, PRECISIONS[precision])


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("preset", ["digits", "cifar10", "emoji128", "imagenet128-sagan"])
def test_a_cuda_graph_plays_what_is_recorded(preset, precision):
    case = players_of(preset, precision, "ngd", DEVICE)
    recorded, captured = (play(engine, turns.simultaneous, *case) for engine in ("recorded", "cuda-graph"))
    assert_close(captured, recorded, PRECISIONS[precision] / 10)


CONVOLUTIONS = ["--network", "dcgan", "--width", "8", "--latent-dim", "8"]
RUNS = {
    "plain": ["--engine", "plain", *CONVOLUTIONS],
    "recorded, bfloat16": ["--engine", "recorded", "--precision", "bfloat16", *CONVOLUTIONS],
    "cuda-graph": ["--engine", "cuda-graph", *CONVOLUTIONS],
    "cuda-graph, mlp": ["--engine", "cuda-graph"],
}


@pytest.mark.parametrize("run", RUNS)
def test_a_deterministic_run_resumes_bit_for_bit(run, tmp_path):
    """Each part in a process of its own: cuBLAS looks for its workspace once, and cuDNN keeps what it has tried."""
    common = [
        "--preset",
        "digits",
        "--batch",
        "50",
        "--tick",
        "1",
        "--snap",
        "2",
        "--device",
        DEVICE,
        "--deterministic",
    ]
    common += ["--metrics", "none", "--subset", "random", *RUNS[run]]

    def train(folder, kimg, *more):
        command = [
            sys.executable,
            "-m",
            "logan.cli.main",
            "train",
            *common,
            "--kimg",
            str(kimg),
            "--outdir",
            str(folder),
            *more,
        ]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ, timeout=300)
        assert done.returncode == 0, done.stderr[-3000:]
        return next(folder.glob("0*"))

    whole = train(tmp_path / "whole", 4)
    stopped = train(tmp_path / "stopped", 2)
    assert train(tmp_path / "stopped", 4, "--resume", str(stopped)) == stopped
    assert_same_run(whole, stopped)
