"""Products with vectors, spelled out for a compiler: the same numbers, and no product left."""

import copy

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from logan import turns
from logan.bench.device_rules import device_rules
from logan.config.presets import PRESETS
from logan.fast import gears, vectors, without_numbers
from logan.fast.engine import Engine
from tests.fast.preset_steps import players_of

F64 = torch.float64
QUICK = ["digits", "cifar10"]
aten = torch.ops.aten


@pytest.fixture(autouse=True)
def _here(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    monkeypatch.setattr(vectors, "FUSED_ON", {"cpu"})


def rows(*shape, dtype=F64):
    return torch.randn(*shape, dtype=dtype)


CASES = {
    "a row by a matrix": (torch.mm, (rows(1, 5), rows(5, 4)), True),
    "a matrix by a column": (torch.mm, (rows(4, 5), rows(5, 1)), True),
    "two vectors": (torch.mm, (rows(1, 5), rows(5, 1)), True),
    "all pairs": (torch.mm, (rows(4, 1), rows(1, 5)), True),
    "a number": (torch.mm, (rows(1, 1), rows(1, 1)), True),
    "several": (torch.bmm, (rows(3, 4, 5), rows(3, 5, 1)), True),
    "several, turned": (lambda a, b: torch.bmm(a.mT, b), (rows(3, 5, 4), rows(3, 5, 1)), True),
    "pairs of several": (torch.bmm, (rows(3, 4, 1), rows(3, 1, 5)), True),
    "with a bias": (torch.addmm, (rows(1), rows(4, 5), rows(5, 1)), True),
    "with factors": (lambda c, a, b: torch.addmm(c, a, b, beta=2, alpha=3), (rows(4, 6), rows(4, 1), rows(1, 6)), True),
    "into several": (
        lambda c, a, b: torch.baddbmm(c, a, b, beta=0.5, alpha=-1),
        (rows(3, 4, 6), rows(3, 4, 1), rows(3, 1, 6)),
        True,
    ),
    "into a turned one": (
        lambda c, a, b: torch.addmm(c.t(), a, b).view(-1),
        (rows(6, 4), rows(4, 1), rows(1, 6)),
        True,
    ),
    "turned factors": (
        lambda a, b: torch.bmm(a.transpose(0, 2), b.transpose(0, 1)).view(-1),
        (rows(1, 4, 3), rows(1, 3, 5)),
        True,
    ),
    "in the place of NaN": (
        lambda c, a, b: torch.addmm(c * float("nan"), a, b, beta=0),
        (rows(1), rows(4, 5), rows(5, 1)),
        True,
    ),
    "one after another": (lambda a, b, c: a @ (b @ c) + (a @ b) @ c, (rows(4, 5), rows(5, 3), rows(3, 1)), False),
    "a chain of vectors": (lambda a, b, c: a @ (b @ c), (rows(1, 5), rows(5, 3), rows(3, 1)), True),
    "of matrices": (torch.mm, (rows(4, 5), rows(5, 3)), False),
    "in a narrow type": (torch.mm, (rows(4, 5).bfloat16(), rows(5, 1).bfloat16()), False),
}


@pytest.mark.parametrize("case", CASES)
def test_the_same_numbers_without_a_product(case):
    f, inputs, spelled_out = CASES[case]
    module = make_fx(f)(*inputs)
    vectors.spell_out_products_of_vectors(module.graph)
    module.graph.lint()
    module.recompile()
    torch.testing.assert_close(module(*inputs), f(*inputs))
    left = [n for n in module.graph.nodes if n.target in vectors._PRODUCTS]
    assert bool(left) is not spelled_out
    assert _shapes_are_noted(module, inputs)


def _shapes_are_noted(module, inputs):
    """What later passes read."""

    class Noted(torch.fx.Interpreter):
        def run_node(self, node):
            result = super().run_node(node)
            if node.op != "output":
                noted = node.meta["val"]
                assert noted.shape == result.shape
                assert without_numbers.order(noted) == without_numbers.order(result)
            return result

    Noted(module).run(*inputs)
    return True


def test_what_is_written_into_is_read_when_it_was():
    def f(a, b):
        a = a.clone()
        before = a @ b
        a.add_(1)
        after = a @ b
        before.mul_(2)
        return before, after

    inputs = rows(4, 5), rows(5, 1)
    module = make_fx(f)(*inputs)
    vectors.spell_out_products_of_vectors(module.graph)
    module.recompile()
    torch.testing.assert_close(module(*inputs), f(*inputs))
    assert not [n for n in module.graph.nodes if n.target == aten.mm.default]


@pytest.mark.parametrize("preset", QUICK + [pytest.param(p, marks=pytest.mark.slow) for p in PRESETS if p not in QUICK])
def test_every_preset_is_recorded_for_a_compiler(preset):
    """As on CUDA, where spectral norm's products are factors of others."""
    players, inputs, rules = players_of(preset)
    engine = Engine(*players, "compiled", pytest.fail)
    engine.checking = False
    with device_rules("cuda"), pytest.MonkeyPatch.context() as patch:
        patch.setitem(gears.GEARS, "compiled", ())
        engine.play(turns.simultaneous, inputs, rules)
    (recording,) = engine.recordings
    for node in recording.module.graph.nodes:
        if node.target in vectors._PRODUCTS and node.meta["val"].dtype == torch.float32:
            a, b = node.args[vectors._PRODUCTS[node.target] :]
            assert 1 not in (*a.meta["val"].shape[-2:], b.meta["val"].shape[-1])


@pytest.mark.parametrize("preset", [pytest.param("cifar10", marks=pytest.mark.slow), "digits"])
def test_a_step_for_a_compiler_is_the_plain_one(preset, monkeypatch):
    monkeypatch.setattr("logan.fast.gears.BACKEND", "eager")
    players, inputs, rules = players_of(preset)
    players = [p.double() for p in players]
    inputs = [x.double() if x is not None and x.is_floating_point() else x for x in inputs]
    plain = turns.simultaneous(*copy.deepcopy(players), *inputs, rules=rules)
    engine = Engine(*players, "compiled", pytest.fail)
    played = engine.play(turns.simultaneous, inputs, rules)
    for a, b in zip(played.g_gradients + played.d_gradients, plain.g_gradients + plain.d_gradients, strict=True):
        torch.testing.assert_close(a, b)
    (recording,) = engine.recordings
    found = [n for n in recording.module.graph.nodes if n.target in vectors._PRODUCTS]
    assert all(1 not in (*n.args[-2].meta["val"].shape[-2:], n.args[-1].meta["val"].shape[-1]) for n in found)
