"""Figures as rows of panels with lines: a PNG to look at, an SVG to print, and a CSV of every number that is drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from logan.files import write_text
from logan.report.canvas import new_figure, save_figure
from logan.report.tables import comma_separated

Numbers = Sequence[float] | np.ndarray
COLUMNS = 3
"""Panels beside each other."""
COLOURS = 10
"""Of matplotlib's cycle; labels beyond get the same again, dashed and then dotted."""
DASHES = ("-", "--", ":", "-.")
LEGEND = 9
"""Labels that a legend within the axes may have; more go into one below the figure."""


@dataclass(frozen=True)
class Line:
    """One curve. Lines of one label (the seeds of a method) share a colour, and one entry in the legend.

    Attributes:
        label: what the legend calls it.
        x, y: of equal length; points that are not finite are left out.
        marks: draw points instead of a line.
        thick: draw it thicker than others.
        like: the label whose colour it has, dashed; none for a colour of its own.
    """

    label: str
    x: Numbers
    y: Numbers
    marks: bool = False
    thick: bool = False
    like: str = ""


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
    columns = 2 if len(panels) == 4 else min(len(panels), COLUMNS)
    rows = math.ceil(len(panels) / columns)
    styles = styles_of([line for panel in panels for line in panel.lines])
    below = max(len({line.label for line in panel.lines}) for panel in panels) > LEGEND
    figure = new_figure(6.2 * columns, 4.2 * rows + 0.9 * below)
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in places[len(panels) :]:
        axes.axis("off")
    handles: dict[str, Any] = {}
    for axes, panel in zip(places, panels, strict=False):
        handles |= {k: v for k, v in _draw(axes, panel, styles, legend=not below).items() if k not in handles}
    if below:
        figure.legend(
            handles.values(), handles.keys(), loc="outside lower center", ncols=min(5, 2 * columns), fontsize=9
        )
    save_figure(stem.with_suffix(".png"), figure)
    save_figure(stem.with_suffix(".svg"), figure)
    write_text(stem.with_suffix(".csv"), table(panels))


def styles_of(lines: Sequence[Line]) -> dict[str, tuple[str, str]]:
    """Colour and dashes of each label, the same in all panels of a figure, and no two alike up to forty."""
    own = list(dict.fromkeys(line.like or line.label for line in lines))
    styles = {label: (f"C{i % COLOURS}", DASHES[i // COLOURS % len(DASHES)]) for i, label in enumerate(own)}
    shared = {line.label: (styles[line.like][0], "--") for line in lines if line.like}
    drawn = dict.fromkeys(line.label for line in lines)
    return {label: (styles | shared)[label] for label in drawn}


def table(panels: Sequence[Panel]) -> str:
    """CSV: a line per point; lines of one label are numbered."""
    rows: list[tuple[object, ...]] = []
    for panel in panels:
        seen: dict[str, int] = {}
        for line in panel.lines:
            number = seen[line.label] = seen.get(line.label, -1) + 1
            rows += [(panel.title, line.label, number, f"{x:.7g}", f"{y:.7g}") for x, y in _finite(line)]
    return comma_separated(["panel", "label", "line", "x", "y"], rows)


def _finite(line: Line) -> list[tuple[float, float]]:
    return [(x, y) for x, y in zip(line.x, line.y, strict=True) if math.isfinite(x) and math.isfinite(y)]


def _draw(axes: Any, panel: Panel, styles: dict[str, tuple[str, str]], legend: bool) -> dict[str, Any]:
    """Draw a panel; returns what stands for each label in a legend."""
    handles: dict[str, Any] = {}
    for line in panel.lines:
        colour, dashes = styles[line.label]
        points = _finite(line)
        x, y = zip(*points, strict=True) if points else ((), ())
        style: dict[str, Any] = {"linestyle": dashes, "linewidth": 2.4 if line.thick else 1.2}
        if line.marks:
            style = {"linestyle": "none", "marker": ".", "markersize": 4}
        (drawn,) = axes.plot(x, y, color=colour, alpha=0.75, **style)
        handles.setdefault(line.label, drawn)
    axes.set(title=panel.title, xlabel=panel.xlabel, ylabel=panel.ylabel)
    axes.title.set_fontsize(10)
    if panel.log_x:
        axes.set_xscale("log")
    if panel.log_y:
        axes.set_yscale("log")
    axes.grid(alpha=0.25)
    if handles and legend:
        axes.legend(handles.values(), handles.keys(), fontsize=8)
    return handles
