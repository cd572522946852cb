"""What is done to a recording above recording it, and what happens where that does not work."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import replace

import pytest
import torch

from logan import game, losses
from logan.fast import cuda_graph, gears
from logan.fast.engine import Engine

from .emulated_graph import EmulatedGraph
from .test_engine import NGD, assert_same, batch, pair


@pytest.fixture
def graphs(monkeypatch):
    monkeypatch.setattr(cuda_graph, "new_graph", EmulatedGraph)


@pytest.mark.parametrize(
    ("name", "subset"),
    [("mlp", "leading"), ("mlp", "random"), pytest.param("dcgan", "leading", marks=pytest.mark.slow)],
)
def test_captured_turns_are_those_of_the_plain_code(graphs, name, subset):
    """Turn by turn, since the next overwrites the last; among them the random portion, which each replay draws anew."""
    plain, fast = pair(name), pair(name)
    inputs, rules = batch(plain[0]), game.Rules(losses.hinge, replace(NGD, subset=subset))
    engine = Engine(*fast, "cuda-graph", pytest.fail)
    torch.manual_seed(3)
    for _ in range(6):  # comparisons among them, and plays without
        numbers = torch.get_rng_state()
        expected = game.simultaneous(*plain, *inputs, rules=rules)
        after = torch.get_rng_state()
        torch.set_rng_state(numbers)
        turn = engine.play(game.simultaneous, inputs, rules)
        assert torch.equal(after, torch.get_rng_state())
        for a, b in zip(
            (*turn.d_gradients, *turn.g_gradients), (*expected.d_gradients, *expected.g_gradients), strict=True
        ):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)
    for a, b in zip(fast, plain, strict=True):
        torch.testing.assert_close(a.state_dict(), b.state_dict(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "backend"), [pytest.param("compiled", "aot_eager", marks=pytest.mark.slow), ("compiled-graph", "eager")]
)
def test_compiled_turns_are_those_of_the_plain_code(monkeypatch, kind, backend, caplog):
    """By stand-ins for the compiler: they go its way, but for the kernels."""
    monkeypatch.setattr(gears, "BACKEND", backend)
    said = []
    g, d = pair("mlp")
    with caplog.at_level(logging.INFO, "logan.fast"):
        assert_same((g, d), batch(g), kind=kind, announce=said.append)
    assert [r.getMessage()[:12] for r in caplog.records if r.name == "logan.fast"] == ["compiled in "]
    assert ["cuda-graph does not work here" in line for line in said] == [True] * (kind == "compiled-graph")


def played(kind, said):
    """An engine that has played a turn, and the turn."""
    g, d = pair("mlp", dtype=torch.float32)
    engine = Engine(g, d, kind, said.append)
    real, z, labels = batch(g, dtype=torch.float32)
    torch.manual_seed(5)
    turn = engine.play(game.simultaneous, (real, z, labels), game.Rules(losses.hinge, NGD))
    return engine, turn, torch.get_rng_state()


def test_a_compiler_that_fails_is_left_out_and_the_rest_is_tried(monkeypatch, graphs):
    """One notice, no trace in the networks or the random numbers, and the graph is made of the recording as it is."""
    monkeypatch.setattr(gears, "BACKEND", "nonsense")
    made = EmulatedGraph.made
    said = []
    engine, turn, numbers = played("compiled-graph", said)
    _, expected, expected_numbers = played("recorded", [])
    assert ["compiled does not work here" in line for line in said] == [True]
    assert EmulatedGraph.made > made
    torch.testing.assert_close(turn.d_loss, expected.d_loss)
    for a, b in zip(turn.d_gradients, expected.d_gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    assert torch.equal(numbers, expected_numbers)
    assert isinstance(engine.recordings[0].run, cuda_graph.CudaGraph)


class Heard(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def test_a_compiler_that_fails_is_announced_in_one_line(monkeypatch):
    """Torch's own log stays quiet meanwhile, and speaks again afterwards."""
    log, heard = logging.getLogger("torch._dynamo"), Heard()

    def fails(function, **options):
        def compiling(*arguments):
            log.error("pages of a traceback")
            raise RuntimeError("no kernel\nand more lines")

        return compiling

    monkeypatch.setattr(torch, "compile", fails)
    log.addHandler(heard)
    said = []
    try:
        played("compiled", said)
        log.error("something else")
    finally:
        log.removeHandler(heard)
    assert ["compiled does not work here (RuntimeError: no kernel)" in line for line in said] == [True]
    assert heard.lines == ["something else"]


def test_a_compiler_that_takes_too_long(monkeypatch):
    """What it catches itself does not keep it from being stopped."""

    def slow(function, **options):
        def compiling(*arguments):
            for _ in range(1000):
                try:
                    time.sleep(0.02)
                except Exception:
                    continue
            return function(*arguments)

        return compiling

    monkeypatch.setattr(torch, "compile", slow)
    monkeypatch.setattr(gears, "COMPILE_LIMIT", 0.2)
    said = []
    began = time.monotonic()
    played("compiled", said)
    assert time.monotonic() - began < 10
    assert ["compiled does not work here (TimeoutError: it took more than 0 s)" in line for line in said] == [True]


def test_a_line_while_it_lasts(monkeypatch, caplog):
    def slow(function, **options):
        def compiling(*arguments):
            until = time.monotonic() + 20
            while not caplog.records and time.monotonic() < until:
                time.sleep(0.01)
            return function(*arguments)

        return compiling

    monkeypatch.setattr(torch, "compile", slow)
    monkeypatch.setattr(gears, "SECONDS_BETWEEN_LINES", 0.05)
    with caplog.at_level(logging.INFO, "logan.fast"):
        played("compiled", [])
    lines = [r.getMessage() for r in caplog.records]
    assert lines[0].startswith("compiling: ")
    assert lines[-1].startswith("compiled in ")


def test_what_is_compiled_is_kept_in_the_cache(monkeypatch, tmp_path):
    for given, kept in (
        (None, tmp_path / "compiled"),
        ("/tmp/torchinductor_me", tmp_path / "compiled"),
        ("mine", "mine"),
    ):
        monkeypatch.setenv("LOGAN_CACHE", str(tmp_path))
        monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", given or "")
        if given is None:
            monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
        gears._keep_compiled()
        assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(kept)


def test_nothing_is_checked_while_it_is_captured(graphs):
    """The second play would be compared with the plain code, which reads numbers from the device."""
    g, d = pair("mlp", dtype=torch.float32)
    engine = Engine(g, d, "recorded", pytest.fail)
    inputs, rules = batch(g, dtype=torch.float32), game.Rules(losses.hinge, NGD)
    engine.play(game.simultaneous, inputs, rules)
    graph = EmulatedGraph(torch.device("cpu"))
    assert not cuda_graph.capturing()
    turn = cuda_graph.capture(graph, lambda: engine.play(game.simultaneous, inputs, rules))
    assert turn.d_loss.isnan()  # nothing was done
    graph.replay()
    torch.testing.assert_close(turn.d_loss, engine.play(game.simultaneous, inputs, rules).d_loss)


def test_an_emulated_graph_behaves_as_one():
    """It does nothing while it notes, bakes in what the host computes, refuses to be read, and draws anew."""
    x, steps = torch.zeros(3), []

    def body():
        steps.append(0)
        x.add_(len(steps))
        return torch.rand(3)

    graph = EmulatedGraph(torch.device("cpu"))
    torch.manual_seed(0)
    noise = graph.capture(body)
    assert x.tolist() == [0, 0, 0]
    torch.manual_seed(0)
    expected = [torch.rand(3), torch.rand(3)]
    torch.manual_seed(0)
    for i in (0, 1):
        graph.replay()
        assert torch.equal(noise, expected[i])
        assert x.tolist() == [i + 1] * 3
    with pytest.raises(RuntimeError, match="not permitted"):
        EmulatedGraph(torch.device("cpu")).capture(lambda: x.sum().item())
