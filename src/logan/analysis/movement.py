"""Sequences of a training run as the paper plots them: normalised (appendix D, Figure 5a) and smoothed (Figure 4b).

Both look at windows of N values that begin at t: x_t … x_{t+N−1}. Only whole windows count, so that T values give
T − N + 1, the first for t = 1: the last N − 1 steps have none. A window with NaN in it gives NaN.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from logan.errors import InputError

WINDOW = 20
"""N of Figures 4b and 5a; "the result is robust to the choice", from 10 to 50."""

Numbers = Sequence[float] | np.ndarray


def normalised(sequence: Numbers, window: int = WINDOW) -> np.ndarray:
    """x̃_t = x_t/σ_t (eq. 45), with σ_t² = 1/(N − 1) Σ_{u=t}^{t+N−1} (x_u − μ_t)² (eq. 44) and μ_t as in eq. 43.

    The mean stays: only the scale is divided out. Where all of a window's values are equal, σ_t = 0 and x̃_t is NaN, as is 0/0:
    nothing moves there that could be measured by its own noise.

    Args:
        sequence: T values.
        window: N, from 2 to T.

    Returns:
        (T − N + 1,) float64.

    Raises:
        InputError: if there are fewer than N values, or not one row of them.
        ValueError: if N is less than 2.
    """
    windows = _windows(sequence, window, least=2)
    still = windows.max(1) == windows.min(1)  # exactly; the rounded σ of equal values may be some 1e-17
    sigma = np.where(still, np.nan, windows.std(1, ddof=1))
    return windows[:, 0] / sigma


def moving_average(sequence: Numbers, window: int = WINDOW) -> np.ndarray:
    """μ_t = 1/N Σ_{u=t}^{t+N−1} x_u (eq. 43), (T − N + 1,) float64; as :func:`normalised`, but that N may be 1."""
    return _windows(sequence, window, least=1).mean(1)


def _windows(sequence: Numbers, window: int, least: int) -> np.ndarray:
    """(T − N + 1, N), without copying."""
    if not (isinstance(window, int) and window >= least):
        raise ValueError(f"window must be a whole number >= {least}, not {window!r}")
    x = np.asarray(sequence, dtype=np.float64)
    if x.ndim != 1:
        raise InputError(f"a sequence is one row of numbers, not of shape {x.shape}")
    if len(x) < window:
        raise InputError(f"a sequence of {len(x)} values is shorter than the window of {window}; take a smaller window")
    return np.lib.stride_tricks.sliding_window_view(x, window)
