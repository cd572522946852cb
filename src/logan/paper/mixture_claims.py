"""What runs on a mixture say about three claims of the paper, in sentences with numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from logan.compare.runs import Result
from logan.compare.seeds import mean_and_spread, say
from logan.compare.summary import by_label
from logan.config import presets

ABLATIONS = {
    "ngd:stop-gradient=generator": "without G's second-order term",
    "ngd:stop-gradient=discriminator": "without D's",
    "ngd:stop-gradient=both": "without either",
}


def verdict(results: Sequence[Result]) -> str:
    """Markdown: a line per claim, only for the methods that were run.

    Claims: latent optimisation helps (section 5); NGD more than GD (5.2); neither second-order term can be missed
    (Figure 5b). A difference counts if the two groups of final values do not overlap, from three seeds each on.
    """
    groups = by_label(results)
    pairs = [("ngd", "none", "latent optimisation helps"), ("gd", "none", "latent optimisation helps, by plain descent"),
             ("ngd", "gd", "natural gradient descent does better than gradient descent")]  # fmt: skip
    pairs += [("ngd", name, f"the second-order terms matter: {what} it is worse") for name, what in ABLATIONS.items()]
    lines = [
        f"- {claim}: {_compare(groups[better], groups[worse], better, worse)}"
        for better, worse, claim in pairs
        if better in groups and worse in groups
    ]
    return "\n".join([_head(results), *(lines or ["No two methods of these make a claim to check."])]) + "\n"


def _head(results: Sequence[Result]) -> str:
    config = results[0].entry.config
    full = presets.get(config.preset, config.latent.latent).run.kimg
    short = f" **Shortened** from {full:,}: this says nothing about the claims." if config.run.kimg < full else ""
    return (
        f"{len({r.entry.config.run.seed for r in results})} seeds, {config.run.kimg:,} kimg.{short} Good modes: modes covered "
        f"times the share of points on a mode.\n"
    )


def _compare(better: Sequence[Result], worse: Sequence[Result], name: str, other: str) -> str:
    a, b = ([good_modes(r.points[-1]) for r in group] for group in (better, worse))
    return f"**{say(a, b)}** (good modes at the end: {name} {mean_and_spread(a, '.2f')}, {other} {mean_and_spread(b, '.2f')})"


def scores(point: dict[str, Any]) -> dict[str, float]:
    """A snapshot's scores by kind: modes, quality, reverse_kl; NaN where the run had diverged."""
    return {k.rstrip("0123456789k"): math.nan if v is None else v for k, v in point["scores"].items()}


def good_modes(point: dict[str, Any]) -> float:
    """Modes covered times the share of points on a mode: what is both there and good; nothing where the run had diverged."""
    found = scores(point)
    product = found["modes"] * found["quality"]
    return product if math.isfinite(product) else 0.0
