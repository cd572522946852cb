"""Truncation curves as a picture and as CSV, and samples from matched points side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from logan.metrics import titles
from logan.metrics.truncation import Point
from logan.report.canvas import new_figure, save_figure, save_side_by_side
from logan.report.pictures import grid
from logan.report.tables import comma_separated

Curves = Mapping[str, Sequence[Point]]


def as_csv(curves: Curves, count: str, how: Mapping[str, object]) -> str:
    """A line per run and level.

    Args:
        curves: by run.
        count: of generated images, as in metric names: ``10k``.
        how: columns that are the same in every line: detector, its sha256, n_real, seed.
    """
    rows = (
        [name, f"{p.trunc:g}", f"{p.fid:.6g}", f"{p.inception_score:.6g}", *how.values()]
        for name, points in curves.items()
        for p in points
    )
    return comma_separated(["run", "truncation", f"fid{count}", f"is{count}", *how], rows)


def save_plot(path: Path, curves: Curves, marked: Mapping[str, Point], title: str, detector: str | None = None) -> None:
    """IS to the right, FID upwards (logarithmic), one line per run; a ring around the points in ``marked``."""
    from matplotlib.ticker import LogFormatterSciNotation

    figure = new_figure(7, 5)
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
    axes.set(xlabel=titles.title("is", detector), ylabel=titles.title("fid", detector), yscale="log")
    axes.margins(x=0.12)
    axes.yaxis.set_minor_formatter(LogFormatterSciNotation(labelOnlyBase=False, minor_thresholds=(2, 0.5)))
    axes.set_title(title, fontsize=9, loc="left")
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8)
    save_figure(path, figure)


def save_samples(
    path: Path, samples: Mapping[str, tuple[Point, Tensor]], columns: int, detector: str | None = None
) -> None:
    """A grid per run, side by side, with truncation, FID and IS above each."""
    fid, inception_score = titles.title("fid", detector), titles.title("is", detector)
    pictures = {
        f"{name}\ns = {p.trunc:g}\n{fid} {p.fid:.4g}   {inception_score} {p.inception_score:.4g}": grid(images, columns)
        for name, (p, images) in samples.items()
    }
    save_side_by_side(path, pictures, len(pictures), width=5, height=5.8, fontsize=9)
