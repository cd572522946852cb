"""Which module of a network called a custom function: found by running the network once more, to word an error."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils import _pytree as pytree

from logan.second_order.functions import first_culprit


class _Call(NamedTuple):
    """One call of a module: those that it was called inside of and itself, and autograd's numbering when it began and ended."""

    path: tuple[nn.Module, ...]
    began: int
    ended: int


def caller_of(again: Callable[[], Any], inputs: Sequence[Tensor]) -> str | None:
    """Where ``again()`` first calls a custom function that is differentiable once: ``D.layers.3 (MyLayer)``; None if in no module.

    Args:
        again: a pass through the networks. If it is a ``functools.partial``, the outermost module is called by the name that the
            partial's function has for it (the D of ``lambda z: D(G(z))``), else by its class.
        inputs: as in :func:`~logan.second_order.functions.first_culprit`.
    """
    calls, outputs = _watched(again)
    culprit = first_culprit((y for y in pytree.tree_leaves(outputs) if isinstance(y, Tensor)), inputs)
    number = -1 if culprit is None else culprit._sequence_nr()
    around = [call.path for call in calls if call.began <= number < call.ended]
    if not around:
        return None
    path = max(around, key=len)
    root, module = path[0], path[-1]
    inside = next((f".{name}" for name, part in root.named_modules() if part is module and name), "")
    return f"{_name_of(root, again)}{inside} ({type(module).__name__})"


def _name_of(module: nn.Module, again: Callable[[], Any]) -> str:
    if isinstance(again, partial) and inspect.isfunction(again.func):
        seen = inspect.getclosurevars(again.func)
        for name, thing in {**seen.globals, **seen.nonlocals}.items():
            if thing is module:
                return name
    return type(module).__name__


def _watched(again: Callable[[], Any]) -> tuple[list[_Call], Any]:
    open_calls: list[tuple[nn.Module, int]] = []
    calls: list[_Call] = []

    def begin(module: nn.Module, _inputs: Any) -> None:
        if torch.compiler.is_compiling():  # the modules inside a compiled one: their hooks would be compiled too
            return
        open_calls.append((module, torch._C._autograd._get_sequence_nr()))

    def end(*_: Any) -> None:
        if torch.compiler.is_compiling():
            return
        path = tuple([module for module, _began in open_calls])
        began = open_calls.pop()[1]
        calls.append(_Call(path, began, torch._C._autograd._get_sequence_nr()))

    hooks = [register_module_forward_pre_hook(begin), register_module_forward_hook(end, always_call=True)]
    try:
        return calls, again()
    finally:
        for hook in hooks:
            hook.remove()
