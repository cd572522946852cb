"""Make a recorded list of operations shorter without changing what it computes.

In order: what nobody uses is removed; what is constant is computed now; what does nothing is dropped; what is computed twice
is computed once; types change less often (:mod:`.casts`); products are added in one kernel (:mod:`.multiply_add`); images get
as many channels as a GPU's convolutions want (:mod:`.few_channels`); large matrix products on a CPU change hands; buffers move
together (:mod:`.buffers`) or, for a compiler, products of vectors are spelled out (:mod:`.vectors`); each result gets memory of
its own.

Operations that write into a tensor keep their place, and nothing that reads or shares such a tensor is moved or merged.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx
from torch._subclasses.fake_tensor import FakeTensor, unset_fake_temporarily

from logan.fast.buffers import move_together
from logan.fast.casts import cast_less
from logan.fast.few_channels import EVERY_TYPE, pad_channels
from logan.fast.memory import Memory
from logan.fast.multiply_add import multiply_and_add
from logan.fast.vectors import spell_out_products_of_vectors

aten = torch.ops.aten

_NOTHING_DONE = {aten.detach.default, aten.alias.default}
_SAME_SHAPE_MEANS_SAME = {aten.view.default, aten.expand.default, aten._unsafe_view.default}
_ZERO_CHANGES_NOTHING = {aten.add.Tensor, aten.sub.Tensor}
_ONE_CHANGES_NOTHING = {aten.mul.Tensor, aten.mul.Scalar, aten.div.Tensor, aten.pow.Tensor_Scalar}
_FROM_SHAPE_ALONE = {aten.ones_like.default, aten.zeros_like.default}
MADE_HERE = {aten.lift_fresh.default, aten.lift_fresh_copy.default}
"""Read what ``torch.tensor`` has just made from Python's numbers."""


def simplify(module: fx.GraphModule, onednn: bool = True, proving: bool = False) -> None:
    """Apply all passes, in place.

    Args:
        module: the recorded operations.
        onednn: choose the library for matrix products, and move buffers together; a compiler wants to choose for itself, and
            is given products of vectors in a form that it can fuse.
        proving: apply in wide types too what is applied in narrow ones.
    """
    drop_unused(module.graph)  # first, since torch leaves tensors without numbers among what nobody uses
    fold_constants(module)
    drop_idle(module.graph)
    merge_equal(module.graph)
    cast_less(module.graph, Memory(module.graph).touches_written)
    multiply_and_add(module.graph, Memory(module.graph).touches_written)
    drop_unused(module.graph)
    pad_channels(module.graph, Memory(module.graph).touches_written, EVERY_TYPE if proving else None)
    if onednn:
        multiply_with_onednn(module.graph)
        move_together(module.graph)
    else:
        spell_out_products_of_vectors(module.graph)
    return_apart(module.graph)
    module.recompile()


def random_operations(graph: fx.Graph) -> list[str]:
    """The names of the operations that draw random numbers."""
    return [str(n.target) for n in graph.nodes if _is_random(n)]


@unset_fake_temporarily()  # where a step is only planned, its constants are numbers all the same
def fold_constants(module: fx.GraphModule) -> None:
    """Compute what depends on no input: masks, seeds of the backward passes, scalars.

    Results are computed at each call all the same: who gets one may write into it. So is what depends on a tensor that was
    there before the recording, and that somebody may write into later.
    """
    graph, memory = module.graph, Memory(module.graph)
    values: dict[fx.Node, Any] = {}
    for node in graph.nodes:
        if node.op == "get_attr" and all(user.target in MADE_HERE for user in node.users):
            value = getattr(module, node.target)
            if not isinstance(value, FakeTensor):
                values[node] = value
        elif node.op == "call_function" and not (
            _is_random(node)
            or memory.touches_written(node)
            or any(user.op == "output" for user in node.users)
            or node.target is aten._efficientzerotensor.default  # takes no memory as it is
        ):
            if node.target in _FROM_SHAPE_ALONE:
                like = node.args[0].meta["val"]
                example = torch.empty_strided(like.shape, like.stride(), dtype=like.dtype, device=like.device)
                values[node] = node.target(example, **node.kwargs)
            elif all(a in values for a in node.all_input_nodes):
                values[node] = node.target(*_filled_in(node.args, values), **_filled_in(node.kwargs, values))
    names: dict[Any, str] = {}
    for node, value in values.items():
        needed = any(user not in values for user in node.users)
        if node.op == "call_function" and needed and isinstance(value, Tensor):
            # equal constants get one name, so that what is computed from them can be seen to be equal
            content = (value.dtype, value.device, value.shape, value.stride(), _bytes(value))
            name = names.setdefault(content, f"_constant_{len(names)}")
            module.register_buffer(name, value.clone(), persistent=False)
            with graph.inserting_before(node):
                constant = graph.get_attr(name)
            constant.meta["val"] = value
            node.replace_all_uses_with(constant, delete_user_cb=lambda user: user not in values)


def drop_idle(graph: fx.Graph) -> None:
    """Remove operations that return their argument: detach, a view of the same shape, + 0, · 1, transposed twice."""
    memory = Memory(graph)
    for node in list(graph.nodes):
        same = _same_as(node, memory)
        if same is not None:
            node.replace_all_uses_with(same)
            graph.erase_node(node)


def _same_as(node: fx.Node, memory: Memory) -> fx.Node | None:
    if node.op != "call_function" or not node.args or not isinstance(node.args[0], fx.Node):
        return None
    x, target = node.args[0], node.target
    if target in _NOTHING_DONE:
        return x
    if target in _SAME_SHAPE_MEANS_SAME and _value(node, "shape") == _value(x, "shape"):
        return x
    if target == aten.t.default and x.target == aten.t.default:
        return x.args[0]  # type: ignore[return-value]
    # The rest make copies. A copy of what is written into, here or by others, has to stay one.
    own = not memory.of[x] & memory.outside and not memory.touches_written(node)
    unchanged = own and all(_value(node, name) == _value(x, name) for name in ("dtype", "shape"))
    neutral = 0 if target in _ZERO_CHANGES_NOTHING else 1 if target in _ONE_CHANGES_NOTHING else None
    return x if unchanged and neutral is not None and node.args[1] == neutral else None


def merge_equal(graph: fx.Graph) -> None:
    """Compute once what is computed from the same arguments by the same operation (common subexpressions)."""
    memory = Memory(graph)
    first: dict[Any, fx.Node] = {}
    for node in list(graph.nodes):
        if node.op == "get_attr":
            key: Any = ("get_attr", node.target)
        elif node.op == "call_function" and not _is_random(node) and not memory.touches_written(node):
            key = (node.target, _hashable(node.args), _hashable(node.kwargs))
        else:
            continue
        if key in first:
            node.replace_all_uses_with(first[key])
            graph.erase_node(node)
        else:
            first[key] = node


ONEDNN_FROM = 2**21
"""Multiplications from which a product is handed to oneDNN: below, its set-up costs more than it saves (docs/speed.md)."""


def multiply_with_onednn(graph: fx.Graph) -> None:
    """Large float32 products on a CPU by oneDNN, as convolutions are, instead of MKL.

    On processors that are not Intel's MKL uses at most AVX2; where it is as fast, nothing is lost.
    """
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise") or not torch.backends.mkldnn.is_available():
        return
    for node in list(graph.nodes):
        if node.target not in (aten.mm.default, aten.addmm.default) or node.kwargs or not _large_on_cpu(node):
            continue
        *bias, a, b = node.args
        if bias and len(_value(bias[0], "shape")) != 1:
            continue
        with graph.inserting_before(node):  # x wᵀ + bias, with w = bᵀ
            w = graph.call_function(aten.t.default, (b,))
            product = graph.call_function(
                torch.ops.mkldnn._linear_pointwise.default, (a, w, bias[0] if bias else None, "none", [], "")
            )
        w.meta["val"] = b.meta["val"].t()
        product.meta.update(node.meta)
        node.replace_all_uses_with(product)
        graph.erase_node(node)
    drop_idle(graph)
    merge_equal(graph)
    drop_unused(graph)


def _large_on_cpu(node: fx.Node) -> bool:
    a, value = node.args[-2], node.meta["val"]
    work = value.numel() * a.meta["val"].shape[1]  # type: ignore[union-attr]
    return value.device.type == "cpu" and value.dtype == torch.float32 and work >= ONEDNN_FROM


def drop_unused(graph: fx.Graph) -> None:
    """Remove what neither a result nor a tensor from outside depends on."""
    memory = Memory(graph)
    used: set[fx.Node] = set()
    used_memory = set(memory.outside)
    for node in reversed(list(graph.nodes)):
        if (
            node.op in ("output", "placeholder")
            or node in used
            or memory.written_by(node) & used_memory
            or _only_raises(node)
        ):
            used.update(node.all_input_nodes)
            used_memory.update(*(memory.of[n] for n in node.all_input_nodes))
        else:
            graph.erase_node(node)


def return_apart(graph: fx.Graph) -> None:
    """Give each result memory of its own: what is computed once for two of them is copied, since one may be written into."""
    (output,) = (n for n in graph.nodes if n.op == "output")
    seen: set[Any] = set()

    def apart(node: fx.Node) -> fx.Node:
        if node not in seen:
            seen.add(node)
            return node
        with graph.inserting_before(output):
            copy = graph.call_function(aten.clone.default, (node,))
        copy.meta["val"] = node.meta["val"]
        return copy

    output.args = fx.node.map_arg(output.args, apart)


def _only_raises(node: fx.Node) -> bool:
    """An operation that returns and writes nothing is there for the errors that it raises."""
    schema = getattr(node.target, "_schema", None)
    return node.op == "call_function" and schema is not None and not schema.returns and not schema.is_mutable


def _is_random(node: fx.Node) -> bool:
    return torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())


def _filled_in(arguments: Any, values: dict[fx.Node, Any]) -> Any:
    return fx.node.map_arg(arguments, lambda n: values[n])


def _hashable(x: Any) -> Any:
    if isinstance(x, dict):
        return tuple((k, _hashable(v)) for k, v in sorted(x.items()))
    if isinstance(x, list | tuple):
        return tuple(_hashable(v) for v in x)
    return (type(x), x)  # 1, 1.0 and True are different arguments


def _value(node: fx.Node, name: str) -> Any:
    """An attribute of the tensor that was computed; None where it was none."""
    return getattr(node.meta.get("val"), name, None)


def _bytes(value: Tensor) -> bytes:
    flat = torch.empty(value.numel(), dtype=value.dtype).copy_(value.flatten())
    return flat.view(torch.uint8).numpy().tobytes()
