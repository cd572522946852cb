"""Curves and pictures of games played in lockstep."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from logan.report.canvas import new_figure, save_figure

PANELS = (("fid", "FID by the classifier", "log"), ("is", "IS by the classifier", "linear"),
          ("grad_z_squared", "‖g‖² (mean)", "log"), ("delta_z", "‖Δz‖ (mean)", "linear"),
          ("d_loss", "D's loss", "linear"), ("g_loss", "G's loss", "linear"))  # fmt: skip
COLUMNS = 3
SIDE = 8
"""Pictures a side, of those shown of a method."""
ALTERNATING = ":update=alternating"


def save_curves(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Each quantity that the rows have, against steps: a colour per method, dashed where updates alternate."""
    drawn = [(name, title, scale) for start, title, scale in PANELS if (name := _name(rows, start))]
    lines = -(-len(drawn) // COLUMNS)
    figure = new_figure(5 * COLUMNS, 3.3 * lines + 0.4)
    places = figure.subplots(lines, COLUMNS, squeeze=False).ravel()
    for axes in places[len(drawn) :]:
        axes.axis("off")
    methods = list(dict.fromkeys(row["method"] for row in rows))
    colours = list(dict.fromkeys(method.removesuffix(ALTERNATING) for method in methods))
    handles: dict[str, Any] = {}
    for axes, (name, title, scale) in zip(places, drawn, strict=False):
        for method in methods:
            points = [(r["steps"], r[name]) for r in rows if r["method"] == method and _finite(r.get(name))]
            if points:
                dash, colour = "--" if ALTERNATING in method else "-", colours.index(method.removesuffix(ALTERNATING))
                (line,) = axes.plot(*zip(*points, strict=True), dash, color=f"C{colour}", marker=".", linewidth=1.2)
                handles.setdefault(method, line)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("steps")
        axes.set_yscale(scale)
        axes.grid(alpha=0.25)
    names = [named(method) for method in handles]
    figure.legend(handles.values(), names, loc="outside lower center", ncols=min(6, len(names)), fontsize=9)
    save_figure(path, figure)


def named(method: str) -> str:
    """A method's name for people."""
    return method.replace(ALTERNATING, ", alternating")


def _name(rows: Sequence[Mapping[str, Any]], start: str) -> str | None:
    """The quantity's name in the rows: fid10k for fid."""
    names = dict.fromkeys(name for row in rows for name in row)
    exact = [n for n in names if n == start or (n.startswith(start) and n[len(start) :][:1].isdigit())]
    return exact[0] if exact else None


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def save_pictures(path: Path, files: Mapping[str, Path], steps: int) -> None:
    """A part of each method's grid of samples, its name above."""
    grids = {
        name: _corner(Image.open(file, formats=["PNG"]).convert("RGB")) for name, file in files.items() if file.exists()
    }
    columns = min(COLUMNS, len(grids))
    lines = -(-len(grids) // columns)
    width, height = next(iter(grids.values())).size
    figure = new_figure(4 * columns, (4 * height / width + 0.3) * lines, dpi=round(max(110, width / 4)))
    places = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in places:
        axes.axis("off")
    for axes, (name, grid) in zip(places, grids.items(), strict=False):
        axes.imshow(grid, interpolation="none")
        axes.set_title(named(name), fontsize=9)
    figure.suptitle(f"after {steps:,} steps", fontsize=10)
    save_figure(path, figure)


def _corner(grid: Image.Image) -> Image.Image:
    """The upper left of a grid of ten by ten."""
    side = grid.width * SIDE // 10
    return grid.crop((0, 0, side, min(side, grid.height)))
