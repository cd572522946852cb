"""Every preset's step under the rules of CUDA and MPS, without either: it records there, and is the plain step."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from logan import turns
from logan.bench.device_rules import DeviceRulesError, device_rules
from logan.config.presets import PRESETS
from logan.fast import operations
from logan.fast.engine import Engine
from logan.fast.operations import Normalise
from logan.fast.substitute import fast_operations
from tests.fast.preset_steps import players_of

aten = torch.ops.aten
QUICK = {("digits", "float32"), ("ring", "bfloat16"), ("cifar10", "bfloat16"), ("emoji128", "float32")}
EVERY = [
    pytest.param(preset, precision, marks=() if (preset, precision) in QUICK else pytest.mark.slow)
    for preset in PRESETS
    for precision in ("float32", "bfloat16")
]


@pytest.fixture(autouse=True)
def _no_onednn(monkeypatch):
    """A recording asks for the tensors' device, which is a CPU here, before it hands products to oneDNN."""
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)


def relative(a, b):
    a, b = (torch.cat([g.flatten().double() for g in gradients if g is not None]) for gradients in (a, b))
    return ((a - b).norm() / b.norm()).item()


@pytest.mark.parametrize(("preset", "precision"), EVERY)
def test_every_preset_records_and_plays_under_cudas_rules(preset, precision):
    players, inputs, rules = players_of(preset, precision)
    plainly = copy.deepcopy(players)
    plain = turns.simultaneous(*plainly, *inputs, rules=rules)
    with device_rules("cuda"):
        engine = Engine(*players, "recorded", pytest.fail)
        played = engine.play(turns.simultaneous, inputs, rules)
    # single precision: units near a kink change sides; bfloat16 rounds in another order besides
    tolerance = 5e-3 if precision == "float32" else 3e-2
    assert relative(played.d_gradients, plain.d_gradients) < tolerance
    assert relative(played.g_gradients, plain.g_gradients) < tolerance
    for ours, theirs in zip(players, plainly, strict=True):
        for a, b in zip(ours.buffers(), theirs.buffers(), strict=True):
            torch.testing.assert_close(a, b, rtol=2e-2, atol=2e-3)


def test_a_step_in_double_precision_is_the_plain_one_to_rounding():
    """Batch norms with γ and one without."""
    players, inputs, rules = players_of("emoji128", "float32")
    players = [p.double() for p in players]
    for module in players[0].modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight = module.bias = None
            break
    inputs = [x.double() if x is not None and x.is_floating_point() else x for x in inputs]
    plain = turns.simultaneous(*copy.deepcopy(players), *inputs, rules=rules)
    with device_rules("cuda"):
        played = Engine(*players, "recorded", pytest.fail).play(turns.simultaneous, inputs, rules)
    assert relative(played.d_gradients, plain.d_gradients) < 1e-10
    assert relative(played.g_gradients, plain.g_gradients) < 1e-10


LAYOUTS = {"channels-last": (4, 3, 5, 5), "contiguous": (4, 3, 5, 5), "points": (6, 3), "sequences": (4, 3, 5)}


@pytest.mark.parametrize("device", ["cuda", "mps"])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_batch_norm_differentiates_twice(device, affine, layout):
    torch.manual_seed(0)
    order = torch.channels_last if layout == "channels-last" else torch.contiguous_format
    x = torch.randn(LAYOUTS[layout]).contiguous(memory_format=order).requires_grad_()
    gamma, b = (torch.rand(3, requires_grad=True), torch.rand(3, requires_grad=True)) if affine else (None, None)
    leaves = [t for t in (x, gamma, b) if t is not None]

    def second(*leaves):
        y = F.batch_norm(leaves[0], None, None, *(leaves[1:] or (None, None)), training=True)
        first = torch.autograd.grad(y.sin().sum(), leaves, create_graph=True)
        return torch.autograd.grad(sum((g**2).sum() for g in first), leaves, allow_unused=True)

    plain = second(*[leaf.detach().double().requires_grad_() for leaf in leaves])
    with device_rules(device), fast_operations():
        played = second(*leaves)
    for ours, exact in zip(played, plain, strict=True):
        torch.testing.assert_close(ours.double(), exact, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("gamma", [None, torch.bfloat16, torch.float32])
def test_statistics_are_wide_whatever_the_parameters_are(gamma):
    """As on CUDA: with those of a CPU, in bfloat16, a mean of 5 would be off by up to 0.016."""
    torch.manual_seed(0)
    x = (torch.randn(64, 3, 4, 4) + 5).bfloat16()
    w = None if gamma is None else torch.ones(3, dtype=gamma)
    y, mean, r = Normalise.apply(x, w, w, 1e-5)
    assert (y.dtype, mean.dtype, r.dtype) == (torch.bfloat16, torch.float32, torch.float32)
    exact = x.double()
    torch.testing.assert_close(mean.double(), exact.mean([0, 2, 3]), rtol=1e-6, atol=0)
    torch.testing.assert_close(r.double() ** -2 - 1e-5, exact.var([0, 2, 3], unbiased=False), rtol=1e-5, atol=0)


def test_the_rules_are_played():
    """What CUDA and MPS do, and a CPU does not: else the tests above could not fail."""
    x = torch.randn(2, 3, 4, 4).bfloat16()
    last = x.contiguous(memory_format=torch.channels_last)
    stats = torch.zeros(3), torch.ones(3)
    backward = aten.native_batch_norm_backward.default
    with device_rules("cuda"):
        y, mean, r = aten.native_batch_norm.default(last, None, None, None, None, True, 0.0, 1e-5)
        assert (mean.dtype, r.dtype, y.stride()) == (torch.float32, torch.float32, last.stride())
        _, gamma_bar, b_bar = backward(last, last, None, None, None, *stats, True, 1e-5, (True, True, True))
        assert gamma_bar.numel() == b_bar.numel() == 0
        with pytest.raises(DeviceRulesError, match="not there"):
            backward(x, x, None, None, None, *stats, True, 1e-5, (True, True, False))
        with pytest.raises(DeviceRulesError, match="float32"):
            backward(x, x, None, None, None, *(s.bfloat16() for s in stats), True, 1e-5, (True, False, False))
        w = torch.randn(5, 3, 3, 3).bfloat16()  # in convolutions a CPU has cuDNN's rule
        assert F.conv2d(last, w).is_contiguous(memory_format=torch.channels_last)
        assert F.conv2d(x, w.contiguous(memory_format=torch.channels_last)).is_contiguous(
            memory_format=torch.channels_last
        )
        assert F.conv2d(x, w).is_contiguous()
        with pytest.raises(DeviceRulesError, match="waits"):
            x.sum().item()
        with pytest.raises(DeviceRulesError, match="mkldnn"):
            torch.ops.mkldnn._linear_pointwise.default(x[0, 0].float(), torch.randn(5, 4), None, "none", [], "")
    with device_rules("mps"):
        _, mean, _ = aten.native_batch_norm.default(x, None, None, None, None, True, 0.0, 1e-5)
        assert mean.dtype == torch.bfloat16
        with pytest.raises(DeviceRulesError, match="not there"):
            backward(last, last, None, None, None, *stats, True, 1e-5, (False, False, True))
        with pytest.raises(DeviceRulesError, match="float64"):
            x.double()


def test_the_rules_act_below_the_tracer(monkeypatch):
    """A recording made under them is the one that is made here: it holds the kernels' names, and nothing of the rules."""
    monkeypatch.setattr("logan.bench.device_rules._BY_DEVICE", ())
    players, inputs, rules = players_of("emoji128", "bfloat16")
    with device_rules("cuda"):
        there = Engine(*players, "recorded", pytest.fail)._new(turns.simultaneous, rules).entry(*inputs).recording
    here = Engine(*players, "recorded", pytest.fail)._new(turns.simultaneous, rules).entry(*inputs).recording
    assert [n.target for n in there.module.graph.nodes] == [n.target for n in here.module.graph.nodes]


def test_what_leans_on_a_cpu_is_noticed(monkeypatch):
    """A step that leans on a CPU's leniency is played plainly instead."""
    players, inputs, rules = players_of("emoji128", "float32")

    def lenient(y_bar, x, gamma, mean, r, eps):
        return aten.native_batch_norm_backward.default(
            y_bar, x, None, None, None, mean, r, True, eps, (True, True, True)
        )

    monkeypatch.setattr(operations, "_norm_backward", lenient)
    said = []
    with device_rules("cuda"):
        Engine(*players, "recorded", said.append).play(turns.simultaneous, inputs, rules)
    assert len(said) == 1
    assert "invalid gradient" in said[0]
