"""What runs of latent optimisation beside SGA and others show of it as an approximation of SGA: a figure and a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from logan.compare.runs import Result
from logan.compare.seeds import mean_and_spread, say
from logan.compare.summary import by_label
from logan.paper.dynamics_cost import TimedStep
from logan.paper.mixture_claims import good_modes, scores
from logan.report.panels import Line, Panel

SUBJECTS = ("none", "ngd", "sga")
"""Whom the verdict is about: drawn thicker."""
PAPER = (
    "The paper has no run with SGA. It argues (section 3.1, appendix B) that latent optimisation approximates symplectic gradient "
    "adjustment, and so steadies the game as SGA does, without SGA's expense."
)


def panels(results: Sequence[Result], costs: Mapping[str, TimedStep]) -> list[Panel]:
    """Modes and quality over steps, and good modes over seconds of such steps; of each method the mean over its seeds."""
    modes, quality, both = [], [], []
    for label, group in by_label(results).items():
        thick = label in SUBJECTS
        steps, means = _means(group)
        modes.append(Line(label, steps, means["modes"], thick=thick))
        quality.append(Line(label, steps, means["quality"], thick=thick))
        both.append(Line(label, steps * costs[label].ms / 1000, means["good modes"], thick=thick))
    return [
        Panel("modes covered", "steps of G", "mean over the seeds", modes),
        Panel("quality", "steps of G", "share of the points on a mode", quality),
        Panel("modes × quality", "seconds: steps × median time of one", "mean over the seeds", both),
    ]


def _means(group: Sequence[Result]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The steps that all seeds have, and means there; a seed that has diverged covers nothing."""
    curves = [{p["steps"]: p for p in r.points} for r in group]
    common = sorted(set.intersection(*map(set, curves)))
    seen = [[scores(c[s]) | {"good modes": good_modes(c[s])} for s in common] for c in curves]
    means = {name: np.nan_to_num([[p[name] for p in curve] for curve in seen]).mean(0) for name in seen[0][0]}
    return np.array(common, dtype=float), means


def verdict(results: Sequence[Result], costs: Mapping[str, TimedStep]) -> str:
    """Markdown: what the paper says of LOGAN and SGA, and whether these runs agree, in their ends and their costs.

    A method is better if its good modes (modes covered times the share of points on a mode) at the end are, by
    :func:`logan.compare.seeds.say`.
    """
    ends = {label: [good_modes(r.points[-1]) for r in group] for label, group in by_label(results).items()}
    if "ngd" not in ends:
        return f"{PAPER} Here: ngd is not among the methods, and there is nothing to check.\n"
    lines = [f"{PAPER} Here, in modes × quality at the end, ngd {mean_and_spread(ends['ngd'], '.2f')}:\n"]
    lines += _ngd_against(ends)
    if "sga" in ends and "none" in ends:
        said = say(ends["sga"], ends["none"])
        lines.append(f"- that SGA itself, which ngd is to approximate, ends better than none **{said}**")
    if "sga" in costs:
        lines.append(_cost(costs["ngd"], costs["sga"]))
    return "\n".join(lines) + "\n"


def _ngd_against(ends: Mapping[str, Sequence[float]]) -> list[str]:
    """A line for each answer to whether ngd ends better, with the others to whom it is the answer."""
    said: dict[str, list[str]] = {}
    for label, values in ends.items():
        if label != "ngd":
            said.setdefault(say(ends["ngd"], values), []).append(f"{label} ({mean_and_spread(values, '.2f')})")
    return [f"- that ngd ends better than {'; '.join(others)} **{answer}**" for answer, others in said.items()]


def _cost(ngd: TimedStep, sga: TimedStep) -> str:
    ratios = [a / b for a, b in zip(ngd.times, sga.times, strict=True)]
    less = sum(r < 1 for r in ratios)
    answer = {len(ratios): "holds", 0: "is contradicted"}.get(less, "is not decided")
    return (
        f"- that ngd's step costs less time than SGA's **{answer}**: {np.median(ratios):.2f} times SGA's (less in {less} of "
        f"{len(ratios)} rounds; {ngd.ms:.2f} and {sga.ms:.2f} ms), and {ngd.memory / sga.memory:.2f} times its memory"
    )
