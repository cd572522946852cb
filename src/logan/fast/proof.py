"""Compare what a recording does with what the function itself does, from the same state and random numbers.

A difference may be an error or a rounding. In float32 10⁻⁴ of a tensor's largest entry tells them apart: what is recorded
wrongly is off by percents, and roundings of a step by 10⁻⁶. But some gradients are nothing but roundings: that of a bias
before batch norm is zero, and comes out as 10⁻⁹ of either sign. So where a tensor differs by more, the function itself is asked
how exact it is: it is played again with all numbers moved by one rounding, and a difference within a few times what *that*
changes is none.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import _disable_current_modes

from logan.fast.attributes import Attributes
from logan.fast.trial import Before, RandomNumbers, copies_of, equal_states

TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 3e-2}
"""Of each tensor's largest entry, by the narrowest type that takes part."""

ROUNDINGS = {torch.float64: 128.0, torch.float32: 128.0, torch.float16: 8.0, torch.bfloat16: 8.0}
"""How many times what one rounding of all numbers changes a difference may be. Over the networks here it is at most 33 times in
float32, for a bias whose gradient is zero, and twice in bfloat16, where a rounding changes gradients by tens of percents
(``benchmarks/roundings.py``)."""

Play = Callable[..., Any]


class Outcome:
    """What one play has returned and left behind.

    Attributes:
        result: what it returned.
        tensors: everything that can be compared, by name: results, what networks keep, and the inputs.
        attributes: what else networks keep.
        random: the states of the sources of random numbers after it.
    """

    def __init__(self, play: Play, inputs: Sequence[Tensor | None], attributes: Attributes) -> None:
        with torch.autograd.set_multithreading_enabled(False):  # cuDNN chooses its kernels for each thread anew
            self.result = play(*inputs)
        found = pytree.tree_flatten_with_path(self.result)[0]
        results = {_name(path): x.detach().clone() if isinstance(x, Tensor) else x for path, x in found}
        # what was assigned may stand in other containers now
        now = attributes if attributes.unchanged() else Attributes(attributes.roots)
        kept = {name: t.detach().clone() for name, t in zip(now.names, now.tensors(), strict=True)}
        given = {f"input {i}": x.detach().clone() for i, x in enumerate(inputs) if x is not None}
        self.tensors: dict[str, Any] = results | kept | given
        self.attributes = now
        self.random = RandomNumbers(attributes).states


def first_difference(
    fast: Outcome, plain: Outcome, precision: torch.dtype, noise: dict[str, float] | None = None
) -> str | None:
    """What is not the same, in words, or None.

    Args:
        fast, plain: the two outcomes.
        precision: the narrowest type that takes part.
        noise: by name, how much a rounding changes the entries.
    """
    if fast.attributes.key != plain.attributes.key:
        return plain.attributes.differs_from(fast.attributes)
    if fast.tensors.keys() != plain.tensors.keys():
        return "what is returned"
    drawn = equal_states(fast.random, plain.random)
    if drawn:
        return f"the state of {drawn[0]}"
    for name, want in plain.tensors.items():
        with _disable_current_modes():  # comparing is no part of what others count or forbid
            off = _difference(fast.tensors[name], want)
        if off is None:
            return name
        largest, scale = off
        kind = precision
        if isinstance(want, Tensor) and want.dtype in TOLERANCE:
            kind = max(want.dtype, precision, key=lambda t: torch.finfo(t).eps)
        limit = max(TOLERANCE[kind] * scale, ROUNDINGS[kind] * noise[name] if noise else 0.0)
        if not largest <= limit:
            part = largest / scale if scale else float("inf")
            return f"{name} (by {part:.2g} of its largest entry)"
    return None


def noise_of(
    play: Play,
    inputs: Sequence[Tensor | None],
    before: Before,
    plain: Outcome,
    precision: torch.dtype,
    twice: bool = True,
) -> dict[str, float] | None:
    """How much each result changes when parameters and inputs are moved by one rounding, up or down by chance.

    Args:
        play: the function itself.
        inputs: what it was given, as it was.
        before: how things stood then; they stand so again afterwards.
        plain: what it did.
        precision: the narrowest type that takes part.
        twice: see first whether the function does the same again.

    Returns:
        By name the change; None if the function does not do the same twice.
    """
    source, eps = torch.Generator().manual_seed(0), torch.finfo(precision).eps

    def outcome(given: Sequence[Tensor | None]) -> Outcome:
        played = Outcome(play, copies_of(given), before.attributes)
        before.put_back()
        return played

    try:
        before.put_back()
        with _same_every_time():
            first = outcome(inputs) if _adds_in_any_order(before) else plain
            if twice and first_difference(outcome(inputs), first, precision) is not None:
                return None
            _move(before, eps, source)
            moved = outcome(_all_rounded(inputs, eps, source))
    finally:
        before.put_back()
    noise = _apart(moved, first)
    if first is not plain and first_difference(first, plain, precision, noise) is not None:
        return None
    return {name: max(x, noise[name]) for name, x in _apart(first, plain).items()}


def _adds_in_any_order(before: Before) -> bool:
    """Whether kernels may add in another order at every call, as a GPU's do."""
    return any(t.device.type != "cpu" for t, _ in before.tensors)


@contextmanager
def _same_every_time() -> Iterator[None]:
    """With kernels that add in one order, where there are such: what differs all the same is no rounding."""
    cudnn = torch.backends.cudnn
    mode, chosen = torch.get_deterministic_debug_mode(), (cudnn.benchmark, cudnn.deterministic)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of operations that have no such kernel
        try:
            torch.set_deterministic_debug_mode(max(mode, 1))  # and not inductor's
            cudnn.benchmark, cudnn.deterministic = False, True
            yield
        finally:
            torch.set_deterministic_debug_mode(mode)
            cudnn.benchmark, cudnn.deterministic = chosen


def _apart(one: Outcome, other: Outcome) -> dict[str, float]:
    with _disable_current_modes():
        return {name: (_difference(one.tensors.get(name), x) or (0.0, 0.0))[0] for name, x in other.tensors.items()}


@torch.no_grad()
def _move(before: Before, eps: float, source: torch.Generator) -> None:
    for t, _ in before.tensors:
        if isinstance(t, nn.Parameter):  # others may lie in memory that cannot be written
            t.copy_(_rounded(t, eps, source))


def _all_rounded(inputs: Sequence[Tensor | None], eps: float, source: torch.Generator) -> list[Tensor | None]:
    rounded = {id(x): _rounded(x, eps, source) for x in inputs if x is not None}  # one that is given twice, once
    return [None if x is None else rounded[id(x)] for x in inputs]


def _rounded(t: Tensor, eps: float, source: torch.Generator) -> Tensor:
    if t.dtype not in TOLERANCE:
        return t
    signs = (torch.randint(0, 2, t.shape, generator=source) * 2 - 1).to(t.device, t.dtype)
    return torch.addcmul(t.detach(), t.detach(), signs, value=eps)


def _difference(got: Any, want: Any) -> tuple[float, float] | None:
    """The largest difference of two tensors, and the largest entry of the second; None where they are not of one kind."""
    if not isinstance(want, Tensor) or not isinstance(got, Tensor):
        return (0.0, 0.0) if got is want or (type(got) is type(want) and got == want) else None
    if got.shape != want.shape or got.dtype != want.dtype:
        return None
    if not want.numel():
        return 0.0, 0.0
    if not (want.is_floating_point() or want.is_complex()):
        return (0.0 if torch.equal(got, want) else math.inf), 0.0
    wide = (
        torch.promote_types(want.dtype, torch.float32)
        if want.dtype in TOLERANCE or want.is_complex()
        else torch.float32
    )
    a, b = got.to(wide), want.to(wide)
    largest, scale = float((a - b).abs().max()), float(b.abs().max())
    if math.isfinite(largest) and math.isfinite(scale):
        return largest, scale
    same = (a == b) | (a.isnan() & b.isnan())  # infinite where the other is
    off = torch.where(same, 0.0, (a - b).abs())
    return float(off.max()), float(torch.where(b.isfinite(), b.abs(), 0.0).max())


def _name(path: Any) -> str:
    return ".".join(str(getattr(k, "key", getattr(k, "idx", getattr(k, "name", k)))) for k in path) or "what it returns"
