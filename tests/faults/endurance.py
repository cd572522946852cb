"""Training with scores for hours: memory, open files, threads and the time of a step must stay what they are after warm-up."""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from logan.report.canvas import new_figure, save_figure
from logan.training import folder

from .material import RESULTS, digits_folder, machine, write_figures
from .program import Program

WARM_UP = 0.2
"""Of the time, which is not judged: caches fill, the allocator finds its size."""
BLOCKS = 20
"""The slope is that through the means of so many equal parts: samples beside each other are not independent."""
FLAGS = "--batch 64 --network dcgan --width 8 --latent-dim 16 --tick 4 --snap 1 --metrics fid1k is1k --threads 1 --workers 2"


def main(args: list[str]) -> int:
    """The long form."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults endurance")
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--every", type=float, default=5, help="seconds between two looks")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args(args)
    with tempfile.TemporaryDirectory() as work:
        looks, ticks = watch(Path(work), given.minutes * 60, given.every)
    figures = judge(looks, ticks)
    write_figures(given.out / "endurance.json", {"machine": machine(), **figures, "looks": looks})
    plot(given.out / "endurance.png", looks, ticks, figures)
    return 0


def watch(work: Path, seconds: float, every: float) -> tuple[dict[str, list[float]], list[dict[str, Any]]]:
    """Train for so many seconds; what was seen of the process from its first snapshot on, and the lines of its log."""
    data = digits_folder(work / "images")
    program = Program(
        ["train", "--data", data, *FLAGS.split(), "--kimg", 10**7, "--outdir", work / "runs"], work, anew=True
    )
    try:
        while not list(work.glob("runs/*/network-snapshot-*")):
            assert program.status is None, program.output
            time.sleep(0.2)
        begun = time.monotonic()
        looks: dict[str, list[float]] = {}
        while (now := time.monotonic() - begun) < seconds:
            assert program.status is None, program.output
            for name, value in look(program.pid).items():
                looks.setdefault(name, []).append(value)
            looks.setdefault("minutes", []).append(round(now / 60, 3))
            time.sleep(max(0.0, every - (time.monotonic() - begun - now)))
    finally:
        program.send(signal.SIGTERM)
        status = program.wait(60)
    assert status == 130, program.output
    return looks, folder.read_stats(next(work.glob("runs/*")))


def look(process: int) -> dict[str, float]:
    """Memory in MiB, open files and threads of a process, and the memory and number of its children."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return {
        "memory": round(_resident(process), 2),
        "workers_memory": round(sum(_resident(int(child)) for child in children), 2),
        "workers": len(children),
        "files": len(os.listdir(f"/proc/{process}/fd")),
        "threads": len(os.listdir(f"/proc/{process}/task")),
    }


def _resident(process: int) -> float:
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def judge(looks: dict[str, list[float]], ticks: list[dict[str, Any]]) -> dict[str, Any]:
    """Slopes with their standard errors, in MiB an hour; the ranges of what must be constant; a step's time in each third."""
    minutes = np.array(looks["minutes"])
    late, half = (minutes >= share * minutes[-1] for share in (WARM_UP, 0.5))
    found: dict[str, Any] = {
        "minutes": round(float(minutes[-1]), 1),
        "warm_up_minutes": round(WARM_UP * float(minutes[-1]), 1),
    }
    for name in ("memory", "workers_memory"):
        slope, error = slope_of(minutes[late] / 60, np.array(looks[name])[late])
        second = slope_of(minutes[half] / 60, np.array(looks[name])[half])
        found[name] = {
            "MiB_after_warm_up": round(float(np.array(looks[name])[late][0]), 1),
            "MiB_at_the_end": round(looks[name][-1], 1),
            "MiB_per_hour": round(slope, 2),
            "standard_error": round(error, 2),
            "MiB_per_hour_in_the_second_half": round(second[0], 2),
            "its_standard_error": round(second[1], 2),
        }
    for name in ("workers", "files", "threads"):
        values = np.array(looks[name])[late]
        found[name] = {"least": int(values.min()), "most": int(values.max())}
    found["ticks"], found["steps"] = len(ticks), ticks[-1]["steps"]
    milliseconds = [1000 * 64 / tick["images_per_second"] for tick in ticks[1:]]
    found["milliseconds_per_step_in_thirds"] = [
        round(float(np.median(part)), 3) for part in np.array_split(milliseconds, 3)
    ]
    return found


def slope_of(x: np.ndarray, y: np.ndarray, blocks: int = BLOCKS) -> tuple[float, float]:
    """Of a line through the means of ``blocks`` parts of (x, y), by least squares, and its standard error.

    >>> slope_of(np.arange(40.0), 3 * np.arange(40.0))
    (3.0, 0.0)
    """
    x, y = (np.array([part.mean() for part in np.array_split(values, min(blocks, len(x)))]) for values in (x, y))
    x = x - x.mean()
    slope = float(x @ y / (x @ x))
    rest = y - y.mean() - slope * x
    return slope, float(np.sqrt(rest @ rest / (len(x) - 2) / (x @ x)))


def plot(path: Path, looks: dict[str, list[float]], ticks: list[dict[str, Any]], figures: dict[str, Any]) -> None:
    """Memory, handles and the time of a step over time."""
    figure = new_figure(7, 7)
    memory, handles, step = figure.subplots(3, 1)
    slope = figures["memory"]
    label = f"training: {slope['MiB_per_hour']:+.2f} ± {slope['standard_error']:.2f} MiB an hour after warm-up"
    memory.plot(looks["minutes"], looks["memory"], label=label)
    memory.plot(looks["minutes"], looks["workers_memory"], label="its workers together")
    memory.set_ylabel("resident memory, MiB")
    memory.set_ylim(bottom=0)
    for name, label in (("files", "open files"), ("threads", "threads"), ("workers", "workers")):
        handles.plot(looks["minutes"], looks[name], label=label)
    handles.set_ylim(bottom=0)
    seconds = [tick["seconds"] for tick in ticks[1:]]
    scale = looks["minutes"][-1] / seconds[-1]  # the log counts training alone; snapshots come at equal distances
    step.plot([s * scale for s in seconds], [1000 * 64 / t["images_per_second"] for t in ticks[1:]], linewidth=0.7)
    step.set_ylabel("milliseconds a step")
    step.set_ylim(bottom=0)
    step.set_xlabel("minutes")
    for axes in (memory, handles):
        axes.axvspan(0, figures["warm_up_minutes"], color="0.9")
        axes.legend(fontsize=8)
    save_figure(path, figure)
