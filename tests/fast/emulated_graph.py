"""A CUDA graph without CUDA: the operations of the CPU noted with their very tensors, and done again into the same memory.

Like the real one it does nothing while it notes, bakes in whatever the host computes meanwhile, refuses to let the host read a
tensor, draws new random numbers at each replay, and leaves no numbers in what it returns until it is replayed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_leaves

aten = torch.ops.aten
READS = {aten._local_scalar_dense.default, aten.nonzero.default, aten.equal.default, aten.is_nonzero.default}


class EmulatedGraph:
    """See :class:`logan.fast.cuda_graph.Graph`."""

    made = 0

    def __init__(self, device: torch.device, generators: Any = (), beside: Any = None) -> None:
        type(self).made += 1
        self.generators = [torch.default_generator, *generators]
        self.replays = 0

    def capture(self, function):
        numbers = [g.get_state() for g in self.generators]
        self.noted = _Noted()
        try:
            with self.noted:
                return function()
        finally:
            self.noted.undo()
            for generator, state in zip(self.generators, numbers, strict=True):
                generator.set_state(state)

    @torch.no_grad()
    def replay(self) -> None:
        self.replays += 1
        for operation, args, kwargs, results in self.noted.calls:
            again = tree_leaves(operation(*args, **kwargs))
            for old, new in zip(results, again, strict=True):
                if old is not None and old is not new:
                    old.copy_(new)


class _Noted(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Any] = []
        self.own: dict[int, Tensor] = {}  # by storage, what was made inside
        self.foreign: dict[int, tuple[Tensor, Tensor]] = {}  # by storage, what was written to, and what it held

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if operation in READS:
            raise RuntimeError("operation not permitted when stream is capturing")
        given = [x for x in tree_flatten((args, kwargs))[0] if isinstance(x, Tensor)]
        for x in _written(operation, args, kwargs):
            if _key(x) not in self.own and _key(x) not in self.foreign:
                whole = torch.empty(0, dtype=x.dtype).set_(x.untyped_storage())
                self.foreign[_key(x)] = whole, whole.clone()
        results = operation(*args, **kwargs)
        shared = {_key(x) for x in given}
        leaves = [x if isinstance(x, Tensor) and _key(x) not in shared else None for x in tree_leaves(results)]
        for x in leaves:
            if x is not None:
                self.own[_key(x)] = x
        if any(x is not None for x in leaves) or _written(operation, args, kwargs):
            self.calls.append((operation, args, kwargs, leaves))
        return results

    def undo(self) -> None:
        for tensor, before in self.foreign.values():
            tensor.copy_(before)
        for tensor in self.own.values():
            if tensor.is_floating_point():
                torch.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage()).fill_(float("nan"))


def _key(x: Tensor) -> int:
    return x.untyped_storage()._cdata


def _written(operation, args, kwargs) -> list[Tensor]:
    names = [a.name for a in operation._schema.arguments]
    passed = dict(zip(names, args, strict=False)) | kwargs
    written = [passed.get(a.name) for a in operation._schema.arguments if a.alias_info and a.alias_info.is_write]
    return [x for x in tree_leaves(written) if isinstance(x, Tensor)]
