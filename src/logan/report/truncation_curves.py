"""Truncation curves as a picture and as CSV, and samples from matched points side by side."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from logan.files import write_atomically
from logan.metrics.truncation import Point
from logan.report.pictures import grid

Curves = Mapping[str, Sequence[Point]]


def as_csv(curves: Curves, count: str, how: Mapping[str, object]) -> str:
    """A line per run and level.

    Args:
        curves: by run.
        count: of generated images, as in metric names: ``10k``.
        how: columns that are the same in every line: detector, its sha256, n_real, seed.
    """
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(["run", "truncation", f"fid{count}", f"is{count}", *how])
    for name, points in curves.items():
        out.writerows([name, f"{p.trunc:g}", f"{p.fid:.6g}", f"{p.inception_score:.6g}", *how.values()] for p in points)
    return text.getvalue()


def save_plot(path: Path, curves: Curves, marked: Mapping[str, Point], title: str) -> None:
    """IS to the right, FID upwards (logarithmic), one line per run; a ring around the points in ``marked``."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogFormatterSciNotation

    figure = Figure(figsize=(7, 5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for name, points in curves.items():
        x, y = [p.inception_score for p in points], [p.fid for p in points]
        (line,) = axes.plot(x, y, marker=".", label=name)
        for p in (points[0], points[-1]):
            axes.annotate(
                f"s = {p.trunc:g}", (p.inception_score, p.fid), fontsize=7, xytext=(4, 4), textcoords="offset points"
            )
        if name in marked:
            p = marked[name]
            axes.plot(p.inception_score, p.fid, "o", markersize=12, markerfacecolor="none", color=line.get_color())
    axes.set(xlabel="IS", ylabel="FID", yscale="log")
    axes.margins(x=0.12)
    axes.yaxis.set_minor_formatter(LogFormatterSciNotation(labelOnlyBase=False, minor_thresholds=(2, 0.5)))
    axes.set_title(title, fontsize=9, loc="left")
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8)
    write_atomically(path, lambda partial: figure.savefig(partial, format="png"))


def save_samples(path: Path, samples: Mapping[str, tuple[Point, Tensor]], columns: int) -> None:
    """A grid per run, side by side, with truncation, FID and IS above each."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * len(samples), 5.8), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    for axis, (name, (p, images)) in zip(
        figure.subplots(1, len(samples), squeeze=False)[0], samples.items(), strict=True
    ):
        axis.imshow(np.asarray(grid(images, columns).convert("RGB")))
        axis.set_title(f"{name}\ns = {p.trunc:g}   FID {p.fid:.4g}   IS {p.inception_score:.4g}", fontsize=9)
        axis.axis("off")
    write_atomically(path, lambda partial: figure.savefig(partial, format="png", bbox_inches="tight", pad_inches=0.1))
