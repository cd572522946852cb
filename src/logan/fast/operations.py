"""Differentiable operations whose derivatives of any order needed here run in the library's own fast kernels.

Three things make autograd's second derivatives dear, and each class here removes one of them, exactly:

* A convolution's double backward is built by torch from transposed convolutions whose "kernel" is a whole image.
  :class:`Convolve`, :class:`InputGradient` and :class:`WeightGradient` are the three derivatives of one trilinear form,
  and each one's derivatives are the other two: every order runs in the three kernels written for them.
* A piecewise linear activation has no second derivative, yet autograd propagates a tensor of zeros through the whole
  network below. :class:`Rectify` says that there is none.
* Batch norm's double backward is some thirty passes over memory. :class:`NormalisedGradient` makes five.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

aten = torch.ops.aten


class Geometry(NamedTuple):
    """How a convolution moves over its input; the field names and order of aten's ``convolution``."""

    stride: list[int]
    padding: list[int]
    dilation: list[int]
    transposed: bool
    output_padding: list[int]
    groups: int


class Convolve(Function):
    """y = x ∗ w + b. With the form T(x, w, ȳ) = ⟨x ∗ w, ȳ⟩, x̄ = ∂T/∂x and w̄ = ∂T/∂w."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, b: Tensor | None, geometry: Geometry) -> Tensor:
        ctx.save_for_backward(x, w)
        ctx.geometry = geometry
        return aten.convolution.default(x, w, b, *geometry)

    @staticmethod
    def backward(ctx: Any, y_bar: Tensor) -> tuple[Tensor | None, ...]:
        x, w = ctx.saved_tensors
        wants_x, wants_w, wants_b, _ = ctx.needs_input_grad
        x_bar = InputGradient.apply(y_bar, w, x.detach(), ctx.geometry) if wants_x else None
        w_bar = WeightGradient.apply(y_bar, x, w.detach(), ctx.geometry) if wants_w else None
        return x_bar, w_bar, y_bar.sum([0, *range(2, y_bar.ndim)]) if wants_b else None, None


class InputGradient(Function):
    """x̄(ȳ, w) = ∂T/∂x. ``like`` is any tensor of x's shape: detached, or autograd would visit what made it."""

    @staticmethod
    def forward(ctx: Any, y_bar: Tensor, w: Tensor, like: Tensor, geometry: Geometry) -> Tensor:
        ctx.save_for_backward(y_bar, w)
        ctx.geometry = geometry
        return aten.convolution_backward.default(y_bar, like, w, None, *geometry, (True, False, False))[0]

    @staticmethod
    def backward(ctx: Any, x_dot: Tensor) -> tuple[Tensor | None, ...]:
        y_bar, w = ctx.saved_tensors
        wants_y, wants_w, *_ = ctx.needs_input_grad
        y_dot = Convolve.apply(x_dot, w, None, ctx.geometry) if wants_y else None
        w_bar = WeightGradient.apply(y_bar, x_dot, w.detach(), ctx.geometry) if wants_w else None
        return y_dot, w_bar, None, None


class WeightGradient(Function):
    """w̄(ȳ, x) = ∂T/∂w. ``like`` is any tensor of w's shape, detached."""

    @staticmethod
    def forward(ctx: Any, y_bar: Tensor, x: Tensor, like: Tensor, geometry: Geometry) -> Tensor:
        ctx.save_for_backward(y_bar, x)
        ctx.geometry = geometry
        return aten.convolution_backward.default(y_bar, x, like, None, *geometry, (False, True, False))[1]

    @staticmethod
    def backward(ctx: Any, w_dot: Tensor) -> tuple[Tensor | None, ...]:
        y_bar, x = ctx.saved_tensors
        wants_y, wants_x, *_ = ctx.needs_input_grad
        y_dot = Convolve.apply(x, w_dot, None, ctx.geometry) if wants_y else None
        x_bar = InputGradient.apply(y_bar, w_dot, x.detach(), ctx.geometry) if wants_x else None
        return y_dot, x_bar, None, None


class Rectify(Function):
    """y = x for x > 0, else slope·x, with slope ≥ 0. Its derivative is a constant almost everywhere."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float) -> Tensor:
        y = aten.leaky_relu.default(x, slope) if slope else aten.relu.default(x)
        ctx.save_for_backward(y)  # has the signs of x, and the next layer keeps it anyway
        ctx.slope = slope
        return y

    @staticmethod
    def backward(ctx: Any, y_bar: Tensor) -> tuple[Tensor, None]:
        (y,) = ctx.saved_tensors
        return RectifiedGradient.apply(y_bar, y.detach(), ctx.slope), None


class RectifiedGradient(Function):
    """x̄ = ȳ where y > 0, else slope·ȳ: linear in ȳ, and y enters by its signs alone."""

    @staticmethod
    def forward(ctx: Any, y_bar: Tensor, y: Tensor, slope: float) -> Tensor:
        ctx.save_for_backward(y)
        ctx.slope = slope
        if slope:
            return aten.leaky_relu_backward.default(y_bar, y, slope, True)
        return aten.threshold_backward.default(y_bar, y, 0)

    @staticmethod
    def backward(ctx: Any, x_dot: Tensor) -> tuple[Tensor, None, None]:
        (y,) = ctx.saved_tensors
        return RectifiedGradient.apply(x_dot, y, ctx.slope), None, None


class Normalise(Function):
    """Batch norm by the batch's own statistics: y = γ x̂ + b with x̂ = (x − μ) r, r = (σ² + ε)^(−1/2).

    Returns y, μ (C,) and r (C,), the last two without a gradient: the running statistics take μ, and the biased σ² = r⁻² − ε.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, gamma: Tensor | None, b: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        w, wide = gamma, torch.promote_types(x.dtype, torch.float32)
        if x.dtype != wide:  # a CPU keeps statistics in x's type unless γ has a wider one; CUDA keeps them wide always
            w = torch.ones(x.shape[1], dtype=wide, device=x.device) if gamma is None else gamma.to(wide)
            b = None if b is None else b.to(wide)
        y, mean, r = aten.native_batch_norm.default(x, w, b, None, None, True, 0.0, eps)
        ctx.save_for_backward(x, gamma, mean, r)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, r)
        return y, mean, r

    @staticmethod
    def backward(ctx: Any, y_bar: Tensor, *_none: Any) -> tuple[Tensor | None, ...]:
        x, gamma, mean, r = ctx.saved_tensors
        x_bar, gamma_bar, b_bar = NormalisedGradient.apply(y_bar, x, gamma, mean, r, ctx.eps)
        _, wants_gamma, wants_b, _ = ctx.needs_input_grad
        return x_bar, gamma_bar if wants_gamma else None, b_bar if wants_b else None, None


class NormalisedGradient(Function):
    """x̄ = γ r (ȳ − a − b x̂), γ̄ = N b, b̄ = N a with the means a = ⟨ȳ⟩ and b = ⟨ȳ x̂⟩ over the N values of a channel."""

    @staticmethod
    def forward(
        ctx: Any, y_bar: Tensor, x: Tensor, gamma: Tensor | None, mean: Tensor, r: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        x_bar, gamma_bar, b_bar = _norm_backward(y_bar, x, gamma, mean, r, eps)
        ctx.save_for_backward(y_bar, x, gamma, mean, r, x_bar, gamma_bar, b_bar)
        ctx.eps = eps
        ctx.set_materialize_grads(False)
        return x_bar, gamma_bar, b_bar

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, u: Tensor | None, gamma_dot: Tensor | None, b_dot: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """With cotangents u, γ̇, ḃ, and for u what x̄, γ̄ and b̄ are for ȳ, x̄ᵤ = γ r (u − p − q x̂), N q and N p:

        ∂/∂ȳ = x̄ᵤ + γ̇ x̂ + ḃ
        ∂/∂x = −r/N (γ̄ x̄ᵤ + N q x̄ + γ t x̂) + γ̇ r (ȳ − a − b x̂)
        ∂/∂γ = t = r (⟨u, ȳ⟩ − N p a − N q b), where γ t = ⟨u, x̄⟩; ⟨·, ·⟩ sums over a channel
        """
        y_bar, x, gamma, mean, r, x_bar, gamma_bar, b_bar = ctx.saved_tensors
        n = x.numel() // x.shape[1]
        y_dot, x_dot, gamma_out = None, None, None
        if u is not None:
            y_dot, nq, np = _norm_backward(u, x, gamma, mean, r, ctx.eps)
            if gamma is None:
                on_x_hat = _product_sum(u, x_bar, r)
            else:  # not by way of ⟨u, x̄⟩: γ may be 0
                t = _product_sum(u, y_bar, r).addcmul_(np, b_bar, value=-1 / n).addcmul_(nq, gamma_bar, value=-1 / n)
                gamma_out = t * r
                on_x_hat = gamma_out * gamma.to(r.dtype)
            scale = r * (-1 / n)
            of_r = torch.stack(
                [scale, scale, scale * r, scale * r * -mean]
            )  # one for all that differentiate through it
            on_u, on_y, on_x, constant = _per_channel(
                x, *(of_r * torch.stack([gamma_bar, nq, on_x_hat, on_x_hat])).unbind()
            )
            x_dot = torch.addcmul(constant, y_dot, on_u).addcmul_(x_bar, on_y).addcmul_(x, on_x)
        if gamma_dot is not None:
            of_mean, of_r, dot = _per_channel(x, mean, r, gamma_dot)
            on_y, on_x, constant = _per_channel(
                x, gamma_dot * r, -gamma_dot * r * r * gamma_bar / n, gamma_dot * r * (r * mean * gamma_bar - b_bar) / n
            )
            x_hat, part = (x - of_mean) * of_r, torch.addcmul(constant, y_bar, on_y).addcmul_(x, on_x)
            x_dot = part if x_dot is None else x_dot.add_(part)
            y_dot = x_hat * dot if y_dot is None else torch.addcmul(y_dot, x_hat, dot)
        if b_dot is not None:
            (dot,) = _per_channel(x, b_dot)
            y_dot = dot.expand_as(x) if y_dot is None else y_dot + dot
        return y_dot, x_dot, gamma_out, None, None, None


def _norm_backward(
    y_bar: Tensor, x: Tensor, gamma: Tensor | None, mean: Tensor, r: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    # Without a weight CUDA returns γ̄ and b̄ of size 0; with one, they have its type.
    scale = torch.ones_like(r) if gamma is None else gamma.to(r.dtype)
    return aten.native_batch_norm_backward.default(y_bar, x, scale, None, None, mean, r, True, eps, (True, True, True))


def _product_sum(u: Tensor, y: Tensor, r: Tensor) -> Tensor:
    """Σ u y per channel in one pass, in r's type: γ̄ of a batch norm with mean 0 and r = 1."""
    zero, one = torch.zeros_like(r), torch.ones_like(r)
    return aten.native_batch_norm_backward.default(u, y, one, None, None, zero, one, True, 0.0, (False, True, False))[1]


def _per_channel(like: Tensor, *values: Tensor) -> Iterator[Tensor]:
    """(C,) numbers, each in ``like``'s type and the shape that multiplies it."""
    return (v.to(like.dtype).view(1, -1, *[1] * (like.ndim - 2)) for v in values)
