"""Latent optimisation beside the methods of :mod:`logan.dynamics`, on a mixture: modes, quality, and what they cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from logan.bench.counting import peak_memory
from logan.bench.steps import Played, Variant
from logan.evaluation.comparison import Result, mean_std
from logan.evaluation.seeds import mean_and_spread
from logan.report.comparison import by_label

METHODS = ("none", "none:d-lr=4e-3", "gd", "ngd", "ngd:stop-gradient=both", "sga", "sga-aligned", "three-player",
           "consensus", "unrolled", "extragradient", "optimistic", "gradient-penalty")  # fmt: skip
"""Everything; none with D's rate four times G's is the baseline of two time scales (Heusel et al. 2017)."""
GOOD = 0.9
"""Share of the points on a mode, and of the modes covered, at which a generator is called good."""


def table(results: Sequence[Result]) -> str:
    """Markdown: a row per method. Steps and seconds are those at the first snapshot that is good, in the seeds that have one."""
    head = ["method", "seeds", "modes, final", "quality, final", f"first {GOOD:.0%} good: steps", "seconds",
            "ms per step", "memory of a step, MiB"]  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for label, group in by_label(results).items():
        last = [scores(r.points[-1]) for r in group]
        good = [p for r in group if (p := first_good(r)) is not None]
        reached = f" ({len(good)} of {len(group)})" if good else ""
        cells = [
            label,
            str(len(group)),
            mean_and_spread([s["modes"] for s in last]),
            mean_and_spread([s["quality"] for s in last], ".2f"),
            f"{mean_std([p['steps'] for p in good])[0]:,.0f}{reached}" if good else f"none of {len(group)}",
            f"{mean_std([p['seconds'] for p in good])[0]:.0f}" if good else "-",
            f"{mean_std([1000 * r.points[-1]['seconds'] / r.points[-1]['steps'] for r in group])[0]:.2f}",
            f"{memory(group[0]):.1f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    c = results[0].entry.config
    return "\n".join(lines) + (
        f"\n\n{c.run.kimg:,} kimg ({c.run.kimg * 1000 // c.game.batch:,} steps of {c.game.batch}), scored at every snapshot. Good: "
        f"at least {GOOD:.0%} of the modes, and of the points on one. Memory: the most allocated in a step beyond weights, "
        f"buffers and optimisers.\n"
    )


def scores(point: dict[str, Any]) -> dict[str, float]:
    """A snapshot's scores by kind: modes, quality."""
    return {k.rstrip("0123456789k"): math.nan if v is None else v for k, v in point["scores"].items()}


def first_good(result: Result) -> dict[str, Any] | None:
    """The first snapshot that covers the modes and hits them; None if there is none."""
    modes = {"ring": 8, "grid": 25}[result.entry.config.data.data]
    for point in result.points:
        found = scores(point)
        if found["modes"] >= GOOD * modes and found["quality"] >= GOOD:
            return point
    return None


def memory(result: Result) -> float:
    """MiB that one step allocates at the most, on a batch like the run's."""
    config = result.entry.config
    engine = "recorded" if config.run.engine == "auto" else config.run.engine
    played = Played(config, Variant(config.latent.latent, engine, config.game.precision))
    return peak_memory(played.step, played.device) / 2**20
