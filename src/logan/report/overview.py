"""The top of a page: what was trained, how far it is, how good it is, and what the watch has said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from logan.metrics import titles
from logan.report import ticks
from logan.report.alike import alike
from logan.report.looks import Looks
from logan.report.markup import Markup, join, tag
from logan.report.material import Material, scores_of
from logan.report.quantities import score_title
from logan.report.svg_curves import swatch
from logan.report.tables_of_settings import table

METHODS = {
    "none": "no latent step (as an ordinary GAN)",
    "cs": "CS-GAN’s learned latent steps",
    "gd": "gradient descent on z",
    "ngd": "natural gradient descent on z",
}


def status(run: Material, live: bool) -> tuple[str, str]:
    """How far a run is, in a word for its colour and in words."""
    planned = run.planned
    if run.finished:
        return "done", f"finished: {run.kimg:,.0f} kimg"
    of = f" of {planned:,.0f}" if planned else ""
    if live:
        return "live", f"training: {run.kimg:,.0f}{of} kimg"
    return "part", f"unfinished: {run.kimg:,.0f}{of} kimg"


def chip(run: Material, live: bool) -> Markup:
    kind, words = status(run, live)
    return tag("span", words, class_=f"chip {kind}", id="status" if live else None)


def sentence(run: Material, looks: Looks) -> str:
    """What was trained and how."""
    s = run.settings

    def of(group: str, name: str) -> Any:
        values = s.get(group)
        return values.get(name) if isinstance(values, dict) else None

    if not s:
        return "What was trained is not known: the settings are missing."
    method = of("latent", "latent")
    how = METHODS.get(method, f"latent step {method}") if isinstance(method, str) else "an unknown latent step"
    if method in ("gd", "ngd"):
        damping = f", β = {of('latent', 'beta')}" if method == "ngd" else ""
        moved = f"portion {of('latent', 'portion')} of {of('networks', 'latent_dim')} dimensions"
        how += f" (α = {of('latent', 'alpha')}{damping}, {moved})"
    data = looks.data or str(of("data", "data"))
    networks = f"{of('networks', 'network')} networks"
    if looks.parameters:
        networks += f" of {looks.parameters[0]:,} (G) and {looks.parameters[1]:,} (D) parameters"
    return (
        f"{networks}, trained on {data} with {how}; {of('game', 'loss')} loss, {of('game', 'update')} updates, "
        f"batch {of('game', 'batch')}, seed {of('run', 'seed')}."
    )


def tiles(run: Material) -> Markup:
    """The few numbers that a person asks for first."""
    found: list[tuple[str, str, str]] = []
    best = _best(run)
    for name, points in list(scores_of(run.stats).items())[:2]:
        title, samples = score_title(run, name), titles.count(name)
        small = f"at {points[-1][0]:,.0f} kimg" + (f", {samples} samples" if samples else "")
        if best is not None and run.best is not None and run.best.get("by") == name:
            small = f"at {points[-1][0]:,.0f} kimg; best {best[1]} at {run.best['kimg']:,.0f}"
        found.append((title, ticks.number(points[-1][1], 4), small))
    if run.stats:
        last = run.stats[-1]
        if "seconds" in last:
            found.append(("Time training", ticks.duration(last["seconds"]), "without pictures and scores"))
        speeds = sorted(t["images_per_second"] for t in run.stats if "images_per_second" in t)
        if speeds:
            found.append(("Speed", f"{ticks.number(speeds[len(speeds) // 2])} img/s", "median of all ticks"))
    count = sum(len(t["alarms"]) for t in run.stats)
    if run.stats:
        found.append(("Warnings", str(count) if count else "none", "of the watch"))
    return tag(
        "dl",
        *(tag("div", tag("dt", a), tag("dd", b), tag("dd", c, class_="small")) for a, b, c in found),
        class_="tiles",
    )


def doubt(run: Material) -> Markup | None:
    """What is wrong with the samples, where a page that shows a good score would not let one think of it."""
    best = (run.best or {}).get("kimg")
    said = alike(run.stats, best if isinstance(best, int | float) and not isinstance(best, bool) else None)
    return None if said is None else tag("p", tag("b", "Look at the samples. "), said, class_="doubt", role="note")


def _best(run: Material) -> tuple[str, str, str] | None:
    best = run.best or {}
    by, kimg, scores = best.get("by"), best.get("kimg"), best.get("scores")
    value = scores.get(by) if isinstance(scores, dict) and isinstance(by, str) else None
    if not isinstance(by, str) or not isinstance(value, int | float) or not isinstance(kimg, int | float):
        return None
    return score_title(run, by), ticks.number(value, 4), f"at {kimg:,.0f} kimg"


def table_of_runs(runs: Sequence[Material], letters: Sequence[str], live: bool) -> Markup:
    """Several runs, with the letters and the lines that stand for them."""
    columns = list(dict.fromkeys((name, score_title(run, name)) for run in runs for name in scores_of(run.stats)))[:4]
    rows = []
    for i, (run, letter) in enumerate(zip(runs, letters, strict=True)):
        scores = scores_of(run.stats)
        cells = [
            ticks.number(scores[n][-1][1], 4) if n in scores and score_title(run, n) == title else "–"
            for n, title in columns
        ]
        best = _best(run)
        rows.append((
            join(tag("b", letter), " ", swatch(i)), run.name, status(run, live)[1], *cells,
            f"{best[0]} {best[1]} at {run.best['kimg']:,.0f} kimg" if best and run.best else "–",
            str(sum(len(t["alarms"]) for t in run.stats)),
        ))  # fmt: skip
    counts = {name: f", {titles.count(name)} samples" if titles.count(name) else "" for name, _ in columns}
    heads = [f"{title}{counts[name]}, last" for name, title in columns]
    return table(("", "run", "state", *heads, "best", "warnings"), rows)


def warnings(runs: Sequence[Material], letters: Sequence[str]) -> Markup:
    """What the watch has said, and what the runs did about it."""
    rows: list[tuple[object, ...]] = []
    for run, letter in zip(runs, letters, strict=True):
        own = (letter,) if len(runs) > 1 else ()
        for tick in run.stats:
            at = f"{tick['kimg']:,.1f} kimg"
            for alarm in tick["alarms"]:
                since = alarm.get("since")
                began = f"step {since:,}" if isinstance(since, int) else "–"
                rows.append((at, *own, tag("code", alarm.get("alarm", "?")), alarm.get("what", ""), began))
            if "back" in tick:
                told = ", ".join(f"{k} {ticks.number(v)}" for k, v in tick["back"].items())
                rows.append((at, *own, tag("code", "back"), f"went back to an earlier state ({told})", "–"))
    if not rows:
        if not any(run.stats for run in runs):
            return tag("p", "There is no log yet, so nothing was watched.")
        return tag("p", "The watch has seen nothing wrong: no alarm was raised.")
    run_column = ("run",) if len(runs) > 1 else ()
    hidden = f"The first 200 of {len(rows):,}." if len(rows) > 200 else None
    return table(("said at", *run_column, "alarm", "what", "since"), rows[:200], hidden)
