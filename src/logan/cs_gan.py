"""CS-GAN's latent optimisation (Wu et al. 2019b, "Deep compressed sensing"), as its authors' code has it.

It differs from LOGAN's step in all but the idea: several plain gradient steps whose size is learned, on the generator's
*mean* loss, on the unit sphere, and with a penalty on the distance from the raw draw (deepmind-research/cs_gan/utils.py
and gan.py at d8df415).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from logan.errors import InputError, check_choices
from logan.latent import Moved, PenaltyIn, Scores, StopGradient, ascend, to_sphere, working_copy
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
    penalty_in: PenaltyIn = "generator"
    batch: int | None = None
    subset: ClassVar[str] = "all"

    def __post_init__(self) -> None:
        if not (isinstance(self.steps, int) and self.steps >= 1):
            raise InputError(f"`steps` must be a whole number >= 1, not {self.steps!r}")
        if not (self.batch is None or self.batch >= 1):
            raise InputError(f"`batch` must be >= 1 or None, not {self.batch}")
        if not isinstance(self.loss, Loss):
            raise InputError(f"`loss` is one of logan.losses, such as non_saturating, not {self.loss!r}")
        if not (self.penalty >= 0 and math.isfinite(self.penalty)):
            raise InputError(f"`penalty` must be >= 0, not {self.penalty}")
        check_choices(self, stop_gradient=StopGradient, penalty_in=PenaltyIn)

    def of(self, generator: nn.Module) -> Callable[[Scores, Tensor], Moved]:
        """The step with a generator's learned size, to be called like a :class:`~logan.latent.LatentStep`.

        Raises:
            ValueError: if the generator has none; see :func:`give_step_size`.
        """
        log_step = getattr(generator, LOG_STEP, None)
        if log_step is None:
            raise ValueError("the generator has no learned step size; call logan.cs_gan.give_step_size(generator)")
        return lambda f, z: self(f, z, log_step)

    def for_batch(self, size: int) -> CSStep:
        """With ``batch`` set, unless it was: L of a part is a mean over the whole batch."""
        return self if self.batch is not None else replace(self, batch=size)

    def __call__(self, f: Scores, z: Tensor, log_step: Tensor) -> Moved:
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
            size = log_step.exp() / (self.batch or len(z))
            moved, scores, g = ascend(
                f, to_sphere(working_copy(z)), z.dtype, lambda at, g: to_sphere(at + size * g), self.steps, differentiable,
                self._gain,
            )  # fmt: skip
            delta = moved - z
            penalty = self.penalty * delta.flatten(1).square().sum(1).mean()
            result = Moved(moved.to(z.dtype), delta, penalty, scores, g, self.stop_gradient)
        return result if differentiable else result.detach()

    def _gain(self, scores: Tensor) -> Tensor:
        """What a sample wants more of: −fool(f(z)), (B,)."""
        return -self.loss.fool(scores)
