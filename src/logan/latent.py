"""The latent step of LOGAN: z ↦ z′ (Wu et al. 2019, Algorithm 1, equations 4 and 9–12).

Shapes: B samples, d latent dimensions (for latents of shape (B, c, h, w), d = c·h·w in memory order).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from logan.errors import InputError, check_choices
from logan.second_order import gradients, twice_differentiable
from logan.second_order.differentiate import WITHOUT_SECOND_ORDER
from logan.side_effects import no_side_effects, same_random_numbers_next

Method = Literal["gd", "ngd"]
Subset = Literal["leading", "random"]
StopGradient = Literal["none", "generator", "discriminator", "both"]
PenaltyIn = Literal["generator", "both"]
Player = Literal["generator", "discriminator"]
Scores = Callable[[Tensor], Tensor]
"""f: latents (B, …) to one score per sample, (B,)."""


@dataclass(frozen=True)
class Moved:
    """What a latent step returns.

    Attributes:
        z: z′, the moved latent, shaped and typed like z; differentiable with respect to all that f closes over.
        delta: Δz before it is clipped (summed over the steps), shaped like z, exactly zero in dimensions that are not
            optimised. float32 at least.
        penalty: R_z = penalty · mean_i ‖Δz_i‖², a scalar.
        scores: f(z) at the starting point, (B,).
        gradient: g = ∂Σ_j f(z_j)/∂z at the starting point over the optimised dimensions (zero in the others), shaped like
            z, detached: for reports such as ‖g‖².
        stop_gradient: for which player Δz is a constant; see :meth:`seen_by`.
    """

    z: Tensor
    delta: Tensor
    penalty: Tensor
    scores: Tensor
    gradient: Tensor
    stop_gradient: StopGradient = "none"

    def __repr__(self) -> str:
        """Shapes, and the numbers that one looks for: means over the batch.

        >>> LatentStep("gd", alpha=0.5)(lambda z: z.sum(1), torch.zeros(4, 2))
        Moved(z (4, 2) float32 on cpu, f(z) 0, ‖g‖² 1, ‖Δz‖ 0.5, penalty 0.75)
        """
        with torch.no_grad():
            squared, length = (self.gradient**2).sum(1).mean(), self.delta.norm(dim=1).mean()
            numbers = {"f(z)": self.scores.mean(), "‖g‖²": squared, "‖Δz‖": length, "penalty": self.penalty.mean()}
            told = ", ".join(f"{name} {value.item():.3g}" for name, value in numbers.items())
        stopped = "" if self.stop_gradient == "none" else f", Δz constant for {self.stop_gradient}"
        kind = f"{tuple(self.z.shape)} {str(self.z.dtype).removeprefix('torch.')} on {self.z.device}"
        return f"{type(self).__name__}(z {kind}, {told}{stopped})"

    def seen_by(self, player: Player) -> Moved:
        """The move as ``player``'s loss must see it: with Δz a constant if the ablation stops that player's term.

        Both players use the values of one and the same z′. With ``stop_gradient="generator"`` the second-order term of
        θ_G in equation 8 (and R_z's gradient, which consists of nothing else) is absent from the generator's gradient,
        and likewise for the discriminator: the three ablations of Figure 5b.
        """
        if player not in ("generator", "discriminator"):
            raise InputError(f"`player` is 'generator' or 'discriminator', not {player!r}")
        stopped = self.stop_gradient in (player, "both")
        return self.detach() if stopped and self.z.requires_grad else self

    def detach(self) -> Moved:
        """The same values, as constants."""
        return replace(
            self,
            z=self.z.detach(),
            delta=self.delta.detach(),
            penalty=self.penalty.detach(),
            scores=self.scores.detach(),
        )


@runtime_checkable
class LatentMethod(Protocol):
    """What the game asks of a way to move latents: :class:`LatentStep`, :class:`~logan.cs_gan.CSStep`, or one of your own.

    One of your own is best a frozen dataclass: a recording belongs to the method that it was made with, by its hash.

    Attributes:
        subset: ``random`` if a call draws from torch's global generator which dimensions it moves; anything else if not.
        penalty, penalty_in, stop_gradient: as in :class:`LatentStep`.
    """

    @property
    def subset(self) -> str: ...

    @property
    def penalty(self) -> float: ...

    @property
    def penalty_in(self) -> PenaltyIn: ...

    @property
    def stop_gradient(self) -> StopGradient: ...

    def of(self, generator: nn.Module) -> Callable[[Scores, Tensor], Moved]:
        """The step of f and z, with what ``generator`` may have learned for it."""
        ...

    def for_batch(self, size: int) -> LatentMethod:
        """The method for parts of a batch of that size in all: what it says of the whole batch holds for each part."""
        ...


@dataclass(frozen=True)
class LatentStep:
    """Move latents up the gradient of the discriminator's score, differentiably.

    With f(z) = D(G(z)) and g_i = ∂Σ_j f(z_j)/∂z_i (of the *sum*: the Fisher matrix is per sample, appendix B.1),

    * ``gd``   Δz = α g                       (equation 4)
    * ``ngd``  Δz = α (g gᵀ + β I)⁻¹ g = α g / (β + ‖g‖²)   (equations 9–12)
    * z′ = [z + Δz], clipped to ``bounds``    (Algorithm 1)
    * R_z = penalty · mean_i ‖Δz_i‖²          (section 5.1)

    f may be any callable: labels closed over, networks under autocast, networks of your own. The step's own passes leave
    no trace: batch-norm statistics and spectral-norm vectors do not move, and the random numbers that f draws from torch's
    global generator (dropout, noise) are drawn again from the same state by whatever runs next, so that f(z) and f(z′) are
    values of one function. Limits of this: docs/latent-step.md.
    Under ``torch.no_grad()`` the step works too, and returns constants: latent optimisation at evaluation.

    Attributes:
        method: ``gd`` or ``ngd``.
        alpha: α ≥ 0, the step size.
        beta: β > 0, the damping of the Fisher matrix (``ngd`` only). ‖Δz‖ is at most α/(2√β), reached at ‖g‖ = √β.
        portion: c in (0, 1]; ⌊c·d⌉ dimensions are optimised, the others keep their random values.
        penalty: weight of R_z; 0 switches it off.
        bounds: (low, high) to clip the optimised dimensions to; None for a prior without bounds (``torch.randn``);
            ``"sphere"`` projects to the unit sphere, before the first step and after each (CS-GAN, Wu et al. 2019b).
        subset: ``leading``: the first ⌊c·d⌉ dimensions; ``random``: others at each call (one choice for the whole batch).
        steps: number of gradient steps; the paper trains with one (section 3).
        stop_gradient: the player for whom Δz is a constant (Figure 5b); acts through :meth:`Moved.seen_by`.
            ``both`` also saves the second-order graph: everything returned is then a constant.
        penalty_in: whose loss R_z enters, ``generator`` or ``both``. The step itself only reports R_z;
            :mod:`logan.game` follows this field.

    Raises:
        InputError: (a ValueError) for a field outside its range.

    Example:
        For f(z) = Σ z², g = 2z, here with ‖g‖² = 1 and so Δz = α g / (β + 1) with β = 3:

        >>> step = LatentStep("ngd", alpha=2.0, beta=3.0, portion=1.0, penalty=0.0, bounds=None)
        >>> z = torch.tensor([[0.3, -0.4]])
        >>> step(lambda z: z.square().sum(1), z).z.detach()
        tensor([[ 0.6000, -0.8000]])
    """

    method: Method = "ngd"
    alpha: float = 0.9
    beta: float = 0.1
    portion: float = 0.7
    penalty: float = 3.0
    bounds: tuple[float, float] | Literal["sphere"] | None = (-1.0, 1.0)
    subset: Subset = "leading"
    steps: int = 1
    stop_gradient: StopGradient = "none"
    penalty_in: PenaltyIn = "generator"

    def __post_init__(self) -> None:
        check_choices(self, method=Method, subset=Subset, stop_gradient=StopGradient, penalty_in=PenaltyIn)
        _require(self.alpha >= 0 and math.isfinite(self.alpha), f"`alpha` must be >= 0 and finite, not {self.alpha}")
        _require(
            self.method == "gd" or (self.beta > 0 and math.isfinite(self.beta)), f"`beta` must be > 0, not {self.beta}"
        )
        _require(0 < self.portion <= 1, f"`portion` must be in (0, 1], not {self.portion}")
        _require(self.penalty >= 0 and math.isfinite(self.penalty), f"`penalty` must be >= 0, not {self.penalty}")
        _require(
            self.bounds is None
            or self.bounds == "sphere"
            or (isinstance(self.bounds, tuple | list) and len(self.bounds) == 2 and self.bounds[0] < self.bounds[1]),
            f"`bounds` are (low, high) with low < high, 'sphere' or None, not {self.bounds!r}",
        )
        _require(
            isinstance(self.steps, int) and self.steps >= 1, f"`steps` must be a whole number >= 1, not {self.steps!r}"
        )

    def of(self, generator: nn.Module) -> LatentStep:
        """Itself: this step learns nothing."""
        return self

    def for_batch(self, size: int) -> LatentStep:
        """Itself: g is per sample."""
        return self

    def __call__(self, f: Scores, z: Tensor) -> Moved:
        """Take the step.

        Args:
            f: maps latents shaped like z to one score per sample, (B,) or (B, 1).
            z: latents, (B, d) or (B, c, h, w), floating point.

        Returns:
            A :class:`Moved`.

        Raises:
            ValueError: if z is not a batch of floating-point latents, f does not return one score per sample, f(z) does
                not depend on z, or ``portion`` leaves no dimension to optimise.
        """
        _require(
            z.ndim >= 2 and z.is_floating_point(),
            f"z must be floating point of shape (B, d) or (B, c, h, w), not {tuple(z.shape)} {z.dtype}",
        )
        differentiable = torch.is_grad_enabled() and self.stop_gradient != "both"
        with torch.inference_mode(False), torch.enable_grad():
            moved = self._move(f, z, self._optimised_dimensions(z), differentiable)
        return moved if differentiable else moved.detach()

    def displacement(self, g: Tensor) -> Tensor:
        """Δz for a gradient g of shape (B, …) over the optimised dimensions: equation 4 or 12, per sample."""
        if self.method == "gd":
            return self.alpha * g
        norm_squared = g.flatten(1).square().sum(1)
        scale = self.alpha / (self.beta + norm_squared)
        return g * scale.view(-1, *[1] * (g.ndim - 1))

    def bound(self, z: Tensor) -> Tensor:
        """[z]: clipped, projected, or as it is, by ``bounds``."""
        if self.bounds is None:
            return z
        if self.bounds == "sphere":
            return to_sphere(z)
        return z.clamp(*self.bounds)

    def _move(self, f: Scores, z: Tensor, optimised: Tensor, differentiable: bool) -> Moved:
        start = working_copy(z)
        if self.bounds == "sphere":
            start = self.bound(start)
        delta = torch.zeros_like(start)

        def advance(at: Tensor, g: Tensor) -> Tensor:
            nonlocal delta
            step = self.displacement(g.masked_fill(~optimised, 0.0))
            delta = delta + step
            return self._bounded_move(at, step, optimised)

        moved, scores, g = ascend(f, start, z.dtype, advance, self.steps, differentiable)
        penalty = self.penalty * delta.flatten(1).square().sum(1).mean()
        g = g.masked_fill(~optimised, 0.0)
        return Moved(moved.to(z.dtype), delta, penalty, scores, g, self.stop_gradient)

    def _bounded_move(self, z: Tensor, step: Tensor, optimised: Tensor) -> Tensor:
        """[z + Δz]; clipping leaves the dimensions that are not optimised alone, even where they are out of bounds."""
        moved = self.bound(z + step)
        return moved if self.bounds == "sphere" else torch.where(optimised, moved, z)

    def _optimised_dimensions(self, z: Tensor) -> Tensor:
        """Mask of shape z.shape[1:], True in the ⌊c·d⌉ dimensions that are optimised."""
        d = z[0].numel() if len(z) else math.prod(z.shape[1:])
        count = math.floor(self.portion * d + 0.5)
        _require(count >= 1, f"`portion` {self.portion} of {d} latent dimensions leaves none to optimise; raise it")
        order = torch.arange(d, device=z.device) if self.subset == "leading" else torch.randperm(d, device=z.device)
        return (order < count).view(z.shape[1:])


def ascend(
    f: Scores,
    z: Tensor,
    dtype: torch.dtype,
    advance: Callable[[Tensor, Tensor], Tensor],
    steps: int,
    differentiable: bool,
    objective: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """z_{k+1} = advance(z_k, g_k) with g_k = ∂Σ_j f(z_k)_j/∂z_k, ``steps`` times: the loop of every latent method.

    Args:
        f: latents to scores.
        z: z_0, float32 or float64, able to take gradients.
        dtype: the type in which f takes its latents.
        advance: of z_k and g_k; computed outside autocast, since the arithmetic of the step is not the network's: ‖g‖² of a
            half-precision g underflows.
        steps: how often.
        differentiable: let z_K depend on all that f closes over. If not, each step starts from a new leaf, and its graph is
            freed.
        objective: see :func:`gradient_of_scores`.

    Returns:
        z_K; f(z_0), (B,); and g_0, detached.
    """
    first: tuple[Tensor, Tensor] | None = None
    for _ in range(steps):
        scores, g = gradient_of_scores(f, z, dtype, differentiable, objective)
        with torch.autocast(z.device.type, enabled=False):
            z = advance(z, g)
        if not differentiable:
            z = z.detach().requires_grad_()
        first = first or (scores, g.detach())
    assert first is not None
    return z, *first


def gradient_of_scores(
    f: Scores,
    z: Tensor,
    dtype: torch.dtype,
    create_graph: bool,
    objective: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """f(z), (B,), and g = ∂Σ_j f(z_j)/∂z, shaped like z, without a trace in the networks or the random numbers.

    With an ``objective`` h, (B,) to (B,), g = ∂Σ_j h(f(z_j))/∂z.
    """
    differentiated_again = twice_differentiable() if create_graph else nullcontext()
    with no_side_effects(), same_random_numbers_next(z.device), differentiated_again:
        x = z.to(dtype)
        scores = f(x)
        _require(
            isinstance(scores, Tensor) and scores.ndim >= 1 and len(scores) == len(z) == scores.numel(),
            f"f must return one score per sample, ({len(z)},), not {_shape(scores)}: reduce maps of scores to one number each",
        )
        scores = scores.flatten()
        with torch.autocast(z.device.type, enabled=False):  # inside: checkpointed layers run again in the backward pass
            wide = scores.to(torch.promote_types(scores.dtype, torch.float32))
            total = (wide if objective is None else objective(wide)).sum()
            g = None
            if total.requires_grad:
                again, way_out = partial(f, x), WITHOUT_SECOND_ORDER
                (g,) = gradients((total,), (z,), create_graph=create_graph, again=again, way_out=way_out)
    if g is None:
        raise ValueError("f(z) does not depend on z: is a network inside f detached, or run under no_grad?")
    return scores, g


def to_sphere(z: Tensor) -> Tensor:
    """z/‖z‖, each sample by itself."""
    norm = torch.linalg.vector_norm(z.flatten(1), dim=1)
    return z / norm.view(-1, *[1] * (z.ndim - 1))


def working_copy(z: Tensor) -> Tensor:
    """z in float32 at least, able to take gradients; still part of its own graph if it has one (a learned prior)."""
    if z.is_inference():
        z = z.clone()
    wide = z.to(torch.promote_types(z.dtype, torch.float32))
    return wide if wide.requires_grad else wide.detach().requires_grad_()


def _shape(value: object) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else type(value).__name__


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InputError(message)


__all__ = ["LatentMethod", "LatentStep", "Method", "Moved", "Player", "Scores", "StopGradient"]
