"""``kill -9`` at random moments and inside writes: nothing that was saved is lost, and the run is that which nobody kills."""

from __future__ import annotations

import argparse
import math
import random
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from .material import (
    RESULTS,
    digits_folder,
    machine,
    quick_classifier,
    state_of,
    unreadable_files,
    what_differs,
    write_figures,
)
from .program import Program

FLAGS = (
    "--network dcgan --width 8 --latent-dim 8 --spectral-norm True --batch 50 --kimg 4 --tick 1 --snap 1 --metrics fid100 is100 "
    "--engine plain --threads 1 --workers 2 --resume auto"
).split()
INTERVAL = 20
"""Steps between two states of such a run."""
AIMS = ("any moment", "a file unfinished", "a line appended")
REAL = 10
"""One in so many is a Python started anew, so that the kill may come while modules are loaded; the others are forked."""


def main(args: list[str]) -> int:
    """The long form; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults kills")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=120, help="do fewer kills if that is over")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args(args)
    with tempfile.TemporaryDirectory() as work:
        figures = play(Path(work), given.kills, given.seed, until=time.monotonic() + 60 * given.minutes)
    write_figures(given.out / "kills.json", {"machine": machine(), "seed": given.seed, **figures})
    return int(bool(figures["states_lost"] or figures["files_unreadable"] or figures["runs_that_differ"]))


def play(
    work: Path,
    kills: int,
    seed: int,
    real: int = REAL,
    aims: tuple[str, ...] = AIMS,
    until: float = math.inf,
    kimg: int = 4,
) -> dict[str, Any]:
    """So many kills, in as many runs (of that length) as it takes; what was found."""
    source, data = random.Random(seed), digits_folder(work / "images", 200)
    weights = quick_classifier(work / "classifier.safetensors")
    flags = ["train", "--data", data, *FLAGS, "--kimg", kimg, "--detector-weights", weights]
    whole, seconds = whole_run(work, flags)
    seen: list[dict[str, Any]] = []
    runs, differ, starved = 0, [], []
    while len(seen) < kills and time.monotonic() < until:
        outdir = work / f"runs-{runs}"
        command = [*flags, "--outdir", outdir]
        for aim in source.choices(aims, k=source.randint(1, 6))[: kills - len(seen)]:
            killed = kill_once(
                command, work, outdir, aim, source.uniform(0, seconds), len(seen) % real == real - 1, source
            )
            if killed is None:  # it was faster
                break
            seen.append(killed)
        program = Program(command, work)
        status = program.wait()
        if (
            status is None
        ):  # no end within the time that there is: on a machine with much else to do, nothing is known of it
            starved.append(runs)
            runs += 1
            continue
        run = max(outdir.glob("0*"))
        difference = program.output[-2000:] if status != 0 else what_differs(whole, run)
        if difference is not None:
            differ.append({"run": runs, "difference": difference})
        runs += 1
    return {
        "kills": len(seen),
        "by_aim": dict(Counter(k["aim"] for k in seen)),
        "while_a_file_was_unfinished": sum(k["unfinished"] > 0 for k in seen),
        "anew": sum(k["anew"] for k in seen),
        "states_lost": sum(k["lost"] > INTERVAL for k in seen),
        "most_steps_lost": max(k["lost"] for k in seen),
        "steps_between_states": INTERVAL,
        "files_unreadable": [name for k in seen for name in k["unreadable"]],
        "runs_finished": runs - len(starved),
        "runs_not_judged": starved,
        "runs_that_differ": differ,
        "each": [[k["aim"], k["at"], k["lost"], k["unfinished"]] for k in seen],
    }


def whole_run(work: Path, flags: list[Any]) -> tuple[Path, float]:
    """The run that nobody kills, which also fills the cache, and how many seconds it took."""
    begun = time.monotonic()
    program = Program([*flags, "--outdir", work / "whole"], work)
    assert program.wait() == 0, program.output
    (run,) = (work / "whole").glob("0*")
    return run, time.monotonic() - begun


def kill_once(
    command: list[Any], work: Path, outdir: Path, aim: str, wait: float, anew: bool, source: random.Random
) -> dict[str, Any] | None:
    """Start it, and kill it after so many seconds, at the next moment of the kind; what that did, or None if it ended before."""
    base = steps_saved(outdir)
    program = Program(command, work, anew=anew)
    end = time.monotonic() + wait + 3 * anew  # Python and torch take their time
    while program.status is None and time.monotonic() < end:
        time.sleep(0.001)
    if aim == "a file unfinished":
        while program.status is None and not any(outdir.glob("*/*.partial")):
            pass
        time.sleep(source.choice((0, source.uniform(0, 0.003))))
    elif aim == "a line appended":
        before = _log_sizes(outdir)
        while program.status is None and _log_sizes(outdir) == before:
            pass
    program.send(signal.SIGKILL)
    if program.wait() != -signal.SIGKILL:
        assert program.status == 0, program.output
        return None
    at = base + program.steps
    return {
        "aim": aim,
        "anew": anew,
        "at": at,
        "lost": at - steps_saved(outdir),
        "unfinished": len(list(outdir.glob("*/*.partial"))),
        "unreadable": unreadable_files(outdir) + unreadable_files(work / "cache"),
    }


def steps_saved(outdir: Path) -> int:
    """Steps in the state of the latest run there; 0 if there is none."""
    states = sorted(outdir.glob("0*/training-state-latest.pt"))
    return int(state_of(states[-1].parent)["progress"]["steps"]) if states else 0


def _log_sizes(outdir: Path) -> list[int]:
    return [path.stat().st_size for path in sorted(outdir.glob("*/*.jsonl"))]
