"""What only a CUDA device can show of graphs. Without one see tests/fast/emulated_graph.py and what uses it."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from logan.fast import cuda_graph
from logan.training import random_states, state
from logan.training.begin import Request
from logan.training.loop import train
from logan.training.together import train_together

from .small import config

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here"),
]
SMALL = {"network": "mlp", "spectral_norm": None, "width": 16, "kimg": 4, "device": "cuda"}
RUNS = {
    "a random portion": {},
    "alternating": {"update": "alternating", "d_steps": 2, "batch": 25},
    "batch norm, less often": {"network": "dcgan", "width": 8, "spectral_norm": True, "latent_every": 3},
    "bfloat16": {"precision": "bfloat16", "latent": "gd", "alpha": 0.1},
}


def cuda():
    return torch.device("cuda", 0)


def own_generator(seed=3):
    return torch.Generator(cuda()).manual_seed(seed)


def draw(generator):
    return torch.rand(5, device=cuda()), torch.randn(1000, device=cuda(), generator=generator)


def test_a_graph_draws_the_numbers_that_would_be_drawn_without_it():
    torch.manual_seed(0)
    one = own_generator()
    expected = [draw(one) for _ in range(4)]
    after = torch.cuda.get_rng_state(), one.get_state()
    torch.manual_seed(0)
    two = own_generator()
    found = [draw(two)]
    graph = cuda_graph.new_graph(cuda(), [two])
    numbers = cuda_graph.capture(graph, lambda: draw(two))
    for _ in range(2):
        graph.replay()
        found.append([x.clone() for x in numbers])
    found.append(draw(two))
    for a, b in zip(expected, found, strict=True):
        assert all(map(torch.equal, a, b))
    assert torch.equal(after[0], torch.cuda.get_rng_state())
    assert torch.equal(after[1], two.get_state())


def test_a_capture_that_fails_does_no_harm():
    """torch alone refuses to draw after it until the process ends."""
    torch.manual_seed(0)
    own = own_generator()
    before = random_states.take(cuda(), own)
    for _ in range(2):
        graph = cuda_graph.new_graph(cuda(), [own])
        with pytest.raises(RuntimeError):
            cuda_graph.capture(graph, lambda: [*draw(own), draw(own)[0].sum().item()])
        assert not cuda_graph.capturing()
    assert random_states.same(before, random_states.take(cuda(), own))
    draw(own)
    graph = cuda_graph.new_graph(cuda(), [own])
    numbers = cuda_graph.capture(graph, lambda: draw(own))
    graph.replay()
    assert all(x.isfinite().all() for x in numbers)
    torch.cuda.empty_cache()


def test_graphs_in_two_streams_do_not_share_a_workspace():
    def product(x):
        def power():
            y = x
            for _ in range(20):
                y = y @ x / 30
            return y

        return power

    inputs = [torch.randn(1024, 1024, device=cuda(), dtype=torch.bfloat16) for _ in range(2)]
    expected = [product(x)() for x in inputs]
    graphs, results, streams = [], [], [torch.cuda.Stream() for _ in inputs]
    for x in inputs:
        graphs.append(cuda_graph.new_graph(cuda()))
        results.append(cuda_graph.capture(graphs[-1], product(x)))
    torch.cuda.synchronize()
    for _ in range(20):
        for graph, stream in zip(graphs, streams, strict=True):
            with torch.cuda.stream(stream):
                graph.replay()
    torch.cuda.synchronize()
    for a, b in zip(results, expected, strict=True):
        torch.testing.assert_close(a, b)


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr("logan.training.watch.Watch.say", lambda self, message: lines.append(message))
    return lines


def assert_same_run(a, b):
    """Up to the order in which kernels add."""
    one, two = (torch.load(p / state.FILE_NAME, weights_only=True) for p in (a, b))
    assert random_states.same(one["random"], two["random"])
    assert one["progress"]["steps"] == two["progress"]["steps"]
    name = max(p.name for p in a.glob("network-snapshot-*.safetensors"))
    for key, value in load_file(a / name).items():
        torch.testing.assert_close(load_file(b / name)[key], value, rtol=0.05, atol=0.02)


@pytest.mark.parametrize("engine", ["cuda-graph", "compiled-graph"])
@pytest.mark.parametrize("variant", RUNS)
def test_whole_steps_from_a_graph_play_the_run_of_single_steps(tmp_path, said, variant, engine):
    changes = SMALL | RUNS[variant]
    single = train(config(**changes, engine="recorded"), outdir=tmp_path, quiet=True)
    whole = train(config(**changes, engine=engine), outdir=tmp_path, quiet=True)
    assert [line for line in said if "playing" in line] == []
    assert_same_run(single, whole)


def test_runs_together_are_those_alone(tmp_path, said):
    configs = [config(**SMALL | changes, engine="cuda-graph") for changes in RUNS.values()]
    alone = [train(c, outdir=tmp_path, quiet=True) for c in configs]
    together = train_together([Request(c, tmp_path, quiet=True, label="x") for c in configs], quiet=True)
    assert [line for line in said if "playing" in line] == []
    for a, b in zip(alone, together, strict=True):
        assert_same_run(a, b)
