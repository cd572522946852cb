"""The figures of the paper about training itself, from runs with a probe: what is drawn, and what it says.

Each function takes the runs and returns the panels and a verdict: a sentence on what the paper shows, and one on whether these
runs agree, with the numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from logan.analysis.movement import WINDOW, moving_average, normalised
from logan.analysis.scaling import curvature, scaling
from logan.compare.runs import Result
from logan.compare.seeds import mean_and_spread, say
from logan.compare.summary import by_label, score_names
from logan.errors import InputError
from logan.evaluation.names import lower_is_better
from logan.paper.mixture_claims import ABLATIONS
from logan.report.panels import Line, Panel
from logan.training import folder

FEWEST_LOOKS = 2 * WINDOW
"""Of a run that is drawn."""
BETAS = (0.1, 1.0, 5.0, 50.0)
"""Of figure 4a, beside the run's own: appendix E's, one in between, section 5.1's, and one for steep f."""

Figure = tuple[list[Panel], str]
"""The panels, and the verdict."""


def probes(result: Result, fewest: int = FEWEST_LOOKS) -> list[dict[str, Any]]:
    """What a run's probe saw, in order.

    Args:
        result: a run with a probe.
        fewest: how many looks the figure needs; :data:`FEWEST_LOOKS` if it has moving averages.

    Raises:
        InputError: if there are fewer.
    """
    found = [p for record in folder.read_stats(result.run) for p in record.get("probe", [])]
    if len(found) < fewest:
        raise InputError(
            f"{result.run} has {len(found)} looks of a probe, and the figure needs {fewest}: pass a smaller `probe`"
        )
    return found


def series(seen: Sequence[dict[str, Any]], name: str) -> np.ndarray:
    """One quantity over the looks; NaN where it was not finite."""
    return np.array([np.nan if p.get(name) is None else p[name] for p in seen], dtype=float)


def figure4a(results: Sequence[Result]) -> Figure:
    """NGD's scaling α/(β + ‖g‖²) and its curvature estimate against ‖g‖; on the curves, where a run has been."""
    runs = [r for r in results if r.entry.label == "ngd"]
    step = runs[0].entry.config.latent
    seen = [probes(r) for r in runs]
    norms = [series(p, "norm_g") for p in seen]
    low, high = np.nanmin(np.concatenate(norms)), np.nanmax(np.concatenate(norms))
    x = torch.logspace(np.log10(max(min(low, 0.1), 1e-3)), np.log10(max(high, 10.0)), 200)
    panels = []
    for title, ylabel, f, name in (
        ("scaling of the gradient", "α / (β + ‖g‖²)", lambda n, b: scaling(n, step.alpha, b), "scale"),
        ("estimate of the curvature", "C = 1 / (β + ‖g‖²)", curvature, "curvature"),
    ):
        curves = [Line(f"β = {b:g}", x.tolist(), f(x, b).tolist()) for b in sorted({*BETAS, step.beta})]
        marks = [
            Line(f"these runs, β = {step.beta:g}", n, series(p, name), True) for n, p in zip(norms, seen, strict=True)
        ]
        panels.append(Panel(title, "‖g‖", ylabel, [*curves, *marks], log_x=True, log_y=True))
    over = [Line("‖g‖", series(p, "steps"), n) for p, n in zip(seen, norms, strict=True)]
    over += [Line("‖Δz‖", series(p, "steps"), series(p, "delta_z")) for p in seen]
    panels.append(Panel("the two over the training", "steps of G", "mean over the batch", over, log_y=True))
    steep = [float((n**2 > step.beta).mean()) for n in norms]
    verdict = (
        "The paper: the larger the gradient, the more natural gradient descent scales it down, which smooths the moves of z. "
        f"Here: ‖g‖, a mean over the batch, lay between {low:.2g} and {high:.2g}; ‖g‖² exceeded β = {step.beta:g}, where a larger "
        f"gradient makes a smaller move, in this share of the looks: {mean_and_spread(steep)}. The deviation of ln ‖g‖ over the "
        f"training was {mean_and_spread([_log_spread(n) for n in norms])}; of ln ‖Δz‖, which by equation 12 cannot be greater, "
        f"{mean_and_spread([_log_spread(series(p, 'delta_z')) for p in seen])}."
    )
    return panels, verdict


def figure4b(results: Sequence[Result]) -> Figure:
    """‖Δθ_D‖ − ‖Δθ_G‖ per step, smoothed with a window of 20."""
    lines: list[Line] = []
    means: dict[str, list[float]] = {}
    rough: dict[str, list[float]] = {}
    for label, group in by_label(results).items():
        seen = [probes(r) for r in group]
        leads = [series(p, "d_update") - series(p, "g_update") for p in seen]
        steps = [series(p, "steps")[WINDOW - 1 :] for p in seen]
        lines += [Line(label, x, moving_average(y, WINDOW)) for x, y in zip(steps, leads, strict=True)]
        means[label] = [float(lead.mean()) for lead in leads]  # NaN where a run has diverged
        rough[label] = [float(np.diff(lead).std()) for lead in leads]
    said = [
        f"that D's lead is larger with {label} than without **{say(means[label], means['none'])}** ({label} "
        f"{mean_and_spread(means[label])}; none {mean_and_spread(means['none'])})"
        for label in ("ngd", "gd")
        if label in means and "none" in means
    ]
    if "ngd" in rough and "gd" in rough:
        said.append(
            f"that gd's steps are rougher than ngd's **{say(rough['gd'], rough['ngd'])}** (deviation of the difference from "
            f"one look to the next: gd {mean_and_spread(rough['gd'])}; ngd {mean_and_spread(rough['ngd'])})"
        )
    verdict = (
        "The paper: latent optimisation speeds D up against G, and natural gradient descent smooths it. Here, in means over "
        f"the run of ‖Δθ_D‖ − ‖Δθ_G‖: {'; '.join(said) or 'no two methods of these make a claim to check'}."
    )
    return [
        Panel("speed of D over that of G", "steps of G", f"‖Δθ_D‖ − ‖Δθ_G‖, mean of {WINDOW} looks", lines)
    ], verdict


def figure5a(results: Sequence[Result]) -> Figure:
    """‖Δz‖ and |f(z + Δz) − f(z)| over the training, normalised as in appendix D, and as they are."""
    runs = [r for r in results if r.entry.label == "ngd"]
    names = {"delta_z": "‖Δz‖", "delta_f": "|f(z + Δz) − f(z)|"}
    raw: list[Line] = []
    scaled: list[Line] = []
    growth: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for name, label in names.items():
        for r in runs:
            seen = probes(r)
            values, steps = series(seen, name), series(seen, "steps")
            over = normalised(values, WINDOW)
            raw.append(Line(label, steps, values))
            scaled.append(Line(label, steps[: len(over)], over))
            growth[name].append((_growth(over, values), _growth(values, values)))
    panels = [
        Panel(f"over their deviation in {WINDOW} looks (appendix D)", "steps of G", "x / σ", scaled, log_y=True),
        Panel("as they are", "steps of G", "mean over the batch", raw, log_y=True),
    ]
    said = [_grew_and_kept(*([pair[i] for pair in growth[name]] for name in ("delta_z", "delta_f"))) for i in range(2)]
    verdict = (
        "The paper: the move of z in its own space grows until training collapses, and in D's space stays what it was. Here, "
        "mean of the last quarter of the training over that of the first, normalised as the figure draws them (appendix D): "
        f"{said[0]}. As they are: {said[1]}. The two differ where a sequence's noise grows or shrinks "
        "by another factor than the sequence."
    )
    return panels, verdict


def _grew_and_kept(moves: Sequence[float], gains: Sequence[float]) -> str:
    """How much ‖Δz‖ and |f(z + Δz) − f(z)| grew in each seed, and in how many as the paper has it."""
    grew, kept = sum(g > 2 for g in moves), sum(0.5 <= g <= 2 for g in gains)
    return (
        f"‖Δz‖ {mean_and_spread(moves)} (**more than doubled in {grew} of {len(moves)} seeds**); |f(z + Δz) − f(z)| "
        f"{mean_and_spread(gains)} (**within a factor of two in {kept} of {len(gains)}**)"
    )


def figure5b(results: Sequence[Result]) -> Figure:
    """The leading score over the training, with both second-order terms and with one or both stopped."""
    by = score_names(results)[0]
    groups = by_label(results)
    lines = [
        Line(label, [p["steps"] for p, _ in r.curve(by)], [value for _, value in r.curve(by)])
        for label, group in groups.items()
        for r in group
    ]
    low = lower_is_better(by)
    sign = -1 if low else 1
    full = [sign * r.final(by) for r in groups["ngd"]]
    said = []
    for label, what in ABLATIONS.items():
        if label in groups:
            cut = [sign * r.final(by) for r in groups[label]]
            collapsed = sum(r.collapse(by) is not None for r in groups[label])
            worse = f"{sum(v < min(full) for v in cut)} of {len(cut)} seeds end worse than all with both terms"
            said.append(
                f"{what}, {collapsed} of {len(cut)} collapsed and {worse} (that it is worse **{say(full, cut)}**)"
            )
    whole = [r.collapse(by) is not None for r in groups["ngd"]]
    said.insert(0, f"with both terms, {sum(whole)} of {len(whole)} collapsed")
    finals = "; ".join(f"{label} {mean_and_spread([r.final(by) for r in group])}" for label, group in groups.items())
    verdict = (
        "The paper: with either second-order term stopped, or both, training collapses early. Here: "
        f"{'; '.join(said)}. {by} at the end: {finals}. Collapsed: from some snapshot on never again within a factor of two "
        "of the best before. With both terms stopped half of the effect remains, through z′ (docs/theory.md)."
    )
    return [Panel(f"{by}, with second-order terms stopped", "steps of G", by, lines, log_y=low)], verdict


FIGURES = {figure.__name__: figure for figure in (figure4a, figure4b, figure5a, figure5b)}
METHODS = {
    "figure4a": ("ngd",),
    "figure4b": ("none", "gd", "ngd"),
    "figure5a": ("ngd",),
    "figure5b": ("none", "ngd", *ABLATIONS),
}
"""Whose runs each figure needs."""


def _log_spread(values: np.ndarray) -> float:
    return float(np.log(values[values > 0]).std()) if (values > 0).any() else np.nan


def _growth(values: np.ndarray, raw: np.ndarray) -> float:
    """Mean of the last quarter over that of the first; NaN if the run has diverged, by the raw values.

    A normalised value that is not finite, in a window of equal values, is left out.
    """
    n = len(values) // 4
    first, last = (part[np.isfinite(part)] for part in (values[:n], values[-n:]))
    if not (np.isfinite(raw).all() and len(first) and len(last)):
        return np.nan
    return float(last.mean() / first.mean())
