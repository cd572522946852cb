"""``training-curves.png``: the log of a run as a person would rather see it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from logan.metrics import titles
from logan.report.canvas import new_figure, save_figure
from logan.sampling.measured_by import measured_by

PANELS = (
    ("losses", ("d_loss", "g_loss"), "linear"),
    ("mean scores", ("real_score", "fake_score"), "linear"),
    ("‖g‖² (mean)", ("grad_z_squared",), "log"),
    ("‖Δz‖ (mean) and score gained by the move", ("delta_z", "score_gain"), "linear"),
)


def save_curves(path: Path, records: list[dict[str, Any]]) -> None:
    """Draw the panels that ``records`` (lines of ``stats.jsonl``) have values for, against thousands of images.

    Scores are named with the detector that the files beside ``path`` name.
    """
    detectors = measured_by(path.parent)
    measured = list(records[-1].get("metrics", {})) if records else []
    panels = [p for p in PANELS if any(name in r for r in records for name in p[1])]
    rows = len(panels) + len(measured)
    if not rows:
        return
    figure = new_figure(8, 2.2 * rows, dpi=100)
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    for axis, (title, names, scale) in zip(axes, panels, strict=False):
        for name in names:
            points = [(r["kimg"], r[name]) for r in records if r.get(name) is not None]
            if points:
                axis.plot(*zip(*points, strict=True), label=name, marker="." if len(points) < 30 else None)
        axis.set_title(title, fontsize=10, loc="left")
        axis.set_yscale(scale)
        axis.legend(fontsize=8)
    for axis, name in zip(axes[len(panels) :], measured, strict=True):
        points = [(r["kimg"], r["metrics"][name]) for r in records if r.get("metrics", {}).get(name) is not None]
        if points:
            axis.plot(*zip(*points, strict=True), marker=".")
            axis.set_yscale("log" if _falls_far([value for _, value in points]) else "linear")
        count = f", {titles.count(name)} samples" if titles.count(name) else ""
        axis.set_title(titles.title(name, list(detectors.get(name, ()))) + count, fontsize=10, loc="left")
    axes[-1].set_xlabel("thousands of real images")
    save_figure(path, figure)


def _falls_far(values: list[float]) -> bool:
    """Whether the last snapshots would look alike on a linear scale, as an FID of 13 and 20 beside a first one of 1000."""
    return min(values) > 0 and values[0] > 20 * min(values)
