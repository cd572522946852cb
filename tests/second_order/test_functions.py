"""Custom functions that can be differentiated only once are refused where a latent step differentiates them twice."""

import copy
import functools

import pytest
import torch
from torch import nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

from logan import LatentStep, networks
from logan.dynamics import SGA, Consensus, Unrolled
from logan.errors import InputError, NoSecondDerivativeError
from logan.turns import simultaneous

from .small import F64, STEP, WAYS, batch, players


def sine(x):
    """What every function below computes; its derivative depends on x, so that a lost graph loses a term."""
    return x + x.sin() / 2


def slope(ctx, cotangent):
    (x,) = ctx.saved_tensors
    return cotangent * (1 + x.cos() / 2)


def unmarked(function):
    """A decorator that forgets functools.wraps."""

    def call(ctx, *cotangents):
        return function(ctx, *cotangents)

    return call


def wrapped(function):
    @functools.wraps(function)
    def call(*arguments):
        return function(*arguments)

    return call


class Base(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return sine(x)


class Once(Base):
    backward = staticmethod(once_differentiable(slope))


class Named(Base):
    """By the other name of a backward pass."""

    vjp = staticmethod(once_differentiable(slope))


class Under(Base):
    backward = staticmethod(wrapped(once_differentiable(slope)))


class Hidden(Base):
    backward = staticmethod(unmarked(once_differentiable(slope)))


class Setup(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return sine(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    backward = staticmethod(once_differentiable(slope))


class Twice(Base):
    backward = staticmethod(slope)


class TwiceByOnce(Base):
    """Its second derivative is another function, which is differentiated once, and says so."""

    @staticmethod
    def backward(ctx, cotangent):
        return Slope.apply(cotangent, *ctx.saved_tensors)


class Slope(Function):
    @staticmethod
    def forward(ctx, cotangent, x):
        ctx.save_for_backward(cotangent, x)
        return cotangent * (1 + x.cos() / 2)

    @staticmethod
    @once_differentiable
    def backward(ctx, u):
        cotangent, x = ctx.saved_tensors
        return u * (1 + x.cos() / 2), -u * cotangent * x.sin() / 2


def custom_op(name, backward):
    @torch.library.custom_op(f"logan_tests::{name}", mutates_args=())
    def op(x: torch.Tensor) -> torch.Tensor:
        return sine(x)

    op.register_autograd(backward, setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs))
    op.register_fake(torch.empty_like)
    return op


once_op, twice_op = custom_op("once", once_differentiable(slope)), custom_op("twice", slope)
mapped = torch.func.vmap(Setup.apply)


class Layer(nn.Module):
    """A layer of somebody's that calls ``function``."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class OfWeights(nn.Linear):
    """A once-differentiable function of the weights alone: differentiated once, whatever is done with z."""

    def forward(self, x):
        return nn.functional.linear(x, Once.apply(self.weight), self.bias)


def recomputed(x):
    return checkpoint(Once.apply, x, use_reentrant=False)


def transformed(x):
    return torch.func.vjp(Setup.apply, x)[0]


ONCE = {
    "once": (Once.apply, "Once"),
    "vjp": (Named.apply, "Named"),
    "wrapped": (Under.apply, "Under"),
    "hidden": (Hidden.apply, "Hidden"),
    "setup": (Setup.apply, "Setup"),
    "vmap": (mapped, "VmappedSetup"),
    "functional": (transformed, "Setup"),
    "custom op": (once_op, "logan_tests_once_default"),
    "checkpoint": (recomputed, "Once"),
}
TWICE = {"twice": Twice.apply, "by another": TwiceByOnce.apply, "custom op": twice_op}
PLACES = {"d": "d.1 (Layer)", "g": "g.1 (Layer)"}


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("name", ONCE)
def test_each_of_the_kind_is_refused_by_name(name, where):
    function, called = ONCE[name]
    g, d = players(Layer(function), where)
    with pytest.raises(NoSecondDerivativeError) as refused:
        STEP(lambda z: d(g(z)), batch()[1])
    assert f"the custom function {called}, called by {PLACES[where]}," in str(refused.value)
    assert "`stop_gradient` both" in str(refused.value)
    assert isinstance(refused.value, InputError)


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("way", WAYS)
def test_whoever_plays_says_so(way, where):
    g, d = players(Layer(Once.apply), where)
    real, z = batch()
    with pytest.raises(NoSecondDerivativeError, match=r"Once, called by \w+\.1 \(Layer\)"):
        WAYS[way](g, d, real, z, STEP)


@pytest.mark.parametrize("last", [True, False])
def test_even_where_the_function_comes_last_and_torch_knows_of_no_error(last):
    """A cotangent that is a constant leaves not even torch's own error in the graph."""
    g, d = players(nn.Identity(), "d")
    f = (lambda z: Once.apply(d(g(z)))) if last else (lambda z: d(Once.apply(g(z))))
    with pytest.raises(NoSecondDerivativeError, match="the custom function Once cannot"):  # no module calls it
        STEP(f, batch()[1])


def test_the_name_is_the_path_in_the_network():
    class Player(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(4, 4), Layer(Once.apply))])
            self.head = nn.Linear(4, 1)

        def forward(self, x):
            return self.head(self.blocks[0](x))

    f = Player().double()  # handed over as it is: there is no name but its class
    with pytest.raises(NoSecondDerivativeError, match=r"called by Player\.blocks\.0\.1 \(Layer\)"):
        STEP(f, batch()[1])


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize(
    ("way", "name"), [*((way, name) for way in ("step", "simultaneous") for name in TWICE), ("recorded", "by another")]
)
def test_functions_with_a_second_derivative_are_not_refused(name, way, where):
    g, d = players(Layer(TWICE[name]), where)
    real, z = batch()
    reference = WAYS[way](*players(Layer(sine), where), real, z, STEP)
    result = WAYS[way](g, d, real, z, STEP)
    if way == "step":
        torch.testing.assert_close(result.z, reference.z)
    else:
        for a, b in zip(
            [*result.d_gradients, *result.g_gradients], [*reference.d_gradients, *reference.g_gradients], strict=True
        ):
            torch.testing.assert_close(a, b)


@pytest.mark.parametrize("way", ["step", "simultaneous", "recorded"])
def test_a_function_of_the_weights_alone_does_no_harm(way):
    g, d = players(OfWeights(8, 8), "d")
    real, z = batch()
    reference = copy.deepcopy(d)
    reference[1].forward = lambda x: nn.functional.linear(x, sine(reference[1].weight), reference[1].bias)
    results = [WAYS[way](copy.deepcopy(g), network, real, z, STEP) for network in (d, reference)]
    for a, b in zip(*([r.z] if way == "step" else [*r.d_gradients, *r.g_gradients] for r in results), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("way", [way for way in WAYS if way != "alternating"])
def test_nothing_is_refused_where_nothing_is_differentiated_twice(way):
    stopped = LatentStep(stop_gradient="both", bounds=None)
    assert WAYS[way](*players(Layer(Once.apply), "d"), *batch(), stopped)


def test_nor_at_evaluation_nor_without_a_latent_step():
    real, z = batch()
    g, d = players(Layer(Once.apply), "d")
    with torch.no_grad():
        assert STEP(lambda z: d(g(z)), z).z.isfinite().all()
    assert all(x is not None for x in simultaneous(g, d, real, z).g_gradients)


@pytest.mark.parametrize("method", [SGA(), Consensus(), Unrolled(d_steps=2)])
def test_the_other_dynamics_refuse_it_too(method):
    """They differentiate both players' gradients, with a latent step or without."""
    real, z = batch()
    with pytest.raises(NoSecondDerivativeError, match=r"called by discriminator\.1 \(Layer\)"):
        method(*players(Layer(Once.apply), "d"), real, z)
    method(*players(Layer(Twice.apply), "d"), real, z)


def test_the_third_derivative_asks_for_more():
    """A function whose second derivative is its last: consensus needs no other, but does on LOGAN's field; SGA always does."""
    real, z = batch()
    g, d = players(Layer(TwiceByOnce.apply), "d")
    turns_ = [Consensus()(*players(Layer(f), "d"), real, z) for f in (TwiceByOnce.apply, sine)]
    for a, b in zip(*(t.d_gradients for t in turns_), strict=True):
        torch.testing.assert_close(a, b)
    for method, rules in ((Consensus(), {"latent": STEP}), (SGA(), {})):
        with pytest.raises(NoSecondDerivativeError, match="the custom function Slope"):
            method(g, d, real, z, **rules)


def test_compiled_modules_are_named():
    torch._dynamo.reset()
    g, d = players(nn.Identity(), "d")
    d[1] = torch.compile(nn.Sequential(nn.Linear(8, 8), nn.Tanh()).to(F64), backend="aot_eager")
    real, z = batch()
    with pytest.raises(NoSecondDerivativeError, match=r"d\.1 \(OptimizedModule\), compiled by torch.compile, cannot"):
        STEP(lambda z: d(g(z)), z)
    with pytest.raises(NoSecondDerivativeError, match="compiled by torch.compile"):
        WAYS["recorded"](g, d, real, z, STEP)
    moved = LatentStep(stop_gradient="both")(lambda z: d(g(z)), z)
    assert moved.z.isfinite().all()


def test_this_projects_own_networks_are_not_refused():
    g, d = networks.create("dcgan", image_size=16, image_channels=1, latent_dim=4, width=4)  # batch norm in both
    said = []
    played = WAYS["recorded"](g, d, torch.rand(4, 1, 16, 16), torch.rand(4, 4), STEP)
    assert not said
    assert all(x.isfinite().all() for x in played.g_gradients)
