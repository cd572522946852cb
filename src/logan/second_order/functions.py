"""Custom functions that autograd differentiates once, and says nothing when it should differentiate them again.

A ``torch.autograd.Function`` whose ``backward`` is marked ``once_differentiable`` returns gradients that have lost their graph.
torch hangs an error on them, but in front of no parameter: ``autograd.grad(loss, parameters)`` never comes by it, and leaves the
term out. So one has to look for such functions in the graph that is about to be differentiated, which costs microseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import BackwardCFunction, once_differentiable
from torch.autograd.graph import Node, get_gradient_edge

_ONCE = once_differentiable(lambda ctx: None).__code__
"""The code that all functions so marked have."""
_COMPILERS = "torch._functorch._aot_autograd"
_TRANSFORMS = "torch._functorch.autograd_function"
"""Where torch.func makes functions of functions: for vmap and grad."""


class Culprit(NamedTuple):
    """A custom function that can be differentiated only once: its name, and whether ``torch.compile`` made it."""

    name: str
    compiled: bool


def first_culprit(outputs: Iterable[Tensor], inputs: Iterable[Tensor]) -> Node | None:
    """The node of the first that was called on a path from ``inputs`` to ``outputs``. One of the weights alone does no harm."""
    found = [node for node in nodes_below(_roots(outputs)) if culprit_of(node) is not None]
    if not found:
        return None
    ends = set(_roots(inputs))
    on_path = (node for node in found if not ends.isdisjoint(nodes_below([node])))
    return min(on_path, key=lambda node: node._sequence_nr(), default=None)


def culprit_of(node: Node) -> Culprit | None:
    """What is wrong with one node of autograd's graph."""
    if not isinstance(node, BackwardCFunction):
        return None
    function: type[Function] = node._forward_cls
    if function.__module__.startswith(_COMPILERS):
        return Culprit(function.__name__, compiled=True)
    if _ONCE in (f.__code__ for f in _called_by(_backward_of(function))):
        return Culprit(function.__name__.removeprefix("GeneratedBackwardFor_"), compiled=False)
    return None


def nodes_below(roots: Iterable[Node]) -> set[Node]:
    """``roots``, and all nodes that a backward pass from them can reach."""
    waiting = list(roots)
    seen = set(waiting)
    while waiting:
        for node, _ in waiting.pop().next_functions:
            if node is not None and node not in seen:
                seen.add(node)
                waiting.append(node)
    return seen


def _roots(tensors: Iterable[Tensor]) -> list[Node]:
    return [x.grad_fn or get_gradient_edge(x).node for x in tensors if x.requires_grad]


def _backward_of(function: type[Function]) -> Any:
    """``vjp`` is the other name that torch takes it by."""
    return function.backward if function.vjp is Function.vjp else function.vjp


def _called_by(backward: Any, depth: int = 4) -> Iterator[Any]:
    """A Python function, and those that it hands on to: what it was wrapped around, and what it closes over."""
    backward = getattr(backward, "__func__", backward)
    if depth == 0 or not hasattr(backward, "__code__"):
        return
    yield backward
    for inner in (getattr(backward, "__wrapped__", None), *_closed_over(backward)):
        yield from _called_by(inner, depth - 1)


def _closed_over(function: Callable[..., Any]) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            value = cell.cell_contents
        except ValueError:  # not bound yet
            continue
        if isinstance(value, type):
            # Any other class may be the function of the second derivative, which is differentiated once.
            if issubclass(value, Function) and function.__module__ == _TRANSFORMS:
                yield _backward_of(value)
        else:
            yield getattr(value, "_backward_fn", value)  # of torch.library's custom operations
