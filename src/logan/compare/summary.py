"""A comparison as people read it: a table, curves against steps and against seconds, and a picture per method."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from logan.compare.runs import Result, mean_std
from logan.evaluation import records
from logan.evaluation.records import leading
from logan.files import write_atomically


def by_label(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Results grouped by method, in the order they came in."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(result.entry.label, []).append(result)
    return groups


def score_names(results: Sequence[Result]) -> list[str]:
    """The scores that every run has, the leading one first."""
    names = [n for n in results[0].points[-1]["scores"] if all(n in r.points[-1]["scores"] for r in results)]
    first = leading(dict.fromkeys(names, 0.0))
    return sorted(names, key=lambda n: n != first)


def table(results: Sequence[Result]) -> str:
    """Markdown: mean ± standard deviation over seeds, at the best snapshot (by the leading score) and at the last."""
    names = score_names(results)
    by = names[0]
    head = ["method", "seeds", *(f"{n}, best" for n in names), *(f"{n}, final" for n in names), "best at step",
            "seconds", "ms per step", "collapsed at step"]  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for label, group in by_label(results).items():
        cells = [label, str(len(group))]
        cells += [_cell([r.best(n, by) for r in group]) for n in names]
        cells += [_cell([r.final(n) for r in group]) for n in names]
        cells.append(", ".join(f"{r.best_point(by)['steps']:,}" for r in group))
        last = [r.points[-1] for r in group]
        cells.append(_cell([p["seconds"] for p in last]))
        cells.append(_cell([1000 * p["seconds"] / max(p["steps"], 1) for p in last]))
        cells.append(", ".join("-" if (c := r.collapse(by)) is None else f"{c:,}" for r in group))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def footnote(results: Sequence[Result]) -> str:
    """By what the leading score was measured: it compares with others of the same detector and counts only."""
    run, score = results[0].run, score_names(results)[0]
    files = [path.stem.removeprefix("metric-") for path in run.glob("metric-*.jsonl")]
    last = [r for name in files for r in records.read(run, name) if r.get("in_training") and score in r["results"]][-1]
    if last["detector"] is None:
        return f"\n{last['n_fake']:,} points of the averaged generator at every snapshot.\n"
    return (
        f"\nDetector {last['detector']} {last['detector_sha256'][:12]}, {last['n_real']:,} real images and "
        f"{last['n_fake']:,} of the averaged generator at every snapshot.\n"
    )


def _cell(values: Sequence[float]) -> str:
    mean, std = mean_std(values)
    if not math.isfinite(mean):
        good = [v for v in values if math.isfinite(v)]
        return f"undefined in {len(values) - len(good)} of {len(values)}" if values else "-"
    return f"{_short(mean)}" if math.isnan(std) else f"{_short(mean)} ± {_short(std)}"


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def all_scores(results: Sequence[Result]) -> str:
    """CSV: a line per run, snapshot and score."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(["method", "seed", "images", "steps", "seconds", "score", "value"])
    for r in results:
        for p in r.points:
            for name, value in p["scores"].items():
                shown = "" if value is None else f"{value:.6g}"
                out.writerow(
                    [
                        r.entry.label,
                        r.entry.config.run.seed,
                        p["images"],
                        p["steps"],
                        f"{p['seconds']:.2f}",
                        name,
                        shown,
                    ]
                )
    return text.getvalue()


def save_curves(path: Path, results: Sequence[Result], score: str, against: str) -> None:
    """Mean over seeds as a line, lowest to highest as a band, against ``steps`` or ``seconds``."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for label, group in by_label(results).items():
        curves = [{p["steps"]: (p[against], v) for p, v in r.curve(score)} for r in group]
        common = sorted(set.intersection(*(set(c) for c in curves)))
        length = len(common)
        x = np.array([[c[step][0] for step in common] for c in curves], dtype=float).mean(0)
        y = np.array([[c[step][1] for step in common] for c in curves], dtype=float)
        y[~np.isfinite(y)] = np.nan
        (line,) = axes.plot(x, _mean(y), label=f"{label} ({len(group)})", marker="." if length < 40 else None)
        if len(group) > 1:
            axes.fill_between(x, np.fmin.reduce(y), np.fmax.reduce(y), alpha=0.15, color=line.get_color(), linewidth=0)
    axes.set(xlabel={"steps": "steps of G", "seconds": "seconds of training"}[against], ylabel=score)
    if score.startswith("fid"):
        axes.set_yscale("log")
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, title="method (seeds)", title_fontsize=8)
    write_atomically(path, lambda partial: figure.savefig(partial, format="png", bbox_inches="tight", pad_inches=0.1))


def _mean(y: np.ndarray) -> np.ndarray:
    """Over seeds; NaN from where one has diverged."""
    return y.mean(0)


def save_pictures(path: Path, results: Sequence[Result]) -> None:
    """The last grid of each method's first seed, side by side, with its name above."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    groups = by_label(results)
    columns = min(4, len(groups))
    rows = math.ceil(len(groups) / columns)
    figure = Figure(figsize=(4 * columns, 4.25 * rows), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.axis("off")
    for axis, (label, group) in zip(axes, groups.items(), strict=False):
        grids = sorted(group[0].run.glob("fakes[0-9]*.png"))
        if grids:
            with Image.open(grids[-1]) as picture:
                axis.imshow(np.asarray(picture.convert("RGB")))
        axis.set_title(f"{label}, seed {group[0].entry.config.run.seed}", fontsize=10)
    write_atomically(path, lambda partial: figure.savefig(partial, format="png", bbox_inches="tight", pad_inches=0.1))
