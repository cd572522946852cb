"""Figures as rows of panels with lines: a PNG to look at, an SVG to print, and a CSV of every number that is drawn."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from logan.files import write_atomically

Numbers = Sequence[float] | np.ndarray
COLUMNS = 3
"""Panels beside each other."""


@dataclass(frozen=True)
class Line:
    """One curve. Lines of one label (the seeds of a method) share a colour, and one entry in the legend.

    Attributes:
        label: what the legend calls it.
        x, y: of equal length; points that are not finite are left out.
        marks: draw points instead of a line.
    """

    label: str
    x: Numbers
    y: Numbers
    marks: bool = False


@dataclass(frozen=True)
class Panel:
    """One pair of axes."""

    title: str
    xlabel: str
    ylabel: str
    lines: Sequence[Line]
    log_x: bool = False
    log_y: bool = False


def save(stem: Path, panels: Sequence[Panel]) -> None:
    """Write ``stem``.png, .svg and .csv."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(len(panels), COLUMNS)
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(6.2 * columns, 4.2 * rows), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    colours: dict[str, str] = {}
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in places[len(panels) :]:
        axes.axis("off")
    for axes, panel in zip(places, panels, strict=False):
        _draw(axes, panel, colours)
    write_atomically(stem.with_suffix(".png"), lambda partial: figure.savefig(partial, format="png"))
    write_atomically(stem.with_suffix(".svg"), lambda partial: figure.savefig(partial, format="svg"))
    text = table(panels)
    write_atomically(stem.with_suffix(".csv"), lambda partial: partial.write_text(text, encoding="utf-8"))


def table(panels: Sequence[Panel]) -> str:
    """CSV: a line per point; lines of one label are numbered."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(["panel", "label", "line", "x", "y"])
    for panel in panels:
        seen: dict[str, int] = {}
        for line in panel.lines:
            number = seen[line.label] = seen.get(line.label, -1) + 1
            out.writerows([panel.title, line.label, number, f"{x:.7g}", f"{y:.7g}"] for x, y in _finite(line))
    return text.getvalue()


def _finite(line: Line) -> list[tuple[float, float]]:
    return [(x, y) for x, y in zip(line.x, line.y, strict=True) if math.isfinite(x) and math.isfinite(y)]


def _draw(axes, panel: Panel, colours: dict[str, str]) -> None:  # type: ignore[no-untyped-def]  # matplotlib has no types
    """``colours``: of the labels, the same in all panels of a figure."""
    named: set[str] = set()
    for line in panel.lines:
        label = None if line.label in named else line.label
        named.add(line.label)
        colour = colours.setdefault(line.label, f"C{len(colours) % 10}")
        points = _finite(line)
        x, y = zip(*points, strict=True) if points else ((), ())
        style = {"linestyle": "none", "marker": ".", "markersize": 4} if line.marks else {"linewidth": 1.2}
        axes.plot(x, y, color=colour, label=label, alpha=0.75, **style)
    axes.set(title=panel.title, xlabel=panel.xlabel, ylabel=panel.ylabel)
    axes.title.set_fontsize(10)
    if panel.log_x:
        axes.set_xscale("log")
    if panel.log_y:
        axes.set_yscale("log")
    axes.grid(alpha=0.25)
    if named:
        axes.legend(fontsize=8)
