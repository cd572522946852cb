"""A step of SN-DCGAN at 32×32, with and without the latent step, by every engine and precision."""

from __future__ import annotations

import math
import time
import warnings
from typing import Any

import torch

from logan.bench.peak import peak_flops
from logan.bench.steps import Played, Variant, in_rounds
from logan.config import Config
from logan.devices import choose_device, cpu_threads
from logan.errors import first_line
from logan.training.allocator import keep_freed_memory
from on_gpu.settings import engines, machine, preset
from on_gpu.sheet import Sheet

PRECISIONS = ("bfloat16", "float32")
LAST = ("plain", "compiled")
"""Engines that others are not to wait for."""
FEWEST_ROUNDS, MOST_ROUNDS = 5, 200
TRIAL_SECONDS = 0.1


def play(sheet: Sheet) -> None:
    """One row per precision, engine and latent method, written as soon as it is measured."""
    device, config = choose_device("auto"), preset(sheet, "cifar10")
    sheet.put(machine=machine(device), preset="cifar10", batch=config.game.batch)
    keep_freed_memory()
    here = sorted(engines(device), key=lambda name: LAST.index(name) if name in LAST else -1)
    if sheet.tiny:
        here.remove("compiled")  # compiles for minutes on a CPU
    with cpu_threads(config.run.threads):
        # It takes seconds on a CPU, and a share of it says nothing there.
        peaks = {p: math.nan if sheet.tiny else peak_flops(device, getattr(torch, p)) for p in PRECISIONS}
        sheet.put(peak_tflops={p: x / 1e12 for p, x in peaks.items()})
        pairs = [(engine, precision) for engine in here for precision in PRECISIONS]
        for i, (engine, precision) in enumerate(pairs):
            seconds = TRIAL_SECONDS if sheet.tiny else max(1.0, 0.5 * sheet.left() / (len(pairs) - i))
            for row in _pair(config, engine, precision, peaks[precision], seconds):
                sheet.add("rows", row)
            compare(sheet.figures["rows"])
            sheet.save()


def _pair(config: Config, engine: str, precision: str, peak: float, seconds: float) -> list[dict[str, Any]]:
    """Both steps by one engine, interleaved; or why that cannot be."""
    played, rows = {}, {}
    for latent in ("none", config.latent.latent):
        variant = Variant(latent, engine, precision)
        rows[variant] = vars(variant)
        started = time.perf_counter()
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                played[variant] = Played(config, variant)
            except Exception as error:
                rows[variant] = vars(variant) | {"error": f"{type(error).__name__}: {first_line(error)}"}
        rows[variant] = rows[variant] | {"ready_seconds": time.perf_counter() - started}
        if notices := [str(w.message) for w in told if issubclass(w.category, UserWarning)]:
            rows[variant] = rows[variant] | {"notices": list(dict.fromkeys(notices))}
    once = sum(p.seconds * p.block for p in played.values())
    fewest = 1 if seconds <= TRIAL_SECONDS else FEWEST_ROUNDS
    times = in_rounds(played, min(MOST_ROUNDS, max(fewest, round(seconds / once)))) if played else {}
    for variant, game in played.items():
        rows[variant] |= {k: v for k, v in vars(game.count(times[variant], peak)).items() if v is not None}
    return list(rows.values())


def compare(rows: list[dict[str, Any]]) -> None:
    """Give each row its time over the step without the latent step: by the same engine, and by the fastest."""
    for row in rows:
        same = [r for r in rows if r["precision"] == row["precision"] and r["latent"] == "none" and "ms" in r]
        own = [r["ms"] for r in same if r["engine"] == row["engine"]]
        if same and "ms" in row:
            row["over_baseline"] = row["ms"] / own[0] if own else math.nan
            row["over_best_baseline"] = row["ms"] / min(r["ms"] for r in same)
