"""Operations put into a recorded list, with what they return but for its numbers: later passes and compilers read that."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily


def order(t: Any) -> list[int]:
    """Strides; those of single entries mean nothing."""
    return [s for s, n in zip(t.stride(), t.shape, strict=True) if n > 1]


def called(graph: fx.Graph, target: Any, *args: Any, **kwargs: Any) -> fx.Node:
    """A call at the place where the graph inserts."""
    node = graph.call_function(target, args, kwargs)
    node.meta["val"] = run(node)
    return node


@unset_fake_temporarily()
def run(node: fx.Node, instead: dict[fx.Node, fx.Node] | None = None) -> Any:
    """What the node returns, without numbers."""

    def argument(n: fx.Node) -> Any:
        t = (instead or {}).get(n, n).meta["val"]
        return torch.empty_strided(t.shape, t.stride(), dtype=t.dtype, device=t.device)

    with FakeTensorMode():
        args: Any = fx.node.map_arg(node.args, argument)
        kwargs: Any = fx.node.map_arg(node.kwargs, argument)
        return node.target(*args, **kwargs)  # type: ignore[operator]
