"""What operations do with memory is seen, where their schemas do not say it."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from logan.fast import passes
from logan.fast.memory import Memory, Seen, _aliased


def seen(f, *args):
    module = make_fx(f)(*args)
    Seen(module).run(*args)
    return module


def unsaid(module):
    """Names of operations that share or write memory without a word in their schema."""
    memory = Memory(module.graph)
    found = set()
    for node in module.graph.nodes:
        if node.op != "call_function" or not hasattr(node.target, "_schema"):
            continue
        said = _aliased(node)
        shared = memory.of[node] & frozenset().union(*(memory.of[n] for n in node.all_input_nodes), frozenset())
        written = set(node.meta.get("writes", ())) - set().union(*(memory.of[n] for a, n in said if a.is_write), set())
        if (shared and not said) or written:
            found.add(str(node.target).split(".")[1])
    return found


GRU = nn.GRU(3, 4)
MEAN, VARIANCE = torch.zeros(6), torch.ones(6)
FUNCTIONS = {
    "unsafe_split": (lambda x: x.unsafe_split(2, 0)[0] + 1, {"unsafe_split"}),
    "unsafe_chunk": (lambda x: x.unsafe_chunk(2, 0)[0] + 1, {"unsafe_split"}),
    "split with sizes": (lambda x: torch.unsafe_split_with_sizes(x, [1, 3], 0)[0] + 1, {"unsafe_split_with_sizes"}),
    "GRU": (lambda x: GRU(x)[0], {"unsafe_split", "_unsafe_view"}),
    "batch norm": (lambda x: F.batch_norm(x.view(4, 6), MEAN, VARIANCE, training=True), {"native_batch_norm"}),
    "no batch norm": (lambda x: F.batch_norm(x.view(4, 6), MEAN, VARIANCE), set()),
    "said": (lambda x: x.view(-1).clone().add_(1).t().chunk(2)[0].mul_(2), set()),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_schemas_do_not_say(name):
    function, found = FUNCTIONS[name]
    x = torch.arange(24.0).view(4, 2, 3)
    module = seen(lambda x: (x.clone(), function(x.clone()))[1], x)
    assert unsaid(module) - {"_unsafe_view"} == found - {"_unsafe_view"}


def test_parts_that_are_written_into_are_not_shared():
    def f(x):
        one, other = x.unsafe_split(2), x.unsafe_split(2)
        return one[0].add_(1) * 1, other[0] * 3

    x = torch.arange(4.0)
    module = make_fx(lambda x: f(x.clone()))(x)
    Seen(module).run(x)
    passes.simplify(module)
    for got, want in zip(module(x), f(x.clone()), strict=True):
        torch.testing.assert_close(got, want)


def test_running_statistics_move_though_nobody_reads_what_moves_them():
    """Also in a plan, whose tensors have no numbers to be seen changing."""

    def f(x, mean, variance):
        F.batch_norm(x, mean, variance, training=True)
        return x + 1

    def arguments():
        return torch.randn(8, 3), torch.zeros(3), torch.ones(3)

    with FakeTensorMode():
        planned = seen(f, *arguments())
    for module in (planned, seen(f, *arguments())):
        passes.drop_unused(module.graph)
        assert any("batch_norm" in str(n.target) for n in module.graph.nodes)


def test_addresses_are_not_taken_for_one_when_memory_is_used_again():
    def f(x):
        for _ in range(8):
            x = (x * 2).sin()  # each is freed as soon as the next is there
        return x

    memory = Memory(seen(f, torch.ones(64)).graph)
    ids = [memory.of[n] for n in memory.of if n.op == "call_function"]
    assert len(set(ids)) == len(ids) == 16
