"""Signals at random moments of every command: it saves or tidies, leaves soon, and the same command goes on afterwards."""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from logan.interrupts import SIGNALS

from . import kills
from .material import RESULTS, digits_folder, machine, quick_classifier, what_differs, write_figures
from .program import Program

SECONDS = 10.0
"""In which a command has to leave."""
STOPPED = (0, 130, -signal.SIGINT)
"""Done, stopped, and what shells call 130 too: Python ends itself so where the interruption came in an ``exec`` of some library."""
REAL = 10
"""One in so many is a Python started anew, to which the signal may come while it loads modules."""


@dataclass(frozen=True)
class Command:
    """What is signalled.

    Attributes:
        words: of the command that writes to a folder.
        differs: in what a finished folder is not the other; None if in nothing.
        keeps_cache: whether it finds its caches full.
    """

    words: Callable[[Path], list[Any]]
    differs: Callable[[Path, Path], str | None]
    keeps_cache: bool = True


def main(args: list[str]) -> int:
    """The long form; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults signals")
    parser.add_argument("--moments", type=int, default=50, help="of each command")
    parser.add_argument("--minutes", type=float, default=120, help="do fewer if that is over")
    parser.add_argument("--only", help="this command alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args(args)
    source, begun, found = random.Random(given.seed), time.monotonic(), {}
    with tempfile.TemporaryDirectory() as work:
        commands = prepare(Path(work))
        if given.only:
            commands = {given.only: commands[given.only]}
        for i, (name, command) in enumerate(commands.items()):
            until = begun + 60 * given.minutes * (i + 1) / len(commands)
            found[name] = play(Path(work), command, given.moments, source, until=until)
            write_figures(given.out / "signals.json", {"machine": machine(), "seed": given.seed, **found})
    return int(any(part["wrong"] for part in found.values()))


def prepare(work: Path) -> dict[str, Command]:
    """The commands, by name, and what they read."""
    data, weights = digits_folder(work / "images", 200), quick_classifier(work / "classifier.safetensors")
    flags = ["--data", data, *kills.FLAGS, "--detector-weights", weights]
    flags[flags.index("--kimg") + 1] = 2
    train = Program(["train", *flags, "--outdir", work / "evaluated"], work)
    assert train.wait() == 0, train.output
    (run,) = (work / "evaluated").glob("0*")
    short = [a for a in flags if a not in ("--resume", "auto")]
    short[short.index("--kimg") + 1] = 1
    score = ["--metrics", "fid200", "is200", "--detector-weights", weights]
    many, pack = digits_folder(work / "many"), ["--size", 48, "--enlarge", "--workers", 2, "--force"]

    def copy(out: Path) -> Path:
        return shutil.copytree(run, out / "run", dirs_exist_ok=True)

    return {
        "train": Command(lambda out: ["train", *flags, "--outdir", out], _runs_differ),
        "evaluate": Command(lambda out: ["evaluate", copy(out), *score], _scores_differ, keeps_cache=False),
        "compare": Command(
            lambda out: ["compare", "--methods", "none", "ngd", "--seeds", 1, *short, "--outdir", out], _runs_differ
        ),
        "data prepare": Command(lambda out: ["data", "prepare", many, out / "set.npy", *pack], _sets_differ),
    }


def play(
    work: Path,
    command: Command,
    moments: int,
    source: random.Random,
    real: int = REAL,
    until: float = float("inf"),
    most_seconds: float = SECONDS,
) -> dict[str, Any]:
    """Signal it at so many moments, after which it is to leave within so many seconds; what was found."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # under nohup, which commands would heed
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    whole = work / "whole"
    shutil.rmtree(whole, ignore_errors=True)
    whole.mkdir()
    program, begun = Program(command.words(whole), work), time.monotonic()
    assert program.wait() == 0, program.output
    seconds = time.monotonic() - begun
    seen: list[dict[str, Any]] = []
    while len(seen) < moments and time.monotonic() < until:
        number = SIGNALS[len(seen) % len(SIGNALS)]
        wait, anew = source.uniform(0, 0.9 * seconds), len(seen) % real == real - 1
        seen.append(_signal_once(work, command, whole, number, wait, anew, most_seconds))
    return {
        "moments": len(seen),
        "by_signal": dict(Counter(s["signal"] for s in seen)),
        "not_listening_yet_or_any_more": sum(not s["listening"] for s in seen),
        "statuses": dict(Counter(str(s["status"]) for s in seen)),
        "most_seconds_to_leave": max(s["seconds"] for s in seen),
        "unfinished_files_left": sum(s["unfinished"] for s in seen),
        "locks_held": sum(s["locks"] for s in seen),
        "wrong": [s for s in seen if s["wrong"]],
    }


def _signal_once(
    work: Path, command: Command, whole: Path, number: int, wait: float, anew: bool, most_seconds: float = SECONDS
) -> dict[str, Any]:
    out = work / "signalled"
    shutil.rmtree(out, ignore_errors=True)
    if not command.keeps_cache:
        shutil.rmtree(work / "cache", ignore_errors=True)
    out.mkdir()
    words = command.words(out)
    program = Program(words, work, anew=anew)
    while not anew and program.status is None and not _listens(program.pid):
        time.sleep(0.001)
    time.sleep(wait + (3 * wait / (wait + 1) if anew else 0))
    listening = _listens(program.pid)
    program.send(number)
    begun = time.monotonic()
    status = program.wait(120)
    seconds = time.monotonic() - begun
    said = program.output
    unfinished = [str(path) for path in [*out.rglob("*.partial"), *(work / "cache").rglob("*.partial")]]
    locks = [str(path) for path in out.rglob(".lock") if _is_held(path)]
    found = {
        f"status {status}": status not in STOPPED and listening,
        f"a traceback: {said[-1500:]}": "Traceback" in said and listening,
        f"left after {seconds:.1f} s": seconds > most_seconds,
        f"unfinished files: {unfinished}": unfinished,
        f"locks held: {locks}": locks,
    }
    wrong = [what for what, so in found.items() if so]
    again = Program(words, work)
    if again.wait() != 0:
        wrong.append(f"the same command again: {again.output[-1500:]}")
    elif difference := command.differs(whole, out):
        wrong.append(f"afterwards: {difference}")
    return {"signal": signal.Signals(number).name, "after": round(wait, 2), "anew": anew, "listening": listening, "status": status,
            "seconds": round(seconds, 2), "unfinished": len(unfinished), "locks": len(locks), "wrong": wrong}  # fmt: skip


def _listens(process: int) -> bool:
    """Whether it has said what SIGTERM does: Python itself leaves it to the system, which ends a process without a word."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return False
    caught = next((int(line.split()[1], 16) for line in lines if line.startswith("SigCgt")), 0)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def _is_held(path: Path) -> bool:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def _runs_differ(whole: Path, out: Path) -> str | None:
    """The latest run of each name: one that was stopped before its first state is begun anew."""
    for one in sorted(whole.glob("0*")):
        same = sorted(path for path in out.glob("0*") if path.name[5:] == one.name[5:])
        if not same:
            return f"no {one.name}"
        if (difference := what_differs(one, same[-1])) is not None:
            return difference
    return None


def _scores_differ(whole: Path, out: Path) -> str | None:
    for path in sorted((whole / "run").glob("metric-*.jsonl")):
        one, two = (json.loads((f / "run" / path.name).read_text().splitlines()[-1])["results"] for f in (whole, out))
        if one != two:
            return f"{path.name}: {one} and {two}"
    return None


def _sets_differ(whole: Path, out: Path) -> str | None:
    return None if (whole / "set.npy").read_bytes() == (out / "set.npy").read_bytes() else "other bytes"
