"""What only narrow types and compilers are given is proved too: in the wide type, by the passes that it gets."""

import copy

import pytest
import torch

from logan import turns
from logan.devices import rounds_to_tf32
from logan.fast import few_channels, gears, recording, vectors
from logan.fast.engine import Engine
from logan.fast.recorded import PLAINLY
from tests.fast.preset_steps import players_of

aten = torch.ops.aten
pytestmark = pytest.mark.usefixtures("all_checks")


@pytest.fixture(autouse=True)
def _as_on_cuda(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    monkeypatch.setattr(few_channels, "PADDED_ON", {"cpu"})
    monkeypatch.setattr(vectors, "FUSED_ON", {"cpu"})
    monkeypatch.setitem(gears.GEARS, "compiled", ())


def played(kind, precision, preset="cifar10"):
    players, inputs, rules = players_of(preset, precision, "ngd")
    said = []
    engine = Engine(*copy.deepcopy(players), kind, said.append)
    engine.play(turns.simultaneous, inputs, rules)
    return said, engine.recordings


def off_by(graph, node, factor):
    scaled = graph.call_function(aten.mul.Tensor, (node, factor))
    scaled.meta["val"] = node.meta["val"]
    return scaled


def padded_wrongly(patch, factor):
    pad = few_channels._pad_gradients

    def wrong(graph, node, made):
        parts = [u for u in node.users if u.args[1] == 1]
        pad(graph, node, made)
        for part in list(node.users):
            if part.args[1] == 1 and parts:
                with graph.inserting_after(part):
                    scaled = off_by(graph, part, factor)
                part.replace_all_uses_with(scaled, delete_user_cb=lambda user: user is not scaled)  # noqa: B023

    patch.setattr(few_channels, "_pad_gradients", wrong)


def spelled_out_wrongly(patch, factor):
    spell = vectors._spelled_out

    def wrong(graph, node, a, b, inner):
        result = spell(graph, node, a, b, inner)
        return off_by(graph, result, factor) if inner == 1 else result

    patch.setattr(vectors, "_spelled_out", wrong)


def in_tf32(patch):
    """As CUDA's convolutions are by default."""
    patch.setattr(recording, "_in_tf32", lambda node: "conv" in str(node.target) and rounds_to_tf32())


@pytest.mark.parametrize("factor", [1.3, 0.5])
def test_padding_is_proved_in_float32(monkeypatch, factor):
    padded_wrongly(monkeypatch, factor)
    said, recordings = played("recorded", "bfloat16")
    assert recordings == [None]
    assert said[0].startswith(f"{PLAINLY}it differs from the plain code in d_gradients")


@pytest.mark.parametrize("factor", [1.005, 1.3])
def test_spelling_out_is_proved_without_tf32(monkeypatch, factor):
    in_tf32(monkeypatch)
    spelled_out_wrongly(monkeypatch, factor)
    said, recordings = played("compiled", "float32", preset="digits")
    assert recordings == [None]
    assert said[0].startswith(f"{PLAINLY}it differs from the plain code in ")


@pytest.mark.parametrize(
    ("kind", "precision", "preset"), [("recorded", "bfloat16", "cifar10"), ("compiled", "float32", "digits")]
)
def test_what_is_right_is_played(monkeypatch, kind, precision, preset):
    in_tf32(monkeypatch)
    said, (found,) = played(kind, precision, preset)
    assert said == []
    pads = [n for n in found.module.graph.nodes if n.target == aten.constant_pad_nd.default]
    assert bool(pads) is (precision == "bfloat16")


def test_a_wide_type_that_is_none_is_said(monkeypatch):
    """Networks that are narrow themselves."""
    players, inputs, rules = players_of("digits", "float32", "ngd")
    players = [p.bfloat16() for p in players]
    inputs = [x.bfloat16() if x is not None and x.is_floating_point() else x for x in inputs]
    said = []
    engine = Engine(*players, "recorded", said.append)
    engine.play(turns.simultaneous, inputs, rules)
    assert said == [
        "playing from a recording that is proved in its narrow type alone: it cannot be played in a wide one"
    ]
