"""Convolutions of images, whose channels are few, with as many as the fast kernels ask for: the rest are zeros.

A GPU multiplies bfloat16 and float16 on tensor cores, which cuDNN's channels-last kernels feed eight channels at a time. A layer
of three, such as D's first, G's last and all their gradients, gets a slow kernel, or is padded by cuDNN anew at every call.
Padded here, a tensor is padded once for all that read it.

Exact: zeros add nothing to a sum over channels, and the channels that zeros in w make are cut off again.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import fx
from torch._prims_common import suggest_memory_format

from logan.fast.without_numbers import called, order, run

aten = torch.ops.aten

CHANNELS = 8
"""Fewer are padded to so many. More that are no multiple of it stay as they are: a copy of a tensor of 12 or 20 channels costs as
much as it may save, and images have 4 at most."""
PADDED_ON = {"cuda"}
"""Types of devices whose kernels want it so."""
NARROW = {torch.bfloat16, torch.float16}
"""Types of numbers for which they do."""
EVERY_TYPE = {torch.bfloat16, torch.float16, torch.float32, torch.float64}

Made = dict[tuple[Any, tuple[int, ...], bool], fx.Node]


def pad_channels(
    graph: fx.Graph, touches_written: Callable[[fx.Node], bool], types: Collection[torch.dtype] | None = None
) -> None:
    """Convolutions of fewer than :data:`CHANNELS` channels on either side, and their gradients, become padded ones, in place.

    Args:
        graph: recorded operations, with the tensors that they returned in ``meta["val"]``.
        touches_written: whether a node reads or makes memory that an operation writes into; such nodes stay as they are.
        types: of numbers, for which it is done; :data:`NARROW` by default.
    """
    types = NARROW if types is None else types
    pads = {aten.convolution.default: _pad_convolution, aten.convolution_backward.default: _pad_gradients}
    made: Made = {}
    for node in [n for n in graph.nodes if n.target in pads and _is_known(n) and not touches_written(n)]:
        given: Any = dict(zip((a.name for a in node.target._schema.arguments), node.args, strict=False))
        w = given["weight"].meta["val"]
        fits = w.device.type in PADDED_ON and w.dtype in types and given["groups"] == 1
        if fits and min(w.shape[:2]) < CHANNELS:
            pads[node.target](graph, node, made)


def _pad_convolution(graph: fx.Graph, node: Any, made: Made) -> None:
    x, w, b, *geometry = node.args
    with graph.inserting_before(node):
        last = _channels_last(x, w)
        padded = [_padded(graph, t, dims, last, made) for t, dims in ((x, (1,)), (w, (0, 1)), (b, (0,)))]
    node.args = (*padded, *geometry)
    _cut(graph, node, run(node))


def _pad_gradients(graph: fx.Graph, node: Any, made: Made) -> None:
    y_bar, x, w, b_sizes, *geometry = node.args
    with graph.inserting_before(node):
        last = _channels_last(x, w)
        padded = [_padded(graph, t, dims, last, made) for t, dims in ((y_bar, (1,)), (x, (1,)), (w, (0, 1)))]
    if b_sizes:
        b_sizes = [padded[0].meta["val"].shape[1]]
    node.args = (*padded, b_sizes, *geometry)
    node.meta["val"] = values = run(node)
    for part in list(node.users):
        if part.target is operator.getitem and values[part.args[1]] is not None:
            _cut(graph, part, values[part.args[1]])


def _channels_last(*tensors: fx.Node) -> bool:
    """Whether a convolution of these is made in channels-last order: torch asks for that if either is in it."""
    return any(suggest_memory_format(t.meta["val"]) != torch.contiguous_format for t in tensors)


def _padded(graph: fx.Graph, x: Any, dims: tuple[int, ...], last: bool, made: Made) -> Any:
    """``x`` with zeros behind its entries along those of ``dims`` that are short. Made once, for the first that reads it."""
    if x is None:
        return None
    value = x.meta["val"]
    missing = [max(CHANNELS - n, 0) if d in dims else 0 for d, n in enumerate(value.shape)]
    if not any(missing):
        return x
    # A single channel lies in either order, and is padded in the other than the convolution's if nobody turns it.
    turned = last and value.ndim in (4, 5) and suggest_memory_format(value) == torch.contiguous_format
    key = x, tuple(missing), turned
    if key not in made:
        made[key] = _pad(graph, x, missing, turned)
    return made[key]


def _pad(graph: fx.Graph, x: fx.Node, missing: list[int], turned: bool) -> fx.Node:
    n = len(missing)
    dims = [0, *range(2, n), 1] if turned else [*range(n)]
    pad = [k for d in reversed(dims) for k in (0, missing[d])]  # the last dimension first
    if not turned:
        return called(graph, aten.constant_pad_nd.default, x, pad)
    wide = called(graph, aten.constant_pad_nd.default, called(graph, aten.permute.default, x, dims), pad)
    return called(graph, aten.permute.default, wide, [0, n - 1, *range(1, n - 1)])


def _cut(graph: fx.Graph, wide: Any, value: Any) -> None:
    """After ``wide``, whose value is a padded one now, cut off what is too much.

    What is left is not dense: the channels that were cut off lie between its pixels. Elementwise operations read it so, and
    return what they did before in the same order of memory. For all others, views and what is returned to the caller among
    them, it is copied into the order that it had.
    """
    before, part, readers = wide.meta["val"], wide, list(wide.users)
    if value.shape == before.shape:
        return
    wide.meta["val"] = value
    for d, n in enumerate(before.shape):
        if value.shape[d] > n:
            with graph.inserting_after(part):
                part = called(graph, aten.slice.Tensor, part, d, 0, n)
    if order(part.meta["val"]) != order(before) and not all(_takes(reader, part, wide) for reader in readers):
        with graph.inserting_after(part):
            part = called(graph, aten.clone.default, part)
    for reader in readers:
        reader.replace_input_with(wide, part)


def _takes(reader: Any, part: fx.Node, wide: fx.Node) -> bool:
    """Whether ``reader`` returns the same from ``part``, in the same order of memory."""
    elementwise = torch.Tag.pointwise in getattr(reader.target, "tags", ()) or reader.target == aten._to_copy.default
    if not elementwise or not _is_known(reader):
        return False
    return order(run(reader, {wide: part})) == order(reader.meta["val"])


def _is_known(node: fx.Node) -> bool:
    """Whether tensors of which nothing is noted, such as constants may be, are not among those that it reads."""
    return all("val" in n.meta for n in node.all_input_nodes)
