"""A step of SN-DCGAN at 32×32, with and without the latent step, by every engine and precision."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Sequence
from typing import Any

import torch

from logan.bench.peak import peak_flops
from logan.bench.steps import Played, Variant, in_rounds
from logan.config import Config
from logan.devices import choose_device, cpu_threads, kernels
from logan.errors import first_line
from logan.training.allocator import keep_freed_memory
from on_gpu.settings import engines, machine, preset
from on_gpu.sheet import Sheet

PRECISIONS = ("bfloat16", "float32")
FEWEST_ROUNDS, MOST_ROUNDS = 5, 200
TRIAL_SECONDS = 0.1


def play(sheet: Sheet) -> None:
    """One row per precision, engine and latent method, written as soon as it is measured."""
    device, config = choose_device("auto"), preset(sheet, "cifar10")
    sheet.put(machine=machine(device), preset="cifar10", batch=config.game.batch)
    keep_freed_memory()
    pairs = in_order(engines(device))
    if sheet.tiny:  # to compile takes minutes on a CPU
        pairs = [
            (engine, precision) for engine, precision in pairs if not _compiles(engine) and precision == PRECISIONS[0]
        ]
    with cpu_threads(config.run.threads), kernels(deterministic=False):
        # It takes seconds on a CPU, and a share of it says nothing there.
        peaks = {p: math.nan if sheet.tiny else peak_flops(device, getattr(torch, p)) for p in PRECISIONS}
        sheet.put(peak_tflops={p: x / 1e12 for p, x in peaks.items()})
        for i, (engine, precision) in enumerate(pairs):
            seconds = TRIAL_SECONDS if sheet.tiny else max(1.0, 0.4 * sheet.left() / (len(pairs) - i))
            _pair(sheet, config, engine, precision, peaks[precision], seconds)
        sheet.put(preparing=None)


def in_order(names: Sequence[str]) -> list[tuple[str, str]]:
    """Engines and precisions: all of bfloat16 first, what captures before what does not, and what compiles alone last."""
    pairs = [(engine, precision) for precision in PRECISIONS for engine in names]
    order = ["cuda-graph", "compiled-graph", "recorded", "plain", "compiled"]
    return sorted(pairs, key=lambda p: (p[0] == "compiled", PRECISIONS.index(p[1]), order.index(p[0])))


def _compiles(engine: str) -> bool:
    return engine.startswith("compiled")


def _pair(sheet: Sheet, config: Config, engine: str, precision: str, peak: float, seconds: float) -> None:
    """Both steps by one engine, interleaved; or why that cannot be."""
    played: dict[Variant, Played] = {}
    rows: dict[Variant, dict[str, Any]] = {}
    for latent in (config.latent.latent, "none"):
        variant = Variant(latent, engine, precision)
        sheet.put(preparing=vars(variant))
        rows[variant] = vars(variant) | prepared(config, variant, played)
    once = sum(p.seconds * p.block for p in played.values())
    fewest = 1 if seconds <= TRIAL_SECONDS else FEWEST_ROUNDS
    times = in_rounds(played, min(MOST_ROUNDS, max(fewest, round(seconds / once)))) if played else {}
    for variant, game in played.items():
        rows[variant] |= {k: v for k, v in vars(game.count(times[variant], peak)).items() if v is not None}
    sheet.put(rows=compare([*sheet.figures.get("rows", []), *rows.values()]))


def prepared(config: Config, variant: Variant, played: dict[Variant, Played], proved: bool = True) -> dict[str, Any]:
    """Put a game that has been played for the first time among those played; how long that took, and what was said."""
    found: dict[str, Any] = {}
    started = time.perf_counter()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            played[variant] = Played(config, variant, proved)
        except Exception as error:
            found["error"] = f"{type(error).__name__}: {first_line(error)}"
    found["ready_seconds"] = time.perf_counter() - started
    if notices := [str(w.message) for w in told if issubclass(w.category, UserWarning)]:
        found["notices"] = list(dict.fromkeys(notices))
    return found


def compare(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give each row its time over the step without the latent step: by the same engine, and by the fastest."""
    for row in rows:
        same = [r for r in rows if r["precision"] == row["precision"] and r["latent"] == "none" and "ms" in r]
        own = [r["ms"] for r in same if r["engine"] == row["engine"]]
        if same and "ms" in row:
            row["over_baseline"] = row["ms"] / own[0] if own else math.nan
            row["over_best_baseline"] = row["ms"] / min(r["ms"] for r in same)
    return rows
