"""Convolutions padded to the channels that fast kernels want: the same numbers, in the same order of memory."""

import copy
from functools import partial

import pytest
import torch
from torch import fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_leaves

from logan import networks, turns
from logan.bench.device_rules import device_rules
from logan.fast import few_channels, passes
from logan.fast.engine import Engine
from logan.fast.few_channels import pad_channels
from tests.fast.preset_steps import players_of

aten = torch.ops.aten
F64 = torch.float64
ORDERS = {2: torch.channels_last, 3: torch.channels_last_3d}


@pytest.fixture(autouse=True)
def _on_a_cpu(monkeypatch):
    """In double precision, where an error is no rounding."""
    monkeypatch.setattr(few_channels, "PADDED_ON", {"cpu"})
    monkeypatch.setattr(few_channels, "NARROW", {F64})


def padded(f, *inputs):
    def flat(*inputs):  # whatever else f takes
        return f(*inputs)

    module = make_fx(flat)(*inputs)
    pad_channels(module.graph, passes.Memory(module.graph).touches_written)
    module.graph.lint()
    module.recompile()
    return module


def calls(module, name):
    return sum(n.target == getattr(aten, name).default for n in module.graph.nodes)


def order(t):
    return [s for s, n in zip(t.stride(), t.shape, strict=True) if n > 1]


class Held(fx.Interpreter):
    """Plays a recording and holds what it says of each tensor against the tensor."""

    def run_node(self, n):
        result = super().run_node(n)
        if n.op == "call_function" and result is not None:
            for t, said in zip(tree_leaves([result]), tree_leaves([n.meta["val"]]), strict=True):
                if t is not None:
                    assert (t.shape, t.dtype, order(t)) == (said.shape, said.dtype, order(said)), n.target
        return result


def assert_same(f, *inputs, module=None):
    module = module or padded(f, *inputs)
    played, expected = (tree_leaves(x) for x in (Held(module).run(*inputs), f(*inputs)))
    torch.testing.assert_close(played, expected, rtol=1e-12, atol=1e-12)
    for a, b in zip(played, expected, strict=True):
        assert a is None or order(a) == order(b)
    return module


GEOMETRIES = {  # stride, padding, dilation, transposed, output padding
    "plain": (1, 1, 1, False, 0),
    "strided": (2, 1, 1, False, 0),
    "dilated": (1, 2, 2, False, 0),
    "transposed": (2, 1, 1, True, 0),
    "transposed, padded output": (2, 1, 1, True, 1),
}


def operands(dims, channels, transposed=False, last=False):
    torch.manual_seed(0)
    memory_format = ORDERS.get(dims, torch.contiguous_format) if last else torch.contiguous_format
    of_x, of_y = channels
    x = torch.randn(2, of_x, *[7, 5, 6][:dims], dtype=F64).to(memory_format=memory_format)
    w = torch.randn(*((of_x, of_y) if transposed else (of_y, of_x)), *[3] * dims, dtype=F64)
    return x, w.to(memory_format=memory_format), torch.randn(of_y, dtype=F64)


@pytest.mark.parametrize("last", [False, True], ids=["contiguous", "channels last"])
@pytest.mark.parametrize("channels", [(3, 16), (16, 3), (1, 16), (16, 1), (3, 4), (1, 1), (12, 7)], ids=str)
@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_convolutions_and_their_gradients(dims, geometry, channels, last):
    stride, padding, dilation, transposed, output_padding = GEOMETRIES[geometry]
    moves = [stride] * dims, [padding] * dims, [dilation] * dims, transposed, [output_padding] * dims, 1
    x, w, b = operands(dims, channels, transposed, last)
    y_bar = torch.randn_like(aten.convolution.default(x, w, b, *moves))

    def f(x, w, b, y_bar):
        gradients = [
            aten.convolution_backward.default(y_bar, x, w, sizes, *moves, mask)
            for sizes, mask in (
                (None, (True, False, False)),
                (None, (False, True, False)),
                ([len(b)], (True, True, True)),
            )
        ]
        y = aten.convolution.default(x, w, None, *moves)
        return aten.convolution.default(x, w, b, *moves), y.tanh(), y.flatten(2).sum(2), gradients

    module = assert_same(f, x, w, b, y_bar)
    few_in, few_out = (n < 8 for n in channels)
    # of x, w, b and ȳ each once
    assert calls(module, "constant_pad_nd") == few_in + (few_in or few_out) + 2 * few_out
    for node in module.graph.nodes:
        if node.target == aten.convolution.default:
            assert all(n == 8 or n == m for n, m in zip(node.args[1].meta["val"].shape[:2], w.shape[:2], strict=True))
            assert min(node.args[1].meta["val"].shape[:2]) >= 8


@pytest.mark.cuda
@pytest.mark.parametrize("channels", [(3, 16), (16, 3), (1, 16)], ids=str)
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_on_cuda(geometry, channels, monkeypatch):
    """What a recording says of orders of memory is so there too, and the numbers are those of double precision."""
    monkeypatch.setattr(few_channels, "PADDED_ON", {"cuda"})
    monkeypatch.setattr(few_channels, "NARROW", {torch.bfloat16})
    moves = GEOMETRIES[geometry]
    moves = *([n] * 2 for n in moves[:3]), moves[3], [moves[4]] * 2, 1
    x, w, b = (t.bfloat16() for t in operands(2, channels, moves[3], last=True))
    y_bar = torch.randn_like(aten.convolution.default(x.double(), w.double(), b.double(), *moves)).bfloat16()

    def f(x, w, b, y_bar):
        x_bar, w_bar, _ = aten.convolution_backward.default(y_bar, x, w, None, *moves, (True, True, False))
        y = aten.convolution.default(x, w, b, *moves)
        return y, y.tanh(), x_bar, w_bar, w_bar.float()

    inputs = [t.cuda() for t in (x, w, b, y_bar)]
    module = padded(f, *inputs)
    assert calls(module, "constant_pad_nd") > 0
    played, exact = Held(module).run(*inputs), f(*(t.double() for t in (x, w, b, y_bar)))
    for ours, expected, unpadded in zip(played, exact, f(*inputs), strict=True):
        assert (ours.dtype, order(ours)) == (unpadded.dtype, order(unpadded))
        assert (ours.cpu().double() - expected).abs().max() < 1e-2 * expected.abs().max()


def test_a_result_is_copied_only_for_those_who_mind():
    x, w, _ = operands(2, (16, 3), last=True)

    def elementwise(x, w):
        y = nn.functional.conv2d(x, w)
        return y.tanh(), y * y.sin(), y.float(), torch.where(y > 0, y, 0.0)

    def others(x, w):
        y = nn.functional.conv2d(x, w)
        return y.tanh(), y.permute(0, 2, 3, 1).reshape(-1, 9)

    assert calls(assert_same(elementwise, x, w), "clone") == 0
    assert calls(assert_same(others, x, w), "clone") == 1
    assert calls(assert_same(nn.functional.conv2d, x, w), "clone") == 1  # what the caller gets is dense


@pytest.mark.parametrize("dims", [2, 3])
def test_a_single_channel_is_padded_in_the_order_of_the_convolution(dims):
    """Its strides do not say which that is."""
    _, w, _ = operands(dims, (1, 16), last=True)
    grey, plain_w, _ = operands(dims, (1, 16))
    moves = None, [1] * dims, [1] * dims, [1] * dims, False, [0] * dims, 1

    def f(x, w):
        return aten.convolution.default(x, w, *moves)

    for weight, order_of_all in ((w, ORDERS[dims]), (plain_w, torch.contiguous_format)):
        module = assert_same(f, grey, weight)
        (node,) = (n for n in module.graph.nodes if n.target == aten.convolution.default)
        assert all(n.meta["val"].is_contiguous(memory_format=order_of_all) for n in node.args[:2])


def test_layers_of_few_channels_one_after_the_other():
    x, w, _ = operands(2, (3, 3), last=True)

    def f(x, w):
        x = nn.functional.conv2d(x, w)
        return nn.functional.conv2d(x, w), x

    module = assert_same(f, x, w)
    assert calls(module, "constant_pad_nd") == 3  # x twice, w once


def conv(x, w, b=None, *, groups=1):
    return nn.functional.conv2d(x, w, b, groups=groups)


def written(x, w):
    x = x * 2
    y = conv(x, w)
    x.add_(1)
    return y, conv(x, w)


def of_shape(*shape, dtype=F64):
    return torch.randn(*shape, dtype=dtype)


LEFT_ALONE = {
    "groups": (partial(conv, groups=2), of_shape(2, 4, 5, 5), of_shape(6, 2, 3, 3)),
    "depthwise": (partial(conv, groups=4), of_shape(2, 4, 5, 5), of_shape(4, 1, 3, 3)),
    "many channels": (conv, of_shape(2, 8, 5, 5), of_shape(12, 8, 3, 3)),
    "another type": (conv, of_shape(2, 3, 5, 5, dtype=torch.float32), of_shape(6, 3, 3, 3, dtype=torch.float32)),
    "written into": (written, of_shape(2, 3, 5, 5), of_shape(6, 3, 3, 3)),
}


@pytest.mark.parametrize("case", LEFT_ALONE)
def test_others_are_left_alone(case):
    f, x, w = LEFT_ALONE[case]
    module = padded(f, x, w)
    assert calls(module, "constant_pad_nd") == calls(module, "clone") == 0
    torch.testing.assert_close(module(x, w), f(x, w))


def test_other_devices_are_left_alone(monkeypatch):
    monkeypatch.setattr(few_channels, "PADDED_ON", {"cuda"})
    x, w, _ = operands(2, (3, 16))
    assert calls(padded(conv, x, w), "constant_pad_nd") == 0


def test_tensors_without_numbers_and_constants():
    x, w, b = operands(2, (3, 5), last=True)

    def f(x):
        return conv(x, w, b).tanh()

    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        planned = padded(f, mode.from_tensor(x))
    for module in (padded(f, x), planned):
        assert calls(module, "constant_pad_nd") == 3
        assert_same(f, x, module=module)


def engine_of(players):
    engine = Engine(*copy.deepcopy(players), "recorded", pytest.fail)
    engine.checking = False  # that is what is done here
    return engine


def graph_of(engine, inputs, rules):
    return engine._new(turns.simultaneous, rules).entry(*inputs).recording.module


def test_a_whole_step_of_sn_dcgan(monkeypatch):
    _, inputs, rules = players_of("cifar10")
    players = networks.create("sndcgan", image_size=32, latent_dim=16, width=8)  # few channels in images alone
    players = [p.double().to(memory_format=torch.channels_last) for p in players]
    inputs = [None if x is None else x.double() for x in inputs]
    modules, played = [], []
    for on in (set(), {"cpu"}):
        monkeypatch.setattr(few_channels, "PADDED_ON", on)
        engine = engine_of(players)
        modules.append(graph_of(engine, inputs, rules))
        turn = engine.play(turns.simultaneous, inputs, rules)
        played.append([*turn.d_gradients, *turn.g_gradients])
    torch.testing.assert_close(*played, rtol=1e-9, atol=1e-12)
    assert [order(g) for g in played[0]] == [order(g) for g in played[1]]
    without, ours = modules
    assert calls(without, "constant_pad_nd") == 0
    pads = [n.args for n in ours.graph.nodes if n.target == aten.constant_pad_nd.default]
    assert 0 < len({x for x, _ in pads}) == len(pads)  # each tensor once
    images = [x.meta["val"].shape == (4, 3, 32, 32) for x, _ in pads]
    assert sum(images) == len(pads) - 3  # the others are G's last w and b, and D's first w
    assert calls(ours, "clone") == calls(without, "clone")  # results are read by elementwise operations alone


def test_it_is_on_for_bfloat16_on_cuda(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)  # a CPU's only
    players, inputs, rules = players_of("cifar10", "bfloat16")
    with device_rules("cuda"):
        module = graph_of(engine_of(players), inputs, rules)
    assert calls(module, "constant_pad_nd") > 0
