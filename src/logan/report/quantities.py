"""Which curves a log has, and how to read each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from logan.metrics import titles
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


def score_title(run: Material, name: str) -> str:
    """What a score of a run is called, with its detector."""
    return titles.title(name, list(run.detectors.get(name, ())))


def _scores(runs: Sequence[Material], letters: Sequence[str]) -> list[Chart]:
    """A chart for each score and detector: what different detectors have measured does not compare."""
    kinds: dict[tuple[str, str], list[int]] = {}
    for r, run in enumerate(runs):
        for name in scores_of(run.stats):
            kinds.setdefault((name, score_title(run, name)), []).append(r)
    names = [name for name, _ in kinds]
    together = sorted(kinds, key=lambda kind: names.index(kind[0]))
    return [_score(n, name, title, runs, kinds[name, title], letters) for n, (name, title) in enumerate(together)]


def _score(
    n: int, name: str, title: str, runs: Sequence[Material], which: Sequence[int], letters: Sequence[str]
) -> Chart:
    lines: list[Line] = []
    rings: list[tuple[int, float]] = []
    for r in which:
        best = runs[r].best or {}
        if best.get("by") == name and isinstance(best.get("kimg"), int | float):
            rings.append((len(lines), float(best["kimg"])))
        label = letters[r] if len(runs) > 1 else SHORT.get(name[:2], title.partition(" (")[0])
        lines.append(Line(label, scores_of(runs[r].stats)[name], r))
    values = [y for line in lines for _, y in line.points]
    falls = min(values) > 0 and max(values) > 20 * min(values)
    return Chart(f"score{n}", title, _about(name, [runs[r] for r in which], bool(rings)), lines, log=falls, best=rings)


def _about(name: str, runs: Sequence[Material], rings: bool) -> str:
    """Which way is better, of how many samples, by which weights of the detector."""
    how, count = titles.better(name), titles.count(name)
    words = [f"{how[0].upper()}{how[1:]}."]
    if count:
        words.append(f"{count} samples.")
    weights = {digest: detector for run in runs for detector, digest in run.detectors.get(name, {}).items() if digest}
    if weights:
        words.append(f"By {', '.join(f'{detector} {digest}' for digest, detector in weights.items())}.")
    if rings:
        words.append("Ring: the best snapshot.")
    return " ".join(words)


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
