"""Move the buffers of many layers in one kernel: running statistics and counters, a few kernels per norm one by one."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from torch import fx

aten = torch.ops.aten

_TOGETHER = {aten.lerp_.Scalar: aten._foreach_lerp_.Scalar, aten.add_.Tensor: aten._foreach_add_.Scalar}
"""With a number as the last argument; the first ones are tensors."""


def move_together(graph: fx.Graph) -> None:
    """Operations in place on tensors from outside that nothing else in the list reads, put together at the last of them."""
    found: dict[Any, list[Any]] = defaultdict(list)
    for node in graph.nodes:
        if node.target in _TOGETHER and not node.users and not node.kwargs and _alone(node.args[0], node):
            *tensors, number = node.args
            values = [t.meta.get("val") if isinstance(t, fx.Node) else None for t in tensors]
            if isinstance(number, int | float) and all(isinstance(v, torch.Tensor) for v in values):
                kinds = tuple((v.dtype, v.device) for v in values)  # type: ignore[union-attr]
                found[node.target, type(number), number, kinds].append(node)
    for (target, _, number, kinds), nodes in found.items():
        if len(nodes) > 1:
            columns = zip(*[n.args[: len(kinds)] for n in nodes], strict=True)
            with graph.inserting_after(nodes[-1]):
                graph.call_function(_TOGETHER[target], (*map(list, columns), number))
            for node in nodes:
                graph.erase_node(node)


def _alone(written: Any, node: fx.Node) -> bool:
    return isinstance(written, fx.Node) and written.op == "placeholder" and list(written.users) == [node]
