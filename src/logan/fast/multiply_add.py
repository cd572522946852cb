"""a + b · c in one kernel where it was two: one pass over memory less, and in bfloat16 one rounding less."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx

aten = torch.ops.aten


def multiply_and_add(graph: fx.Graph, touches_written: Callable[[fx.Node], bool]) -> None:
    """Sums of a tensor and a product that nothing else reads become ``addcmul``, in place.

    Args:
        graph: recorded operations, with the tensors that they returned in ``meta["val"]``.
        touches_written: whether a node reads or makes memory that an operation writes into; such nodes stay as they are.
    """
    free = {n for n in graph.nodes if n.op == "call_function" and not touches_written(n)}
    for node in list(graph.nodes):
        if node.target != aten.add.Tensor or node.kwargs or node not in free:
            continue
        arguments: Any = node.args
        for product, other in (arguments, arguments[::-1]):
            if other is not product and _only_for(product, node, free) and _same(node, other, *product.args):
                with graph.inserting_before(node):
                    fused = graph.call_function(aten.addcmul.default, (other, *product.args))
                fused.meta.update(node.meta)
                free.add(fused)
                node.replace_all_uses_with(fused)
                graph.erase_node(node)
                graph.erase_node(product)
                break


def _only_for(product: Any, node: fx.Node, free: set[Any]) -> bool:
    return product in free and product.target == aten.mul.Tensor and list(product.users) == [node]


def _same(node: fx.Node, *arguments: Any) -> bool:
    """Whether the three have the sum's type, and the one kernel would give its order of memory."""
    tensors: list[Any] = [a.meta.get("val") if isinstance(a, fx.Node) else None for a in arguments]
    value = node.meta["val"]
    if not all(isinstance(t, Tensor) and t.dtype == value.dtype for t in tensors) or not value.is_floating_point():
        return False
    shapes = [torch.empty_strided(t.shape, t.stride(), device="meta", dtype=t.dtype) for t in tensors]
    fused = torch.addcmul(*shapes)
    return fused.shape == value.shape and fused.stride() == value.stride()
