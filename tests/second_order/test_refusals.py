"""Operations without a second derivative are refused by their names, with what to write instead."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from logan import LatentStep
from logan.dynamics import SGA
from logan.errors import NoSecondDerivativeError
from logan.second_order import gradients

from .small import F64, STEP, WAYS, batch, game_of, players
from .test_functions import Layer

POINTS = torch.linspace(-1, 1, 40, dtype=F64).view(5, 8)
BAG = torch.tensor([[0, 1], [2, 1], [0, 0]])

WITHOUT = {
    "cdist": (lambda x: torch.cdist(x, POINTS), r"cdist twice\. Use \(\(a\[:, None\]"),
    "pdist": (lambda x: F.pdist(x).expand(3, 3), r"pdist twice\. Use \(\(a\[:, None\]"),
    "embedding bag": (lambda x: F.embedding_bag(BAG, x), r"embedding_bag twice\. Use torch.nn.functional.embedding"),
    "hardsigmoid": (F.hardsigmoid, r"hardsigmoid twice\. Use torch.nn.functional.relu6\(x \+ 3\) / 6 in"),
    "segments": (
        lambda x: torch.segment_reduce(x, "max", lengths=torch.tensor([1, 2]), axis=0).repeat(2, 1)[:3],
        r"segment_reduce twice\. Use other operations",
    ),
    "margin": (
        lambda x: F.multi_margin_loss(x, torch.tensor([0, 1, 2]), reduction="none")[:, None],
        "multi_margin_loss twice",
    ),
    "gamma": (
        lambda x: torch._standard_gamma(x.abs() + 1),
        "standard_gamma twice",
    ),
}
"""The layer, of (3, 8) numbers to (3, …), and what is said of it."""
WITH = {
    "cdist": lambda x: ((x[:, None] - POINTS[None]) ** 2).sum(-1).sqrt(),
    "cdist's own way": lambda x: torch.cdist(x, POINTS, compute_mode="use_mm_for_euclid_dist"),
    "pdist": lambda x: ((x[:, None] - x[None]) ** 2).sum(-1),
    "embedding bag": lambda x: F.embedding(BAG, x).mean(1),
    "hardsigmoid": lambda x: F.relu6(x + 3) / 6,
}
"""What the messages recommend."""


class Filled(nn.Module):
    """``function``'s result, filled up to 8 numbers a sample."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        y = self.function(x)
        return F.pad(y, (0, 8 - y.shape[1])) + x.sin()


@pytest.mark.parametrize("name", WITHOUT)
def test_each_is_named_with_what_to_do(name):
    function, said = WITHOUT[name]
    for way in ("simultaneous", "recorded"):
        with pytest.raises(
            NoSecondDerivativeError, match=f"torch cannot {'' if 'differ' in said else 'differentiate '}{said}"
        ) as no:
            WAYS[way](*players(Filled(function), "d"), *batch(), STEP)
        assert str(no.value).endswith("or pass `stop_gradient` both, to do without the second-order terms")


@pytest.mark.parametrize("way", [way for way in WAYS if way != "step"])
def test_whoever_plays_says_so(way):
    with pytest.raises(NoSecondDerivativeError, match="cannot differentiate cdist twice"):
        WAYS[way](*players(Filled(WITHOUT["cdist"][0]), "g"), *batch(), STEP)


def test_the_other_dynamics_say_so_too():
    with pytest.raises(NoSecondDerivativeError, match="cannot differentiate cdist twice.*in its place$"):
        SGA()(*players(Filled(WITHOUT["cdist"][0]), "d"), *batch())


@pytest.mark.parametrize("name", WITH)
def test_what_is_recommended_works(name):
    g, d = players(Filled(WITH[name]), "d")
    turn = WAYS["simultaneous"](g, d, *batch(), STEP)
    assert all(x.isfinite().all() for x in turn.g_gradients)


def test_they_are_at_hand_where_nothing_is_differentiated_twice():
    g, d = players(Filled(WITHOUT["cdist"][0]), "d")
    for latent in (None, LatentStep(stop_gradient="both", bounds=None)):
        turn = game_of(g, d, latent).step(lambda: (batch()[0], None), lambda n: batch()[1])
        assert all(x.isfinite().all() for x in turn.g_gradients)


def test_other_errors_are_left_as_they_are():
    x = torch.ones(2, requires_grad=True)
    y = x.square().sum()
    gradients((y,), (x,))
    with pytest.raises(RuntimeError, match="second time") as error:
        gradients((y,), (x,))
    assert not isinstance(error.value, NoSecondDerivativeError)


def test_it_is_autograds_gradient():
    x, w = torch.randn(3, requires_grad=True), torch.randn(3, requires_grad=True)
    g, none = gradients((x.sin().sum(), x.square()), (x, w), (None, torch.ones(3)), create_graph=True)
    assert none is None
    torch.testing.assert_close(g, x.cos() + 2 * x)
    torch.testing.assert_close(gradients((g.sum(),), (x,))[0], 2 - x.sin())


def test_the_layer_of_a_custom_function_is_not_named_where_nobody_can_run_it_again():
    from .test_functions import Once

    x = torch.randn(3, 8, dtype=F64, requires_grad=True)
    with pytest.raises(NoSecondDerivativeError, match="the custom function Once cannot"):
        gradients((Layer(Once.apply)(x).sum(),), (x,), create_graph=True)
