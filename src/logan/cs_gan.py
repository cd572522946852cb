"""CS-GAN's latent optimisation (Wu et al. 2019b, "Deep compressed sensing"), as its authors' code has it.

It differs from LOGAN's step in all but the idea: several plain gradient steps whose size is learned, on the generator's
*mean* loss, on the unit sphere, and with a penalty on the distance from the raw draw (deepmind-research/cs_gan/utils.py
and gan.py at d8df415).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from logan.errors import InputError
from logan.latent import Moved, StopGradient, gradient_of_scores, to_sphere, working_copy
from logan.losses import Loss, non_saturating

INITIAL_STEP_SIZE = 0.01
LOG_STEP = "log_step"
"""The generator's parameter ln s: trained by G's loss and optimiser, saved and averaged with G (gan.py:61-65, 138-142)."""


def give_step_size(generator: nn.Module) -> nn.Module:
    """Add the learned step size to a generator, s = exp(w) with w = ln 0.01 to begin with; returns the generator."""
    w = torch.tensor(math.log(INITIAL_STEP_SIZE), dtype=next(generator.parameters()).dtype)
    generator.register_parameter(LOG_STEP, nn.Parameter(w.to(next(generator.parameters()).device)))
    return generator


@dataclass(frozen=True)
class CSStep:
    """z₀ = z/‖z‖;  z_{k+1} = (z_k − s ∂L/∂z_k) / ‖·‖ with L = mean_i fool(f(z_i));  R_z = penalty · mean_i ‖z_K − z‖².

    The gradient is that of the batch's *mean* loss, 1/B per sample: the learned s makes up for it, but not when the batch
    size changes. R_z is taken from the raw draw z, which is not on the sphere: it is
    penalty · mean_i [(‖z‖ − 1)² + ‖z‖·‖z_K − z/‖z‖‖²], a constant and a penalty on the move that is ‖z‖ ≈ √d times as
    heavy as it looks. All dimensions are optimised, and both players' losses are differentiated through all the steps.

    Attributes:
        steps: K; 3 in training and at evaluation (main.py:54).
        penalty: 3.0 (main.py:52); enters G's loss alone (gan.py:145-150).
        loss: the game's; its generator part is L.
        batch: B of the mean; None is the number of latents at hand. At evaluation it is that of the training, for which
            s was learned, however many images a pass has.
    """

    steps: int = 3
    penalty: float = 3.0
    loss: Loss = non_saturating
    stop_gradient: StopGradient = "none"
    penalty_in: Literal["generator", "both"] = "generator"
    batch: int | None = None
    subset: ClassVar[str] = "all"

    def __post_init__(self) -> None:
        if not (isinstance(self.steps, int) and self.steps >= 1):
            raise InputError(f"`steps` must be a whole number >= 1, not {self.steps!r}")
        if not (self.penalty >= 0 and math.isfinite(self.penalty)):
            raise InputError(f"`penalty` must be >= 0, not {self.penalty}")
        for name, known in (("stop_gradient", get_args(StopGradient)), ("penalty_in", ("generator", "both"))):
            if getattr(self, name) not in known:
                raise InputError(f"`{name}` must be one of {', '.join(known)}, not {getattr(self, name)!r}")

    def of(self, generator: nn.Module) -> Callable[[Callable[[Tensor], Tensor], Tensor], Moved]:
        """The step with a generator's learned size, to be called like a :class:`~logan.latent.LatentStep`.

        Raises:
            ValueError: if the generator has none; see :func:`give_step_size`.
        """
        log_step = getattr(generator, LOG_STEP, None)
        if log_step is None:
            raise ValueError("the generator has no learned step size; call logan.cs_gan.give_step_size(generator)")
        return lambda f, z: self(f, z, log_step)

    def __call__(self, f: Callable[[Tensor], Tensor], z: Tensor, log_step: Tensor) -> Moved:
        """Take the steps.

        Args:
            f: latents to scores, (B, d) to (B,).
            z: raw draws of N(0, 1), (B, d).
            log_step: ln s, a scalar.

        Returns:
            A :class:`~logan.latent.Moved`: ``delta`` is z_K − z (from the raw draw), ``gradient`` is −B·∂L/∂z₀ and
            ``scores`` f(z₀).
        """
        differentiable = torch.is_grad_enabled() and self.stop_gradient != "both"
        with torch.inference_mode(False), torch.enable_grad():
            moved = self._move(f, z, log_step, differentiable)
        return moved if differentiable else moved.detach()

    def _move(self, f: Callable[[Tensor], Tensor], raw: Tensor, log_step: Tensor, differentiable: bool) -> Moved:
        size = log_step.exp() / (self.batch or len(raw))
        at = to_sphere(working_copy(raw))
        first: tuple[Tensor, Tensor] | None = None
        for _ in range(self.steps):
            scores, g = gradient_of_scores(f, at, raw.dtype, differentiable, self._gain)
            with torch.autocast(raw.device.type, enabled=False):
                at = to_sphere(at + size * g)
            if not differentiable:
                at = at.detach().requires_grad_()
            if first is None:
                first = scores, g.detach()
        assert first is not None
        delta = at - raw
        penalty = self.penalty * delta.flatten(1).square().sum(1).mean()
        return Moved(at.to(raw.dtype), delta, penalty, *first, self.stop_gradient)

    def _gain(self, scores: Tensor) -> Tensor:
        """What a sample wants more of: −fool(f(z)), (B,)."""
        return -self.loss.fool(scores)
