"""Latent optimisation beside the methods of :mod:`logan.dynamics`, on a mixture: modes, quality, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from logan.compare.runs import Result, mean_std
from logan.compare.seeds import mean_and_spread
from logan.compare.summary import by_label
from logan.paper.dynamics_cost import ROUNDS, TimedStep
from logan.paper.mixture_claims import scores
from logan.report.tables import markdown

METHODS = ("none", "none:update=alternating", "none:d-lr=4e-3", "gd", "ngd", "ngd:stop-gradient=both", "sga", "sga-aligned",
           "three-player", "consensus", "unrolled", "extragradient", "optimistic", "gradient-penalty",
           "gradient-penalty:dynamics-strength=1")  # fmt: skip
"""Everything. None with D's rate four times G's is the baseline of two time scales (Heusel et al. 2017); ODE-GAN's own weight of
the penalty, 0.02, is next to nothing on mixtures, hence 1 too."""
GOOD = 0.9
"""Share of the points on a mode, and of the modes covered, at which a generator is called good."""


def table(results: Sequence[Result], costs: Mapping[str, TimedStep]) -> str:
    """Markdown: a row per method. Steps and seconds are those at the first snapshot that is good, in the seeds that have one.

    Args:
        results: runs of several methods on one mixture.
        costs: of each method's step, by label (:func:`logan.paper.dynamics_cost.measure`).
    """
    head = ["method", "seeds", "modes, final", "quality, final", f"first {GOOD:.0%} good: steps", "seconds",
            "ms per step", "memory of a step, MiB"]  # fmt: skip
    rows = (_row(label, group, costs[label]) for label, group in by_label(results).items())
    c = results[0].entry.config
    return markdown(head, rows) + (
        f"\n{c.run.kimg:,} kimg ({c.run.kimg * 1000 // c.game.batch:,} steps of {c.game.batch}), scored at every snapshot. Good: "
        f"at least {GOOD:.0%} of the modes, and of the points on one. Ms per step: measured after the runs, all methods in one "
        f"process in turns, in random order, median of {ROUNDS} rounds; the step alone, without data, logs and scores. Seconds: "
        f"steps times that, and not what the run took, which depends on what else the machine did. Memory: the most "
        f"allocated in a step beyond weights, buffers and optimisers.\n"
    )


def _row(label: str, group: Sequence[Result], cost: TimedStep) -> list[object]:
    last = [scores(r.points[-1]) for r in group]
    good = [p["steps"] for r in group if (p := first_good(r)) is not None]
    steps = mean_std(good)[0]
    return [
        label,
        len(group),
        mean_and_spread([s["modes"] for s in last]),
        mean_and_spread([s["quality"] for s in last], ".2f"),
        f"{steps:,.0f} ({len(good)} of {len(group)})" if good else f"none of {len(group)}",
        f"{steps * cost.ms / 1000:.1f}" if good else "-",
        f"{cost.ms:.2f}",
        f"{cost.memory:.1f}",
    ]


def first_good(result: Result) -> dict[str, Any] | None:
    """The first snapshot that covers the modes and hits them; None if there is none."""
    modes = {"ring": 8, "grid": 25}[result.entry.config.data.data]
    for point in result.points:
        found = scores(point)
        if found["modes"] >= GOOD * modes and found["quality"] >= GOOD:
            return point
    return None
