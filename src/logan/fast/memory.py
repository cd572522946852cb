"""Which recorded operations share memory, and which write into it: seen while they run, where a schema does not say so.

Schemas are not enough. ``unsafe_split`` returns parts of its argument's memory (GRU cells write into them afterwards) and says
that they are new; batch norm moves running statistics and says that it changes nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, fx
from torch._subclasses.fake_tensor import FakeTensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils import _pytree as pytree

from logan.fast.trial import same_numbers

aten = torch.ops.aten

_MOVES_STATISTICS = {
    getattr(aten, name).default
    for name in ("native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm", "batch_norm_gather_stats")
    if hasattr(aten, name)
}
"""Write into two arguments without saying so. Where tensors have numbers this is seen; those of a plan have none."""


class Seen(fx.Interpreter):
    """Runs recorded operations once and notes, in each node's ``meta``, what they do with memory.

    ``memory``  ids of the storages that its results lie in
    ``writes``  ids of the storages of its arguments whose numbers it changed
    """

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self._ids: dict[int, tuple[int, StorageWeakRef]] = {}
        self._writes: dict[Any, tuple[bool, ...]] = {}

    def run_node(self, n: fx.Node) -> Any:
        """The node's result."""
        if n.op != "call_function" or n.target is operator.getitem:
            result = super().run_node(n)
        else:
            args, kwargs = self.fetch_args_kwargs_from_env(n)
            given = _tensors((args, kwargs))
            result, written = self._watched(n, args, kwargs, given)
            if not any(map(_has_no_numbers, given)):
                n.meta["writes"] = tuple(self._id(t) for t, w in zip(given, written, strict=True) if w)
        n.meta["memory"] = tuple(self._id(t) for t in _tensors(result))
        return result

    def _watched(self, n: fx.Node, args: Any, kwargs: Any, given: list[Tensor]) -> tuple[Any, tuple[bool, ...]]:
        """The result, and of each tensor that was passed whether it was written into.

        What an operation does with its arguments is looked at once for each way of calling it: copies take time.
        """
        way = (n.target, _way((args, kwargs)))
        if way not in self._writes:
            # a sum over ranks is under way when its operation returns: it may or may not be there yet
            under_way = "c10d" in getattr(n.target, "namespace", "")
            copies = [None if under_way or _has_no_numbers(t) else t.clone() for t in given]
            result = n.target(*args, **kwargs)  # type: ignore[operator]
            said = {id(x) for x in _written_by_schema(n.target, args, kwargs)}
            self._writes[way] = tuple(
                id(t) in said or not (c is None or t.shape != c.shape or same_numbers(t, c))
                for t, c in zip(given, copies, strict=True)
            )
        else:
            result = n.target(*args, **kwargs)  # type: ignore[operator]
        return result, self._writes[way]

    def _id(self, t: Tensor) -> int:
        storage = t.untyped_storage()
        # The weak reference keeps the address from being given to another storage, and holds no numbers.
        return self._ids.setdefault(storage._cdata, (len(self._ids), StorageWeakRef(storage)))[0]


class Memory:
    """Of every node the memory that its result lies in, and what is written into.

    Memory is named by the ids that :class:`Seen` found; where nobody looked, by the schema of the operation.
    """

    def __init__(self, graph: fx.Graph) -> None:
        self.of: dict[fx.Node, frozenset[Any]] = {}
        self.outside: set[Any] = set()
        """Of inputs and constants: others see what is written there."""
        self.written: set[Any] = set()
        for node in graph.nodes:
            self.of[node] = frozenset(node.meta["memory"] if "memory" in node.meta else self._by_schema(node))
            if node.op in ("placeholder", "get_attr"):
                self.outside |= self.of[node]
            self.written |= self.written_by(node)

    def _by_schema(self, node: fx.Node) -> Iterable[Any]:
        if node.target is operator.getitem:
            return self.of[node.args[0]]  # type: ignore[index]
        shared = [x for alias, x in _aliased(node)]
        return frozenset().union(*(self.of[x] for x in shared)) if shared else (node.name,)

    def written_by(self, node: fx.Node) -> set[Any]:
        """The memory that an operation writes into."""
        written = set(node.meta.get("writes", ()))
        for alias, x in _aliased(node):
            written |= self.of[x] if alias.is_write else frozenset()
        if node.target in _MOVES_STATISTICS and "writes" not in node.meta:
            written |= frozenset().union(*(self.of[x] for x in node.args[3:5] if isinstance(x, fx.Node)))
        return written

    def touches_written(self, node: fx.Node) -> bool:
        """Whether the node, or what it reads, lies in memory that anything writes into."""
        return any(self.of[n] & self.written for n in (node, *node.all_input_nodes))


def _aliased(node: fx.Node) -> list[tuple[Any, fx.Node]]:
    """What is passed where the operation writes or shares memory, with what its schema says of that."""
    schema = getattr(node.target, "_schema", None)
    if node.op != "call_function" or schema is None:
        return []
    found = []
    for alias, x in _by_argument(schema, node.args, node.kwargs):
        found += [(alias, n) for n in (x if isinstance(x, list | tuple) else [x]) if isinstance(n, fx.Node)]
    return found


def _written_by_schema(target: Any, args: Any, kwargs: Any) -> list[Tensor]:
    schema = getattr(target, "_schema", None)
    if schema is None:
        return []
    return [t for alias, x in _by_argument(schema, args, kwargs) if alias.is_write for t in _tensors(x)]


def _by_argument(schema: Any, args: Any, kwargs: Any) -> list[tuple[Any, Any]]:
    passed = dict(zip((a.name for a in schema.arguments), args, strict=False)) | dict(kwargs)
    return [(a.alias_info, passed.get(a.name)) for a in schema.arguments if a.alias_info is not None]


def _tensors(x: Any) -> list[Tensor]:
    return [t for t in pytree.tree_leaves(x) if isinstance(t, Tensor)]


def _way(x: Any) -> tuple[Any, ...]:
    """How an operation is called: its arguments, with types in the place of tensors."""
    leaves, structure = pytree.tree_flatten(x)
    return str(structure), tuple((t.dtype, t.ndim) if isinstance(t, Tensor) else repr(t) for t in leaves)


def _has_no_numbers(t: Tensor) -> bool:
    return isinstance(t, FakeTensor) or t.device.type == "meta" or t._is_zerotensor()
