"""A comparison as people read it: a table, curves against steps and against seconds, and a picture per method."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from logan.compare.runs import Result, mean_std
from logan.data.bounds import MOST_BYTES
from logan.data.images import decode
from logan.errors import InputError, first_line
from logan.evaluation import records
from logan.evaluation.records import leading
from logan.regular import read_regular
from logan.report.canvas import new_figure, save_figure, save_side_by_side
from logan.report.tables import comma_separated, markdown

SHOWN = 2048
"""Pixels of a side of a run's picture, at most."""


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
    rows = []
    for label, group in by_label(results).items():
        cells = [label, str(len(group))]
        cells += [_cell([r.best(n, by) for r in group]) for n in names]
        cells += [_cell([r.final(n) for r in group]) for n in names]
        cells.append(", ".join(f"{r.best_point(by)['steps']:,}" for r in group))
        last = [r.points[-1] for r in group]
        cells.append(_cell([p["seconds"] for p in last]))
        cells.append(_cell([1000 * p["seconds"] / max(p["steps"], 1) for p in last]))
        cells.append(", ".join("-" if (c := r.collapse(by)) is None else f"{c:,}" for r in group))
        rows.append(cells)
    return markdown(head, rows)


def footnote(results: Sequence[Result]) -> str:
    """By what the leading score was measured: it compares with others of the same detector and counts only."""
    run, score = results[0].run, score_names(results)[0]
    known = {"detector", "detector_sha256", "n_real", "n_fake"}
    measured = [r for r in records.in_training(run) if score in r["results"] and known <= r.keys()]
    if not measured:
        return ""
    last = measured[-1]
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
    rows: list[list[object]] = []
    for r in results:
        for p in r.points:
            where = [r.entry.label, r.entry.config.run.seed, p["images"], p["steps"], f"{p['seconds']:.2f}"]
            rows += [[*where, name, "" if v is None else f"{v:.6g}"] for name, v in p["scores"].items()]
    return comma_separated(["method", "seed", "images", "steps", "seconds", "score", "value"], rows)


def save_curves(path: Path, results: Sequence[Result], score: str, against: str) -> None:
    """Mean over seeds as a line, lowest to highest as a band, against ``steps`` or ``seconds``."""
    figure = new_figure(8, 4.5)
    axes = figure.subplots()
    for label, group in by_label(results).items():
        curves = [{p["steps"]: (p[against], v) for p, v in r.curve(score)} for r in group]
        common = sorted(set.intersection(*(set(c) for c in curves)))
        length = len(common)
        x = np.array([[c[step][0] for step in common] for c in curves], dtype=float).mean(0)
        y = np.array([[c[step][1] for step in common] for c in curves], dtype=float)
        y[~np.isfinite(y)] = np.nan  # as the mean is, from where a seed has diverged
        (line,) = axes.plot(x, y.mean(0), label=f"{label} ({len(group)})", marker="." if length < 40 else None)
        if len(group) > 1:
            axes.fill_between(x, np.fmin.reduce(y), np.fmax.reduce(y), alpha=0.15, color=line.get_color(), linewidth=0)
    measured = records.in_training(results[0].run) if results[0].run.is_dir() else []
    by = next((r["detector"] for r in measured if score in r["results"] and r.get("detector")), None)
    label = score if by is None else f"{score}, by {by}"
    axes.set(xlabel={"steps": "steps of G", "seconds": "seconds of training"}[against], ylabel=label)
    if score.startswith("fid"):
        axes.set_yscale("log")
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, title="method (seeds)", title_fontsize=8)
    save_figure(path, figure, crop=True)


def save_pictures(path: Path, results: Sequence[Result], say: Callable[[str], None] = lambda message: None) -> None:
    """The last grid of each method's first seed, side by side, with its name above; ``say`` is told of one that is broken."""
    pictures = {}
    for label, group in by_label(results).items():
        grids = sorted(group[0].run.glob("fakes[0-9]*.png"))
        name = f"{label}, seed {group[0].entry.config.run.seed}"
        pictures[name] = _picture(grids[-1], say) if grids else None
    save_side_by_side(path, pictures, min(4, len(pictures)), width=4, height=4.25, fontsize=10)


def _picture(path: Path, say: Callable[[str], None]) -> Image.Image | None:
    """An ornament, so a broken one is left out. As large as it is shown: several may be as large as pictures may be."""
    try:
        picture = decode(read_regular(path, MOST_BYTES), str(path))
    except (InputError, OSError) as error:
        say(f"left out of the pictures: {first_line(error)}")
        return None
    picture.thumbnail((SHOWN, SHOWN))
    return picture
