"""How natural gradient descent scales the latent step (section 4 and Figure 4a of Wu et al. 2019).

Equation 12 is Δz = (α/β) (1 − ‖g‖²/(β + ‖g‖²)) g, and the "curvature estimate" of the text after it
C = (1/β) (1 − ‖g‖²/(β + ‖g‖²)). With 1 − ‖g‖²/(β + ‖g‖²) = β/(β + ‖g‖²) this is C = 1/(β + ‖g‖²), and Δz = α C g. C is
thus the inverse of a curvature: where the gradient is large, C and the step are small. It is also 1 over the eigenvalue
of F′ = g gᵀ + β I along g (equation 11). All functions here act on each element of ‖g‖, of any shape.
"""

from __future__ import annotations

from torch import Tensor


def curvature(norm: Tensor, beta: float) -> Tensor:
    """C = 1/(β + ‖g‖²).

    Args:
        norm: ‖g‖, >= 0.
        beta: β > 0, the damping.

    Raises:
        ValueError: for another β.
    """
    if not beta > 0:
        raise ValueError(f"beta must be > 0, not {beta}")
    return 1 / (beta + norm.square())


def scaling(norm: Tensor, alpha: float, beta: float) -> Tensor:
    """α C = α/(β + ‖g‖²), the factor from g to Δz; arguments as in :func:`curvature`, α the step size."""
    return alpha * curvature(norm, beta)


def step_length(norm: Tensor, alpha: float, beta: float) -> Tensor:
    """‖Δz‖ = α‖g‖/(β + ‖g‖²) before clipping: at most α/(2√β), where ‖g‖ = √β. Arguments as in :func:`scaling`."""
    return scaling(norm, alpha, beta) * norm
