"""Which curves a log has, and how to read each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from logan.report.material import Material, lead, scores_of, share_moved
from logan.report.svg_curves import Chart, Line

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Quantity:
    """What one chart shows.

    Attributes:
        title, about: of the chart.
        names: of numbers in the log, and what their lines are called.
        log: logarithmic upwards.
    """

    title: str
    about: str
    names: tuple[tuple[str, str], ...]
    log: bool = False


QUANTITIES = (
    Quantity("Losses", "What each player pays. Neither should run away; D near 0 has won, and tells G little.",
             (("d_loss", "D"), ("g_loss", "G"))),
    Quantity("Mean scores", "What D gives to real images and to G's.", (("real_score", "real"), ("fake_score", "fake"))),
    Quantity("D's lead", "Mean D(x) − mean D(G(z)), before latents move. Gone for good together with ‖g‖²: D has given up.",
             (("lead", "lead"),)),
    Quantity("‖g‖²", "Squared length of the score's gradient by z: what the latent step has to work with. Compare it with β.",
             (("grad_z_squared", "‖g‖²"),), log=True),
    Quantity("‖Δz‖", "How far the latent step moves z, on average.", (("delta_z", "‖Δz‖"),)),
    Quantity("Gain of the latent step", "By how much the move raises D's score.", (("score_gain", "gain"),)),
    Quantity("Update sizes", "‖Δθ‖ of a step: how fast each player moves (figure 4b of the paper).",
             (("probe.d_update", "D"), ("probe.g_update", "G")), log=True),
    Quantity("Diversity", "Variance of samples over that of real images: 0 if all are the same, about 1 if all is well.",
             (("diversity", "diversity"),)),
    Quantity("D's overfitting", "Share of D's lead that is not there on images it was not trained on.",
             (("d_overfitting", "share"),)),
    Quantity("Training speed", "Images per second.", (("images_per_second", "img/s"),)),
)  # fmt: skip
KINDS_OF_SCORES = {
    "fid": ("FID", "lower is better"),
    "kid": ("KID", "lower is better"),
    "is": ("Inception Score", "higher is better"),
    "precision": ("Precision", "share of samples that look real, higher is better"),
    "recall": ("Recall", "share of real images that G reaches, higher is better"),
    "density": ("Density", "higher is better"),
    "coverage": ("Coverage", "higher is better"),
    "modes": ("Modes found", "of the mixture, higher is better"),
    "quality": ("Quality", "share of points near a mode, higher is better"),
    "reverse_kl": ("Reverse KL", "of the modes' shares, lower is better"),
}
SHORT = {"is": "IS", "mo": "modes"}
"""What some scores are called at the ends of their lines, by their first letters."""


def charts(runs: Sequence[Material], letters: Sequence[str]) -> list[Chart]:
    """Scores first, then what the log has of :data:`QUANTITIES`; of several runs one line each on shared axes."""
    shared = (0.0, max((run.kimg for run in runs), default=0.0))
    found = _scores(runs, letters)
    for i, quantity in enumerate(QUANTITIES):
        parts = [quantity] if len(runs) == 1 else _apart(quantity)
        for j, part in enumerate(parts):
            lines = [
                Line(label if len(runs) == 1 else letters[r], points, r if len(runs) > 1 else k)
                for r, run in enumerate(runs)
                for k, (name, label) in enumerate(part.names)
                if (points := points_of(run, name))
            ]
            if lines:
                found.append(Chart(f"q{i}-{j}", part.title, part.about, lines, part.log))
    return [_with(chart, shared, _events(runs)) for chart in found]


def points_of(run: Material, name: str) -> Points:
    """(kimg, value) of a number of the log; ``lead`` is D's, ``probe.x`` what a probe saw."""
    if name.startswith("probe."):
        return _probed(run, name.removeprefix("probe."))
    moved = share_moved(run.settings)
    take: Callable[[dict[str, Any]], float | None] = (
        (lambda tick: lead(tick, moved)) if name == "lead" else (lambda tick: tick.get(name))
    )
    return [(tick["kimg"], value) for tick in run.stats if (value := take(tick)) is not None]


def _probed(run: Material, name: str) -> Points:
    found = []
    for tick in run.stats:
        per_step = tick["kimg"] / tick["steps"] if tick.get("steps") else None
        for look in tick["probe"]:
            value, step = look.get(name), look.get("steps")
            if per_step is not None and isinstance(value, int | float) and isinstance(step, int | float):
                found.append((step * per_step, float(value)))
    return sorted(found)


def score_title(name: str) -> tuple[str, str]:
    """What a score is called, with its number of images, and which way is better."""
    kind = next((k for k in sorted(KINDS_OF_SCORES, key=len, reverse=True) if name.startswith(k)), None)
    if kind is None:
        return name, "a score of this run's own"
    title, better = KINDS_OF_SCORES[kind]
    count = name.removeprefix(kind)
    return (f"{title} ({count} samples)" if count else title), better


def _scores(runs: Sequence[Material], letters: Sequence[str]) -> list[Chart]:
    by_run = [scores_of(run.stats) for run in runs]
    found = []
    for n, name in enumerate(dict.fromkeys(name for scores in by_run for name in scores)):
        title, better = score_title(name)
        lines: list[Line] = []
        rings: list[tuple[int, float]] = []
        for r, scores in enumerate(by_run):
            if points := scores.get(name):
                best = runs[r].best or {}
                if best.get("by") == name and isinstance(best.get("kimg"), int | float):
                    rings.append((len(lines), float(best["kimg"])))
                lines.append(
                    Line(letters[r] if len(runs) > 1 else SHORT.get(name[:2], title.partition(" (")[0]), points, r)
                )
        values = [y for line in lines for _, y in line.points]
        falls = min(values) > 0 and max(values) > 20 * min(values)
        note = " Ring: the best snapshot." if rings else ""
        about = f"{better[0].upper()}{better[1:]}.{note}"
        found.append(Chart(f"score{n}", title, about, lines, log=falls, best=rings))
    return found


def _apart(quantity: Quantity) -> list[Quantity]:
    """A chart for each of its numbers: in one the runs' lines could not be told apart."""
    if len(quantity.names) == 1:
        return [quantity]
    return [
        Quantity(f"{quantity.title}: {label}", quantity.about, ((name, label),), quantity.log)
        for name, label in quantity.names
    ]


def _events(runs: Sequence[Material]) -> list[tuple[float, str]]:
    """Where alarms were raised; of several runs none, for one could not see whose they are."""
    if len(runs) > 1:
        return []
    return [(t["kimg"], str(alarm.get("what", ""))[:200]) for run in runs for t in run.stats for alarm in t["alarms"]]


def _with(chart: Chart, shared: tuple[float, float], events: list[tuple[float, str]]) -> Chart:
    return replace(chart, shared=shared, events=events)
