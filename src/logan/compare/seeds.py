"""What seeds say about a claim: a difference counts if two groups of values do not overlap, from three seeds each on."""

from __future__ import annotations

import math
from collections.abc import Sequence

from logan.compare.runs import mean_std

SEEDS = 3
"""Of each method, before anything is said."""


def say(greater: Sequence[float], less: Sequence[float]) -> str:
    """Whether the first group's values are greater than the second's: holds, is contradicted, or is not decided."""
    if min(len(greater), len(less)) < SEEDS:
        return f"is not decided: fewer than {SEEDS} seeds"
    if any(map(math.isnan, [*greater, *less])):
        return "is not decided: a run has diverged"
    if min(greater) > max(less):
        return "holds in every seed"
    if max(greater) < min(less):
        return "is contradicted in every seed"
    return "is not decided by these seeds"


def mean_and_spread(values: Sequence[float], digits: str = ".3g") -> str:
    """mean ± standard deviation, lowest to highest, of the values that are finite; how many are not."""
    good = [v for v in values if math.isfinite(v)]
    lost = f"diverged in {len(values) - len(good)} of {len(values)}" if len(good) < len(values) else ""
    if not good:
        return lost or "-"
    mean, std = mean_std(good)
    text = f"{mean:{digits}}"
    if len(good) > 1:
        text += f" ± {std:{digits}}, {min(good):{digits}} to {max(good):{digits}}"
    return f"{text} ({lost})" if lost else text
