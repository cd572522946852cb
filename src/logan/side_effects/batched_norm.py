"""Spectral norm of many layers at once: power iterations on weights of one shape are one batched product.

torch's own (:func:`torch.nn.utils.parametrizations.spectral_norm`) starts some twenty kernels per layer, and a network of residual
blocks has a hundred layers of few shapes. What is computed here is what it computes, v ← Wᵀu/‖Wᵀu‖, u ← Wv/‖Wv‖, W/(uᵀWv), with u
and v constants for autograd, up to the order of sums. A weight that no pass uses gets a gradient of zeros instead of none where
another one of its kind is used.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import _SpectralNorm

from logan.side_effects.traceless import announce_use

TOGETHER_ON = {"cuda", "mps"}
"""Types of devices where starting a kernel takes longer than the kernel. A CPU multiplies one by one faster than in batches."""


class Normed(NamedTuple):
    """A weight under torch's spectral norm and nothing else: ``part.name``, its one parametrisation, and that one's rule."""

    part: nn.Module
    name: str
    parametrisation: parametrize.ParametrizationList
    rule: _SpectralNorm

    @property
    def weight(self) -> Tensor:
        return self.parametrisation.original

    @contextmanager
    def in_its_place(self, computed: Tensor) -> Iterator[None]:
        """Whoever reads the weight inside is given that one, as if it had been computed for him."""
        self.parametrisation.__dict__["forward"] = lambda: computed
        try:
            yield
        finally:
            del self.parametrisation.__dict__["forward"]


class Kind(NamedTuple):
    """What weights have in common that are treated together.

    Attributes:
        order: the dimensions as they lie in memory; ``rows`` is the one that u belongs to, and the first or the last of them.
    """

    shape: tuple[int, ...]
    order: tuple[int, ...]
    rows: int
    iterations: int
    eps: float
    dtype: torch.dtype
    device: torch.device

    @property
    def columns(self) -> list[int]:
        """The dimensions that v belongs to, in v's order."""
        return [d for d in range(len(self.shape)) if d != self.rows]

    @property
    def columns_in_memory(self) -> list[int]:
        """The same as they lie in memory."""
        return [d for d in self.order if d != self.rows]


def groups(modules: Iterable[nn.Module]) -> list[tuple[Kind, list[Normed]]]:
    """The weights that are treated together, by kind, of those whose vectors move now. There may be one of a kind.

    Each of ``modules`` for itself: where D's weights came from one tensor with G's, gradients for D would go through all of G.
    """
    found: dict[tuple[int, Kind], list[Normed]] = defaultdict(list)
    seen: set[Normed] = set()
    for i, module in enumerate(modules):
        for normed in _all_normed(module):
            kind = _kind(normed)
            if kind is not None and normed not in seen:
                seen.add(normed)
                found[i, kind].append(normed)
    return [(kind, members) for (_, kind), members in found.items()]


def normalise(grouped: list[tuple[Kind, list[Normed]]]) -> list[tuple[Normed, Tensor]]:
    """Each weight divided by its spectral norm, after its vectors' iteration, which moves them."""
    for _, members in grouped:
        for normed in members:
            announce_use(normed.parametrisation)
    weights: list[tuple[Normed, Tensor]] = []
    places: list[Tensor] = []
    moved: list[Tensor] = []
    for kind, members in grouped:
        divided, u, v = _divide(kind, members)
        weights += zip(members, divided, strict=True)
        places += [n.rule._u for n in members] + [n.rule._v for n in members]
        moved += [*u, *v]
    if places:
        with torch.no_grad():
            torch._foreach_copy_(places, moved)
    return weights


def _divide(kind: Kind, members: list[Normed]) -> tuple[list[Tensor], tuple[Tensor, ...], tuple[Tensor, ...]]:
    """W/σ of each, in its own order of memory, and the new vectors."""
    stacked = _stack([n.weight.permute(kind.order) for n in members])
    if kind.order[0] == kind.rows:
        matrices = stacked.flatten(2)
    else:
        matrices = stacked.flatten(1, -2).mT
    with torch.no_grad():
        w, v = matrices.detach(), _reordered(_stack([n.rule._v for n in members]), kind, kind.columns_in_memory)
        for _ in range(kind.iterations):
            u = F.normalize(torch.bmm(w, v[:, :, None])[:, :, 0], dim=1, eps=kind.eps)
            v = F.normalize(torch.bmm(w.mT, u[:, :, None])[:, :, 0], dim=1, eps=kind.eps)
    divided, _ = _Divided.apply(matrices, u, v)
    inverse = [kind.order.index(d) for d in range(len(kind.order))]
    if kind.order[0] != kind.rows:
        divided = divided.mT
    parts = divided.reshape(stacked.shape).unbind()
    return [w.permute(inverse) for w in parts], u.unbind(), _restored(v, kind).unbind()


class _Divided(Function):
    """W/σ and σ = uᵀ W v of matrices (n, h, w); W̄ = (Ȳ − (⟨Ȳ, W/σ⟩ − σ σ̄) u vᵀ)/σ, in half the kernels of autograd's own."""

    @staticmethod
    def forward(ctx: Any, w: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        sigma = torch.bmm(u[:, None], torch.bmm(w, v[:, :, None]))
        y = w / sigma
        ctx.save_for_backward(y, sigma, u, v)
        ctx.set_materialize_grads(False)
        return y, sigma

    @staticmethod
    def backward(ctx: Any, y_bar: Tensor | None, sigma_bar: Tensor | None) -> tuple[Tensor | None, None, None]:
        y, sigma, u, v = ctx.saved_tensors
        if y_bar is None:
            return None if sigma_bar is None else torch.bmm(sigma_bar * u[:, :, None], v[:, None]), None, None
        along = (y_bar * y).sum((1, 2), keepdim=True)
        if sigma_bar is not None:
            along = along - sigma * sigma_bar
        return torch.baddbmm(y_bar, along * u[:, :, None], v[:, None], alpha=-1) / sigma, None, None


def _stack(tensors: list[Tensor]) -> Tensor:
    return tensors[0][None] if len(tensors) == 1 else torch.stack(tensors)


def _reordered(v: Tensor, kind: Kind, order: list[int]) -> Tensor:
    """Vectors (n, columns) whose dimensions lie in v's order, to that order; no copy if it makes no difference."""
    if _same(kind, kind.columns, order):
        return v
    by_dimension = v.view(-1, *[kind.shape[d] for d in kind.columns])
    return by_dimension.permute(0, *[1 + kind.columns.index(d) for d in order]).flatten(1)


def _restored(v: Tensor, kind: Kind) -> Tensor:
    """The way back."""
    lying = kind.columns_in_memory
    if _same(kind, kind.columns, lying):
        return v
    return (
        v.view(-1, *[kind.shape[d] for d in lying]).permute(0, *[1 + lying.index(d) for d in kind.columns]).flatten(1)
    )


def _same(kind: Kind, a: list[int], b: list[int]) -> bool:
    return [d for d in a if kind.shape[d] > 1] == [d for d in b if kind.shape[d] > 1]


def _all_normed(module: nn.Module) -> Iterator[Normed]:
    for part in module.modules():
        if not parametrize.is_parametrized(part):
            continue
        for name, parametrisation in part.parametrizations.items():  # type: ignore[union-attr,operator]
            rule = parametrisation[0]
            if len(parametrisation) == 1 and type(rule) is _SpectralNorm and not _touched(parametrisation, rule):
                yield Normed(part, name, parametrisation, rule)


def _touched(*modules: Any) -> bool:
    """Whether somebody's hook, or another ``forward``, wants to see the calls that would not be made."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return any("forward" in m.__dict__ or any(getattr(m, h) for h in hooks) for m in modules)


def _kind(normed: Normed) -> Kind | None:
    """None for what is left to torch: on a CPU, vectors that rest, complex numbers, an order of memory that gives no matrix."""
    w, rule = normed.weight, normed.rule
    if (
        w.device.type not in TOGETHER_ON
        or not rule.training
        or w.ndim < 2
        or not w.is_floating_point()
        or w.layout != torch.strided
    ):
        return None
    strides = w.stride()
    order = tuple(sorted(range(w.ndim), key=lambda d: -strides[d]))
    if not w.permute(order).is_contiguous() or rule.dim not in (order[0], order[-1]):
        return None
    return Kind(tuple(w.shape), order, rule.dim, rule.n_power_iterations, rule.eps, w.dtype, w.device)
