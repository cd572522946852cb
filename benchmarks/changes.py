"""What each change to the step is worth: the recorded LOGAN step with one thing at a time taken away.

    python benchmarks/changes.py --preset cifar10 --out docs/results/speed/changes-cifar10.json

One process, interleaved, medians; the first variant has everything. Let nothing else run meanwhile. That freed memory is
kept cannot be undone within a process: ``--give-back-memory`` measures everything without it.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F

from logan.bench.counting import count
from logan.bench.steps import Played, Variant
from logan.config import Config, presets
from logan.devices import cpu_threads
from logan.fast import engine, passes, substitute
from logan.training import setup
from logan.training.allocator import keep_freed_memory


def without_substitutes(*functions: Any) -> AbstractContextManager[Any]:
    kept = {f: s for f, s in substitute._SUBSTITUTES.items() if f not in functions}
    return mock.patch.object(substitute, "_SUBSTITUTES", kept)


def without_pass(name: str) -> AbstractContextManager[Any]:
    return mock.patch.object(passes, name)


@contextmanager
def plain_adam() -> Iterator[None]:
    def adam(network: torch.nn.Module, lr: float, betas: tuple[float, float]) -> torch.optim.Adam:
        return torch.optim.Adam(network.parameters(), lr=lr, betas=betas)

    with mock.patch.object(setup, "adam", adam):
        yield


CONVOLUTIONS = (F.conv2d, F.conv_transpose2d)
CHANGES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "everything": nullcontext,
    "torch's double backward of convolutions": lambda: without_substitutes(*CONVOLUTIONS),
    "torch's double backward of batch norm": lambda: without_substitutes(F.batch_norm),
    "rectifiers with second derivatives of zero": lambda: without_substitutes(F.relu, torch.relu, F.leaky_relu),
    "the step as written, not rearranged": lambda: mock.patch.dict(engine.REARRANGED, clear=True),
    "equal operations computed each time": lambda: without_pass("merge_equal"),
    "products by MKL, not oneDNN": lambda: without_pass("multiply_with_onednn"),
    "every cast by itself": lambda: without_pass("cast_less"),
    "products and sums apart": lambda: without_pass("multiply_and_add"),
    "buffers one by one": lambda: without_pass("move_together"),
    "Adam parameter by parameter": plain_adam,
    "contiguous, not channels-last": nullcontext,
    "plain engine": nullcontext,
}


def config_of(preset: str, change: str) -> Config:
    config = presets.get(preset, "ngd")
    order = "contiguous" if change.startswith("contiguous") else "auto"
    return replace(config, run=replace(config.run, memory_format=order))  # type: ignore[arg-type]


def measure(preset: str, precision: str, seconds: float, changes: list[str]) -> dict[str, Any]:
    played, times, gflop = {}, {}, {}
    for change, context in [(change, CHANGES[change]) for change in changes]:
        with context():  # recordings are made here, once
            variant = Variant("ngd", "plain" if change == "plain engine" else "recorded", precision)
            played[change] = Played(config_of(preset, change), variant)
            gflop[change] = count(played[change].step).flop / 1e9
        times[change] = [played[change].time()]
    start, shuffle = time.perf_counter(), random.Random(0)
    while time.perf_counter() - start < seconds or len(times["everything"]) < 6:
        for change in shuffle.sample(changes, len(changes)):  # what comes after a slow one finds cold caches
            times[change].append(played[change].time())
    ms = {change: statistics.median(t[1:]) * 1000 for change, t in times.items()}
    for change in played:
        print(f"{change:45s} {ms[change]:9.2f} ms  x {ms[change] / ms['everything']:.3f}  {gflop[change]:9.4g} GFLOP")
    return {"preset": preset, "precision": precision, "rounds": len(times["everything"]) - 1, "ms": ms, "gflop": gflop}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="cifar10")
    parser.add_argument("--precision", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--only", choices=CHANGES, action="append", help="these (and everything)")
    parser.add_argument("--give-back-memory", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if not given.give_back_memory:
        keep_freed_memory()
    with cpu_threads(presets.get(given.preset, "ngd").run.threads):
        result = measure(
            given.preset, given.precision, given.seconds, list(dict.fromkeys(["everything", *(given.only or CHANGES)]))
        )
    if given.out:
        given.out.write_text(json.dumps(result | {"memory kept": not given.give_back_memory}, indent=1) + "\n")
