"""Kernels that add in another order at every call, as a GPU's may: no reason to distrust a recording."""

import itertools

import pytest
import torch

from logan.fast import proof
from logan.fast.recorded import PLAINLY, record

pytestmark = pytest.mark.usefixtures("all_checks")
_calls = itertools.count()


@pytest.fixture(autouse=True)
def _as_on_a_gpu(monkeypatch):
    monkeypatch.setattr(proof, "_adds_in_any_order", lambda before: True)


@torch.library.custom_op("logan_tests::sum_in_any_order", mutates_args=())
def sum_in_any_order(x: torch.Tensor, wrong: float) -> torch.Tensor:
    """Σ x, from another element on at every call if that is allowed; off by ``wrong`` times another number at every call."""
    total, n = torch.zeros((), dtype=x.dtype), next(_calls)
    for number in x.roll(0 if torch.are_deterministic_algorithms_enabled() else n):
        total = total + number
    return total + wrong * (n % 7)


@sum_in_any_order.register_fake
def _(x, wrong):
    return x.new_empty(())


def rounding_alone(wrong):
    """Numbers that cancel: what is left of their sum is nothing but roundings."""

    def function(x):
        y = torch.cat([x, -x]) * 1.1
        return sum_in_any_order(y, wrong), x.square()

    return function


def test_what_is_nothing_but_roundings_may_come_out_otherwise():
    torch.manual_seed(0)
    x, said = torch.randn(200), []
    fast = record(rounding_alone(0.0), [x], announce=said.append)
    found = {fast(x)[0].item() for _ in range(9)}
    assert len(found) > 1
    assert said == []
    assert fast.recordings != [None]


def test_what_differs_by_more_is_not_trusted():
    torch.manual_seed(0)
    x, said = torch.randn(200), []
    fast = record(rounding_alone(1e-2), [x], announce=said.append)
    for _ in range(3):
        fast(x)
    assert fast.recordings == [None]
    assert len(said) == 1
    assert said[0].startswith(f"{PLAINLY}played twice, it is not the same in 0 ")
    assert not torch.are_deterministic_algorithms_enabled()
