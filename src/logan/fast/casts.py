"""Change types once and in passing: what autocast casts and uncasts one tensor at a time takes a kernel each.

Exact: an elementwise operation and a sum compute in the wider type of their arguments anyway, a cast of parts is a part of
the cast, and what is put together of casts is the cast of what is put together. Only a sum that is cast afterwards differs
from one that is made in the wide type: by the rounding between.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import fx

aten = torch.ops.aten

_ELEMENTWISE = {aten.add.Tensor, aten.sub.Tensor, aten.mul.Tensor, aten.div.Tensor}
_TOGETHER = {aten.cat.default, aten.stack.default}
_PARTS = {
    operator.getitem,
    aten.unbind.int,
    aten.split.Tensor,
    aten.split_with_sizes.default,
    aten.select.int,
    aten.slice.Tensor,
    aten.permute.default,
    aten.t.default,
    aten.transpose.int,
    aten.view.default,
    aten.unsqueeze.default,
    aten.squeeze.dim,
}

WIDE_SUMS_ON = {"cuda"}
"""Types of devices whose sums read narrow numbers and return wide ones in one kernel. A CPU would cast all of them first."""


def cast_less(graph: fx.Graph, touches_written: Callable[[fx.Node], bool]) -> None:
    """Apply all of them, in place. What is left without a user stays, for a pass that drops it.

    Args:
        graph: recorded operations, with the tensors that they returned in ``meta["val"]``.
        touches_written: whether a node reads or makes memory that an operation writes into; such nodes stay as they are.
    """
    free = {n for n in graph.nodes if n.op == "call_function" and not touches_written(n)}
    _cast_before_taking_parts(graph, free)
    for node in list(graph.nodes):
        if node in free:
            if node.target in _TOGETHER:
                _cast_after_putting_together(graph, node, free)
            elif node.target in _ELEMENTWISE:
                _read_uncast(node, free)
            elif node.target == aten.sum.dim_IntList:
                _sum_uncast(node, free)
            elif _widens(node, free):
                _sum_wide(node, free)


def _read_uncast(node: Any, free: set[Any]) -> None:
    """a + wide(b) is a + b where a is as wide: of the two one has to say how wide."""
    for i, other in ((0, 1), (1, 0)):
        cast, wide = node.args[i], node.args[other]
        if (
            _widens(cast, free)
            and isinstance(wide, fx.Node)
            and _val(wide).ndim
            and _val(wide).dtype == _val(node).dtype
        ):
            node.args = tuple(cast.args[0] if k == i else a for k, a in enumerate(node.args))
            return


def _sum_uncast(node: Any, free: set[Any]) -> None:
    """Σ wide(x) is a sum in that type."""
    cast = node.args[0]
    if _widens(cast, free) and not node.kwargs.get("dtype"):
        node.args = (cast.args[0], *node.args[1:])
        node.kwargs = {**node.kwargs, "dtype": _val(cast).dtype}


def _sum_wide(cast: Any, free: set[Any]) -> None:
    """wide(Σ x), if nobody wants it narrow: made in the wide type."""
    node = cast.args[0]
    alone = node in free and node.target == aten.sum.dim_IntList and len(node.users) == 1
    if alone and not node.kwargs.get("dtype") and _val(node).device.type in WIDE_SUMS_ON:
        node.kwargs = {**node.kwargs, "dtype": _val(cast).dtype}
        node.meta["val"] = _val(cast)
        cast.replace_all_uses_with(node)


def _cast_after_putting_together(graph: fx.Graph, node: Any, free: set[Any]) -> None:
    parts: Any = node.args[0]
    if len(parts) < 2 or not all(_widens(p, free) and len(p.users) == 1 for p in parts):
        return
    if len({(_val(p).dtype, _val(p.args[0]).dtype) for p in parts}) > 1:
        return
    with graph.inserting_before(node):
        together = graph.call_function(node.target, ([p.args[0] for p in parts], *node.args[1:]), node.kwargs)
        cast = graph.call_function(aten._to_copy.default, (together,), {"dtype": _val(node).dtype})
    together.meta["val"] = _val(node).to(_val(parts[0].args[0]).dtype)
    cast.meta.update(node.meta)
    free.update((together, cast))
    node.replace_all_uses_with(cast)


def _cast_before_taking_parts(graph: fx.Graph, free: set[Any]) -> None:
    """The cast parts of one tensor as parts of the cast, where there are several and they make up the whole of it."""
    found: dict[tuple[Any, torch.dtype], list[Any]] = {}
    for node in graph.nodes:
        if node in free and _changes_type_only(node) and _val(node).stride() == _val(node.args[0]).stride():
            whole = _whole(node.args[0], free)
            if whole is not node.args[0]:
                found.setdefault((whole, _val(node).dtype), []).append(node)
    for (whole, dtype), casts in found.items():
        if whole.op != "call_function" or len(casts) < 2 or sum(_val(c).numel() for c in casts) < _val(whole).numel():
            continue
        with graph.inserting_after(whole):
            cast = graph.call_function(aten._to_copy.default, (whole,), {"dtype": dtype})
        cast.meta["val"] = _val(whole).to(dtype)
        made, last = {whole: cast}, cast
        for node in casts:
            for part in _chain(node.args[0], whole):
                if part not in made:
                    with graph.inserting_after(last):
                        last = graph.node_copy(part, partial(_of_cast, made))
                    last.meta["val"] = _cast_like(part.meta["val"], dtype)
                    made[part] = last
            node.replace_all_uses_with(made[node.args[0]])


def _of_cast(made: dict[Any, Any], node: Any) -> Any:
    return made.get(node, node)


def _whole(node: Any, free: set[Any]) -> Any:
    """The tensor that a node is a part of."""
    while node in free and node.target in _PARTS:
        node = node.args[0]
    return node


def _chain(node: Any, whole: Any) -> list[Any]:
    """From the whole, exclusively, to a part of it."""
    chain = []
    while node is not whole:
        chain.append(node)
        node = node.args[0]
    return chain[::-1]


def _widens(node: Any, free: set[Any]) -> bool:
    if not (isinstance(node, fx.Node) and node in free and _changes_type_only(node)):
        return False
    before, after = _val(node.args[0]).dtype, _val(node).dtype
    return before.is_floating_point and before.itemsize > 1 and torch.promote_types(before, after) == after


def _changes_type_only(node: Any) -> bool:
    """Autograd's own casts name the device and the layout too, which stay as they are."""
    if node.target != aten._to_copy.default or node.kwargs.get("memory_format") or _val(node.args[0]) is None:
        return False
    before, after = _val(node.args[0]), _val(node)
    return before.dtype != after.dtype and before.device == after.device and before.layout == after.layout


def _val(node: Any) -> Any:
    """The tensor that was computed; None where it was none."""
    value = node.meta.get("val")
    return value if isinstance(value, torch.Tensor) else None


def _cast_like(value: Any, dtype: torch.dtype) -> Any:
    return [v.to(dtype) for v in value] if isinstance(value, list | tuple) else value.to(dtype)
