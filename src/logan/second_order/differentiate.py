"""``torch.autograd.grad`` that refuses, by name, what it could not differentiate again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node
from torch.utils.checkpoint import CheckpointError

from logan.errors import NoSecondDerivativeError
from logan.second_order.callers import caller_of
from logan.second_order.functions import culprit_of, first_culprit

WITHOUT_SECOND_ORDER = "or pass `stop_gradient` both, to do without the second-order terms"
"""The other way out where it is a latent step that differentiates twice."""

_REFUSED = re.compile(r"derivative for '?(?:aten::)?(\w+)'? is not implemented")
_COMPILED = "torch.compile with aot_autograd does not currently support double backward"
_RECOMPUTED = (
    "a checkpointed layer computed something else in the backward pass than in the forward pass. If there is attention in it, take "
    "the whole step under torch.nn.attention.sdpa_kernel(SDPBackend.MATH)"
)
_INSTEAD = {
    "cdist": "((a[:, None] - b[None]) ** 2).sum(-1).sqrt(), or cdist's compute_mode='use_mm_for_euclid_dist',",
    "pdist": "((a[:, None] - a[None]) ** 2).sum(-1) of the pairs that are wanted",
    "embedding_bag": "torch.nn.functional.embedding and a sum or mean over the bag",
    "hardsigmoid": "torch.nn.functional.relu6(x + 3) / 6",
    "cudnn_rnn": "the same layer under torch.backends.cudnn.flags(enabled=False)",
    "scaled_dot_product": "the same attention under torch.nn.attention.sdpa_kernel(SDPBackend.MATH)",
}
"""What to write in the place of operations whose names begin so."""


def gradients(
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    cotangents: Sequence[Tensor | None] | None = None,
    *,
    create_graph: bool = False,
    retain_graph: bool | None = None,
    again: Callable[[], Any] | None = None,
    way_out: str = "",
) -> list[Tensor | None]:
    """Σ_k cotangent_kᵀ ∂output_k/∂input for each input, None where nothing depends on it.

    Args:
        outputs, inputs, cotangents, create_graph, retain_graph: as of ``torch.autograd.grad``.
        again: computes the outputs once more, a partial of the function that did; called only to name a module in an error.
        way_out: what else than another operation would help, for the error.

    Raises:
        NoSecondDerivativeError: with ``create_graph``, if a custom function between inputs and outputs can be differentiated
            only once; or if torch says that it has no derivative of an operation.
    """
    if create_graph:
        node = first_culprit(outputs, inputs)
        if node is not None:
            raise _refusal_of(node, None if again is None else caller_of(again, inputs), way_out)
    with refusals_named(way_out):
        return list(
            torch.autograd.grad(
                outputs, inputs, cotangents, retain_graph=retain_graph, create_graph=create_graph, allow_unused=True
            )
        )


@contextmanager
def refusals_named(way_out: str = "") -> Iterator[None]:
    """Put torch's "derivative for aten::_cdist_backward is not implemented" into words that help (NoSecondDerivativeError)."""
    try:
        yield
    except CheckpointError as error:  # a substitute ran in the one pass and not in the other, where modes are not seen
        raise NoSecondDerivativeError(_RECOMPUTED) from error
    except RuntimeError as error:
        found = _REFUSED.search(str(error))
        if found:
            raise NoSecondDerivativeError(_refusal_of_operation(found[1], way_out)) from error
        if _COMPILED in str(error):
            raise NoSecondDerivativeError(_sentence(f"{_COMPILED}. Use the module as it was", way_out)) from error
        raise


def _refusal_of_operation(internal: str, way_out: str) -> str:
    operation = internal.lstrip("_")
    plain = re.sub(r"(_dense|_per_sample_weights)?_(backward|grad)$", "", operation)
    twice = " twice" if plain != operation else ""
    instead = next((text for start, text in _INSTEAD.items() if plain.startswith(start)), "other operations")
    return _sentence(f"torch cannot differentiate {plain}{twice}. Use {instead} in its place", way_out)


def _refusal_of(node: Node, caller: str | None, way_out: str) -> NoSecondDerivativeError:
    culprit = culprit_of(node)
    assert culprit is not None
    if culprit.compiled:
        what = f"{caller or 'a function'}, compiled by torch.compile, cannot be differentiated twice"
        return NoSecondDerivativeError(_sentence(f"{what}. Use the module as it was before it was compiled", way_out))
    by = f", called by {caller}," if caller else ""
    what = (
        f"the custom function {culprit.name}{by} cannot be differentiated twice: its backward is marked once_differentiable, and "
        "the gradients would lack a term without a word. Write its backward in operations that autograd differentiates"
    )
    return NoSecondDerivativeError(_sentence(what, way_out))


def _sentence(text: str, way_out: str) -> str:
    return f"{text}, {way_out}".replace(",,", ",") if way_out else text.rstrip(",")
