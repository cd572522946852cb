"""Whether the samples of a run have become alike, said once more at its end: an alarm may not have come to it in a short run.

    variance of samples / variance of real images < 0.05   at the last snapshot that was looked at, or at the best one

So little has an untrained G too. Where samples never differed and the run is short, that is what is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

ALIKE = 0.05
"""Of the variance of the real images (:func:`logan.training.vitals.diversity`)."""
DIFFERENT = 0.2
"""Of that, from which on samples have differed."""
SHORT = 2500
"""Steps, up to which samples were alike in runs that did well (docs/alarms.md)."""


def alike(ticks: Sequence[Mapping[str, Any]], best: float | None) -> str | None:
    """A sentence or two about it; None if samples differ, or were not looked at.

    Args:
        ticks: the lines of the log.
        best: thousands of images of the snapshot that is called the best; None if none is.

    Example:
        >>> print(alike([{"kimg": 40.0, "steps": 625, "diversity": 0.007}], best=40))
        The last snapshot (40 kimg), which is called the best, makes nearly the same image every time: its samples vary by 0.007 of
        what real images do. So short a run has hardly begun: train longer.
    """
    looked = [t for t in ticks if isinstance(t.get("diversity"), int | float)]
    if not looked:
        return None
    last = looked[-1]
    chosen = next((t for t in looked if best is not None and int(t["kimg"]) == int(best)), None)
    low = [t for t in (last, chosen) if t is not None and t["diversity"] < ALIKE]
    if not low:
        return None
    of = low[0]
    which = (
        f"The last snapshot ({of['kimg']:,.0f} kimg)" if of is last else f"The best snapshot ({of['kimg']:,.0f} kimg)"
    )
    if of is last and chosen is not None and chosen["diversity"] < ALIKE:
        which += (
            ", which is called the best," if chosen is last else f", and so does the best ({chosen['kimg']:,.0f} kimg),"
        )
    return (
        f"{which} makes nearly the same image every time: its samples vary by {of['diversity']:.2g} of what real images do. "
        f"{_advice(looked, last)}"
    )


def _advice(looked: Sequence[Mapping[str, Any]], last: Mapping[str, Any]) -> str:
    differed = [t for t in looked if t["diversity"] >= DIFFERENT]
    if differed:
        return (
            f"The run has collapsed; samples still differed at {differed[-1]['kimg']:,.0f} kimg. What has helped: alternating "
            f"updates, spectral norm in D, no latent step, another seed."
        )
    if last.get("steps", SHORT) < SHORT:
        return "So short a run has hardly begun: train longer."
    return "They never differed: try alternating updates, spectral norm in D, no latent step, or another seed."
