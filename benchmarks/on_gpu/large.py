"""BigGAN-deep at 128×128: a step at batch 32, the largest batch that fits, and what ``logan plan`` says of both beforehand."""

from __future__ import annotations

import gc
import json
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from logan.bench.peak import peak_flops, seconds_of
from logan.bench.steps import Played, Variant, as_recorded, in_rounds
from logan.config import Config
from logan.devices import choose_device, cpu_threads, kernels
from logan.training.allocator import keep_freed_memory
from on_gpu.engines import compare, prepared
from on_gpu.settings import BIGGAN, machine, preset
from on_gpu.sheet import Sheet

BATCH, TRIAL_BATCH = 32, 4
TRIAL_GIB = 0.028
"""Memory that a trial on a CPU pretends to have."""
ROUNDS = 10


def play(sheet: Sheet) -> None:
    """Count in one process what is measured in this one; then look for the largest batch from where the count says it is."""
    device = choose_device("auto")
    batch = TRIAL_BATCH if sheet.tiny else BATCH
    config = preset(sheet, BIGGAN, batch=batch, precision="bfloat16")
    gib = TRIAL_GIB if sheet.tiny else _memory_gib(device)
    sheet.put(machine=machine(device), preset=BIGGAN, precision="bfloat16", batch=batch, gib=gib)
    planner = Job({"what": "plan", "config": config.to_dict(), "gib": gib})
    keep_freed_memory()
    with cpu_threads(config.run.threads), kernels(deterministic=False):
        _measure(sheet, config, device)
    _free(device)
    plan = planner.result(sheet.left() - 5)
    sheet.put(plan=plan)
    if "error" in plan:
        return
    method = config.latent.latent
    start = 2 ** (max(1, plan["methods"][method]["largest_batch"]).bit_length() - 1)

    def fits(size: int) -> bool | None:
        if sheet.left() < (1 if sheet.tiny else 15):
            return None
        bigger = replace(config, game=replace(config.game, batch=size))
        found = Job({"what": "try", "config": bigger.to_dict(), "gib": gib}).result(sheet.left() - 3)
        sheet.add("tried", {"batch": size} | found)
        return found.get("fits")

    sheet.put(largest=largest(start, fits, 2**20))


def _measure(sheet: Sheet, config: Config, device: torch.device) -> None:
    """The step with and without the latent step, from a CUDA graph where there are any; beside it that of its recording."""
    peak = math.nan if sheet.tiny else peak_flops(device, torch.bfloat16)
    sheet.put(peak_tflops=peak / 1e12)
    method = config.latent.latent
    engine = "plain" if sheet.tiny else "cuda-graph" if device.type == "cuda" else "recorded"
    for latent in (method, "none"):
        variant = Variant(latent, engine, "bfloat16")
        played: dict[Variant, Played] = {}
        sheet.put(preparing=vars(variant))
        # 15,000 operations are recorded in some 40 seconds, and the tests prove such a step
        row = vars(variant) | prepared(config, variant, played, proved=False)
        for game in played.values():
            times = in_rounds(played, 2 if sheet.tiny else ROUNDS)[variant]
            row |= {k: v for k, v in vars(game.count(times, peak)).items() if v is not None}
            recorded = as_recorded(game.game, game.step)
            row["recorded_ms"] = 1000 * min(seconds_of(recorded, device) for _ in range(1 if sheet.tiny else 3))
            del game
        sheet.put(rows=compare([*sheet.figures.get("rows", []), row]), preparing=None)
        played.clear()
        _free(device)


def _free(device: torch.device) -> None:
    """Give back the memory of games that are over: their parts refer to each other."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _memory_gib(device: torch.device) -> float:
    """Of the device; on a CPU, what a small accelerator has."""
    return torch.cuda.get_device_properties(device).total_memory / 2**30 if device.type == "cuda" else 4.0


def largest(start: int, fits: Callable[[int], bool | None], most: int) -> dict[str, Any]:
    """The largest power of two that fits: doubled from ``start`` while it does, or halved until it does.

    ``fits`` says None where nobody could find out; then what is known so far counts.
    """
    known: dict[int, bool] = {}
    size = start
    while 1 <= size <= most and (found := fits(size)) is not None:
        known[size] = found
        size = 2 * size if found else size // 2
        if size in known:
            break
    good, bad = [n for n, ok in known.items() if ok], [n for n, ok in known.items() if not ok]
    return {"fits": max(good, default=None), "does_not_fit": min(bad, default=None)}


class Job:
    """A process of its own (``on_gpu.large_job``), which may run out of memory without harm."""

    def __init__(self, what: dict[str, Any]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "on_gpu.large_job"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdin is not None
        with self.process.stdin as pipe:
            pipe.write(json.dumps(what))
        self.process.stdin = None

    def result(self, seconds: float) -> dict[str, Any]:
        """What it found; waits no longer than so long."""
        try:
            out, _ = self.process.communicate(timeout=max(0.1, seconds))
        except subprocess.TimeoutExpired:
            self.process.kill()
            return {"error": f"not ready within {seconds:.0f} s"}
        lines = out.strip().splitlines()
        return json.loads(lines[-1]) if lines else {"error": f"exit status {self.process.returncode}"}
