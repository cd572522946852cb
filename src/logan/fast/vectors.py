"""Products with a vector, and of two vectors, as elementwise operations and sums: a compiler fuses those with what is around them.

A library starts two or three kernels for each on a GPU, and spectral norm asks for seven of them per layer (one power iteration
and the derivatives of σ), every one with less than a microsecond's work.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from logan.fast.without_numbers import called, order

aten = torch.ops.aten

FUSED_ON = {"cuda"}
"""Types of devices where a compiler is to have them; a CPU's library starts nothing and reads memory as fast."""
_WIDE = {torch.float32, torch.float64}
"""In narrow types each product would be rounded before it is summed."""
_PRODUCTS: dict[Any, int] = {aten.mm.default: 0, aten.bmm.default: 0, aten.addmm.default: 1, aten.baddbmm.default: 1}
"""By operation, how many tensors come before the two factors."""


def spell_out_products_of_vectors(graph: fx.Graph) -> None:
    """``mm``, ``bmm`` and their sums with a third tensor, where a factor has one row, one column or both, in place.

    a b with one column in a and one row in b is a product of all pairs; else aᵢₖ bₖⱼ are summed over k. What stands in a product's
    place reads when it did and returns memory of its own as it did, whoever writes into either.

    Args:
        graph: recorded operations, with the tensors that they returned in ``meta["val"]``.
    """
    for node in list(graph.nodes):
        if node.target not in _PRODUCTS or not all("val" in n.meta for n in node.all_input_nodes):
            continue
        a, b = node.args[_PRODUCTS[node.target] :]
        rows, inner, columns = a.meta["val"].shape[-2], a.meta["val"].shape[-1], b.meta["val"].shape[-1]
        value = node.meta["val"]
        if 1 not in (rows, inner, columns) or value.device.type not in FUSED_ON or value.dtype not in _WIDE:
            continue
        with graph.inserting_before(node):
            result = _spelled_out(graph, node, a, b, inner)
            if order(result.meta["val"]) != order(
                value
            ):  # a product is made row by row, whatever the order of its factors
                result = called(graph, aten.clone.default, result, memory_format=torch.contiguous_format)
        node.replace_all_uses_with(result)
        graph.erase_node(node)


def _spelled_out(graph: fx.Graph, node: fx.Node, a: Any, b: Any, inner: int) -> fx.Node:
    if inner == 1:
        product = called(graph, aten.mul.Tensor, a, b)
    else:
        a = called(graph, aten.unsqueeze.default, a, -1)
        b = called(graph, aten.unsqueeze.default, b, -3)
        product = called(graph, aten.sum.dim_IntList, called(graph, aten.mul.Tensor, a, b), [-2])
    if not _PRODUCTS[node.target]:
        return product
    beta, alpha = (node.kwargs.get(name, 1) for name in ("beta", "alpha"))
    if alpha != 1:
        product = called(graph, aten.mul.Tensor, product, alpha)
    if beta == 0:  # whatever stands in the third tensor, NaN included
        return product
    third: Any = node.args[0]
    return called(graph, aten.add.Tensor, third if beta == 1 else called(graph, aten.mul.Tensor, third, beta), product)
