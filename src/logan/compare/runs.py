"""Runs of several methods and seeds, side by side: made where they are missing, and read."""

from __future__ import annotations

import contextlib
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from logan.config import Config
from logan.devices import choose_device
from logan.errors import InputError
from logan.evaluation import records
from logan.evaluation.names import lower_is_better
from logan.fast import cuda_graph
from logan.training import folder, state
from logan.training.begin import Request
from logan.training.loop import train
from logan.training.together import train_together

COLLAPSE = 2.0
"""A run has collapsed if its leading score, from some snapshot on, is never again within this factor of the best before."""


@dataclass(frozen=True)
class Entry:
    """One run of a comparison: what its curve is called, and its settings."""

    label: str
    config: Config

    @property
    def description(self) -> str:
        """The run folder's name after its number."""
        safe = "".join(c if c.isalnum() or c in "._+-" else "-" for c in self.label)
        return f"{self.config.preset}-{safe}"[:80] + f"-seed{self.config.run.seed}"


@dataclass(frozen=True)
class Result:
    """A finished run and its scores over time."""

    entry: Entry
    run: Path
    points: list[dict[str, Any]]
    """One per snapshot: images, steps, seconds, and the scores by name (None where there is none)."""

    def curve(self, score: str) -> list[tuple[dict[str, Any], float]]:
        """The points that have that score, with it; infinitely bad where the run had diverged."""
        bad = math.inf if lower_is_better(score) else -math.inf
        return [
            (p, bad if p["scores"][score] is None else p["scores"][score]) for p in self.points if score in p["scores"]
        ]

    def final(self, score: str) -> float:
        """At the last snapshot."""
        return self.curve(score)[-1][1]

    def best(self, score: str, by: str) -> float:
        """The score at the snapshot at which ``by`` is best (section 5.2: IS at the lowest FID)."""
        value = self.best_point(by)["scores"].get(score)
        return math.nan if value is None else value

    def best_point(self, by: str) -> dict[str, Any]:
        """The snapshot at which ``by`` is best (mixtures: then the quality), the first of equals."""

        def rank(pair: tuple[dict[str, Any], float]) -> tuple[float, float]:
            point, value = pair
            finite = {k: v for k, v in point["scores"].items() if v is not None}
            return records.rank(by, finite | {by: value})

        return max(self.curve(by), key=rank)[0]

    def collapse(self, by: str) -> int | None:
        """The step of the first snapshot of the run's collapsed end, or None if it did not collapse."""
        curve = self.curve(by)
        for i in range(1, len(curve)):
            before, after = [v for _, v in curve[:i]], [v for _, v in curve[i:]]
            if lower_is_better(by):
                collapsed = min(after) > max(COLLAPSE * min(before), 0)  # KID's estimate may be below zero
            else:
                collapsed = max(after) < max(before) / COLLAPSE
            if collapsed:
                return curve[i][0]["steps"]
        return None


def run_all(
    entries: Sequence[Entry],
    outdir: Path,
    say: Callable[[str], None],
    quiet: bool = False,
    together: int | None = 1,
) -> list[Result]:
    """Train what is missing under ``outdir``, go on with what was stopped, reuse what is there.

    A run is there if a folder holds exactly its settings (the length may have grown). Interrupted, this can be called
    again, and goes on where it was.

    Args:
        entries: the runs.
        outdir: where their folders are.
        say: told which one it is at.
        quiet: show nothing of the training.
        together: how many are trained at the same time (:mod:`logan.training.together`), each as it would be alone; None for as
            many as the memory of a GPU permits, and one on other devices.
    """
    known = existing_runs(outdir)
    places = [_there(entry, known) for entry in entries]
    missing = [i for i, (_, points) in enumerate(places) if not points]
    if together is None and not cuda_graph.can_capture(choose_device(entries[0].config.run.device)):
        together = 1
    if together != 1 and len(missing) > 1:
        requests = [_request(entries[i], outdir, places[i][0], quiet) for i in missing]
        say(f"{len(missing)} of {len(entries)} runs, {together or 'as many as memory permits'} at a time")
        for i, made in zip(missing, train_together(requests, together, quiet), strict=True):
            places[i] = made, read_points(made, entries[i].config.run.kimg)
        missing = []
    results = []
    for i, entry in enumerate(entries):
        say(f"[{i + 1}/{len(entries)}] {entry.label}, seed {entry.config.run.seed}")
        run, points = places[i]
        if i in missing:
            request = _request(entry, outdir, run, quiet)
            run = train(entry.config, outdir=outdir, desc=request.desc, resume=run, quiet=quiet)
            points = read_points(run, entry.config.run.kimg)
        if run is None or not points:
            raise InputError(
                f"{run} has no scores: was it trained with `metrics` none? Remove the folder, or add `metrics`"
            )
        results.append(Result(entry, run, points))
    return results


def _there(entry: Entry, known: list[tuple[Path, Config]]) -> tuple[Path | None, list[dict[str, Any]]]:
    """The folder of an entry's run, and its points if it is finished."""
    new = entry.config.run
    same = (p for p, c in known if replace(c, run=replace(c.run, kimg=new.kimg, device=new.device)) == entry.config)
    run = next(same, None)
    return run, [] if run is None or images_seen(run) < new.kimg * 1000 else read_points(run, new.kimg)


def _request(entry: Entry, outdir: Path, run: Path | None, quiet: bool) -> Request:
    label = f"{entry.label}, seed {entry.config.run.seed}"
    desc = entry.description if run is None else None
    return Request(entry.config, outdir, desc, run, quiet=quiet, label=label)


def existing_runs(outdir: Path) -> list[tuple[Path, Config]]:
    """The run folders under ``outdir`` whose settings can be read."""
    found = []
    for path in sorted(outdir.glob(f"*/{folder.OPTIONS}")):
        with contextlib.suppress(InputError):
            found.append((path.parent, folder.read_options(path.parent)))
    return found


def images_seen(run: Path) -> float:
    """How many images the run's log has come to; what was written after the state is no part of it, and is made again.

    A run without a state, or with a damaged one, cannot be gone on with: its log counts.
    """
    ticks = math.inf
    if (path := run / state.FILE_NAME).exists():
        with contextlib.suppress(InputError):
            ticks = state.read_progress(path).ticks
    lines = [line for line in folder.read_stats(run) if line["tick"] < ticks]
    return lines[-1]["kimg"] * 1000 if lines else 0


def read_points(run: Path, kimg: float = math.inf) -> list[dict[str, Any]]:
    """What training measured at each snapshot up to ``kimg``, all metrics together, in order.

    Raises:
        InputError: if the run is longer, and has nothing measured at ``kimg``.
    """
    points: dict[int, dict[str, Any]] = {}
    for r in records.in_training(run):
        if not {"steps", "seconds"} <= r.keys():
            continue  # damaged
        point = points.setdefault(r["images"], {k: r[k] for k in ("images", "steps", "seconds")} | {"scores": {}})
        point["scores"] |= r["results"]
    found = [points[images] for images in sorted(points)]
    end = next((i for i, p in enumerate(found) if p["images"] >= kimg * 1000), None)
    if end is None:
        return found
    per_step = found[end]["images"] / max(found[end]["steps"], 1)
    if found[end]["images"] >= kimg * 1000 + per_step:
        raise InputError(f"{run} is longer than {kimg:g} kimg, and was not measured there; choose another `outdir`")
    return found[: end + 1]


def mean_std(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation (n − 1); NaN for the deviation of one value; values that are not finite stay so."""
    if not values or not all(map(math.isfinite, values)):
        return (math.inf if values else math.nan), math.nan
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else math.nan
