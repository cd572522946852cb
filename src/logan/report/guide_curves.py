"""What D's help costs and brings, as a picture and as CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from logan.report.canvas import new_figure, save_figure
from logan.report.tables import comma_separated


@dataclass(frozen=True)
class Helped:
    """One guide at one number of steps.

    Attributes:
        steps: of the guide; 0 is none.
        evaluations: passes through D∘G per image.
        seconds: per image, drawing it included.
        scores: by name.
        settings, calibration: of the guide, as measured.
    """

    steps: int
    evaluations: float
    seconds: float
    scores: Mapping[str, float]
    settings: Mapping[str, object] = field(default_factory=dict)
    calibration: Mapping[str, object] = field(default_factory=dict)


Lines = Mapping[tuple[str, str], Sequence[Helped]]
"""By run and guide."""
STYLES = ("-", "--", ":", "-.")
"""Of runs; guides have the colours and the marks."""
MARKS = "osD^v*"


def as_csv(lines: Lines, how: Mapping[str, object]) -> str:
    """A line per run, guide and number of steps; ``how`` are columns that are the same in every line."""
    names = list(next(iter(lines.values()))[0].scores)
    rows = (
        [run, guide, p.steps, f"{p.evaluations:.6g}", f"{1000 * p.seconds:.6g}"]
        + [f"{p.scores[name]:.6g}" for name in names]
        + [" ".join(f"{k}={v}" for k, v in found.items()) for found in (p.settings, p.calibration)]
        + list(how.values())
        for (run, guide), points in lines.items()
        for p in points
    )
    return comma_separated(
        ["run", "guide", "steps", "evaluations", "ms_per_image", *names, "settings", "calibration", *how], rows
    )


def save_plot(path: Path, lines: Lines, names: Mapping[str, str], title: str) -> None:
    """A row of axes per score: against passes through D∘G on the left, against milliseconds per image on the right.

    Args:
        path, lines, title: of the figure.
        names: of the scores that are drawn, and what they are called there.
    """
    runs, guides = (list(dict.fromkeys(key[i] for key in lines)) for i in (0, 1))
    figure = new_figure(9, 2.6 * len(names) + 0.6)
    axes = figure.subplots(len(names), 2, squeeze=False, sharey="row")
    for row, (name, label) in zip(axes, names.items(), strict=True):
        for (run, guide), points in lines.items():
            at = guides.index(guide)
            style = {
                "color": f"C{at % 10}", "marker": MARKS[at % len(MARKS)], "markersize": 4,
                "linestyle": STYLES[runs.index(run) % len(STYLES)],
                "label": guide if len(runs) == 1 else f"{run}: {guide}",
            }  # fmt: skip
            values = [p.scores[name] for p in points]
            row[0].plot([p.evaluations for p in points], values, **style)
            row[1].plot([1000 * p.seconds for p in points], values, **style)
        row[0].set_ylabel(label, fontsize=8)
        row[0].set_xscale("symlog", linthresh=1)  # which has a place for no pass at all
        row[1].set_xscale("log")
        for a in row:
            a.grid(alpha=0.25)
            a.tick_params(labelsize=8)
            a.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    axes[-1][0].set_xlabel("passes through D(G(z)) per image")
    axes[-1][1].set_xlabel("ms per image")
    axes[0][0].legend(fontsize=7)
    figure.suptitle(title, fontsize=9, x=0.01, ha="left")
    save_figure(path, figure)
