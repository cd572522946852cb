"""The kernels of a piece of code, grouped by what they do, as one that runs them one by one would start them.

A kernel is an operation that reaches the device and is neither a view nor an allocation. CUDA starts a few more: two or three
for a batch norm, for a sum over many values, or for a convolution whose arguments change their order of memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten

_NOTHING = ("empty", "new_empty", "_unsafe_view", "_reshape_alias", "lift_fresh", "detach", "_local_scalar_dense")
_GROUPS = {
    "convolution": "convolution",
    "matrix product": "mm bmm addmm baddbmm mv addmv dot vdot _linear_pointwise",
    "batch norm": "native_batch_norm native_layer_norm native_group_norm",
    "optimiser": "_fused_adam _foreach",
    "reduction": "sum mean linalg_vector_norm norm amax amin max min argmax var prod any all _softmax avg_pool2d max_pool2d_with",
    "gather and scatter": "embedding gather scatter index slice_backward select_backward cat stack upsample constant_pad_nd",
}
ELEMENTWISE, CASTS, LAYOUT = "elementwise", "casts", "layout"
GROUPS = (*_GROUPS, ELEMENTWISE, CASTS, LAYOUT)
"""What the kernels of a step do."""


class Kernels(TorchDispatchMode):
    """Counts the kernels inside ``with``, backward passes included; works on tensors without numbers.

    Attributes:
        calls: by group and name.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[tuple[str, str]] = Counter()
        self._made: dict[int, int] = {}  # by storage: the kernel that wrote it last
        self._alive: list[Any] = []  # so that no storage gets the name of an earlier one
        self._level: list[int] = []  # by kernel: how many that cannot be fused lie one after another before it
        self._chain: list[int] = []  # by kernel: an earlier one of its chain, or itself
        self._shape: list[tuple[int, ...] | None] = []  # by kernel: that of its chain; None for what makes no chain

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        name = func._opname if hasattr(func, "_opname") else func._schema.name.partition("::")[2]
        if func.namespace == "prim" or func.is_view or name.startswith(_NOTHING):
            return result
        group = group_of(name, args, kwargs, result)
        self.calls[group, name] += 1
        self._note(group, name, args, kwargs, result)
        return result

    @property
    def total(self) -> int:
        """All kernels."""
        return self.calls.total()

    def by_group(self) -> dict[str, int]:
        """How many of each group."""
        counts: Counter[str] = Counter()
        for (group, _), n in self.calls.items():
            counts[group] += n
        return {group: counts[group] for group in GROUPS if counts[group]}

    def fused(self) -> int:
        """Kernels if every chain of elementwise operations, casts and copies were one: an estimate, and no compiler's result.

        A chain's operations have results of one shape, each reads another one's result, and between them lies nothing else
        that has to come first. A sum or mean over such a result belongs to its chain.
        """
        return len({self._root(k) for k in range(len(self._chain))})

    def _note(self, group: str, name: str, args: Any, kwargs: Any, result: Any) -> None:
        made = [self._made[s] for s in _storages((args, kwargs)) if s in self._made]
        pointwise = group in (ELEMENTWISE, CASTS, LAYOUT)
        of = args[0] if name in ("sum", "mean") else next(_tensors(result), None)
        shape = None if of is None else tuple(of.shape)
        level = max((self._level[m] + (self._shape[m] is None) for m in made), default=0)
        k = len(self._chain)
        self._chain.append(k)
        self._shape.append(shape if pointwise else None)
        self._level.append(level)
        if pointwise or name in ("sum", "mean"):
            for m in made:
                if self._shape[m] == shape and self._level[m] == level:
                    self._chain[self._root(m)] = self._root(k)
        for s in _storages(result):
            self._made[s] = k
        self._alive.append(result)

    def _root(self, k: int) -> int:
        while self._chain[k] != k:
            self._chain[k] = self._chain[self._chain[k]]
            k = self._chain[k]
        return k


def group_of(name: str, args: Any, kwargs: Any, result: Any) -> str:
    """What an operation of that name does: one of :data:`GROUPS`."""
    for group, names in _GROUPS.items():
        if any(name == n or (name.startswith(n) and len(n) > 4) for n in names.split()):
            return group
    if name in ("_to_copy", "copy_"):
        source = args[1] if name == "copy_" else args[0]
        target = args[0] if name == "copy_" else result
        return CASTS if source.dtype != target.dtype else LAYOUT
    if name in ("clone", "contiguous"):
        return LAYOUT
    return ELEMENTWISE


def _storages(tree: Any) -> Iterator[int]:
    return (t.untyped_storage()._cdata for t in _tensors(tree))


def _tensors(tree: Any) -> Iterator[Tensor]:
    return (t for t in pytree.tree_leaves(tree) if isinstance(t, Tensor))
