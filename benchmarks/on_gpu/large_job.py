"""``python -m on_gpu.large_job``: count a step, or try one on a batch; told and answered in JSON."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import torch

from logan.bench import planning
from logan.bench.counting import peak_memory
from logan.bench.peak import seconds_of
from logan.bench.steps import Played, Variant
from logan.config import Config
from logan.devices import cpu_threads, kernels
from logan.errors import first_line
from on_gpu.engines import prepared

OUT_OF_MEMORY = "OutOfMemoryError"


def plan(config: Config, gib: float) -> dict[str, Any]:
    """What ``logan plan`` counts."""
    started = time.perf_counter()
    found = planning.make(config)
    methods = {
        name: {
            "gflop_per_image": cost.flop_per_image / 1e9,
            "gflop": cost.flop_per_image * config.game.batch / 1e9,
            "step_mib": found.bytes(config.game.batch, name) / 2**20,
            "largest_batch": _largest(found, cost, gib),
        }
        for name, cost in found.costs.items()
    }
    return {
        "seconds": time.perf_counter() - started,
        "parameters": list(found.parameters),
        "resident_mib": {name: size / 2**20 for name, size in found.resident.items()},
        "methods": methods,
    }


def _largest(found: planning.Plan, cost: planning.StepCost, gib: float) -> int:
    """Of whole batches: nothing is accumulated here. A tenth of the memory is left to kernels, as ``logan plan`` does."""
    room = gib * 2**30 * 0.9 - sum(found.resident.values())
    return max((n for n in (2**k for k in range(16)) if cost.bytes(n) <= room), default=1)


def attempt(config: Config, gib: float) -> dict[str, Any]:
    """Whether a LOGAN step on a batch fits, what it takes and how long."""
    variant = Variant(config.latent.latent, "plain" if config.run.engine == "plain" else "recorded", "bfloat16")
    games: dict[Variant, Played] = {}
    found = prepared(config, variant, games)
    if not games:
        return found | {"fits": False} if OUT_OF_MEMORY in found["error"] else found
    try:
        played = games[variant]
        seconds = min(seconds_of(played.step, played.device) for _ in range(3))
        most = _most(played)
    except torch.cuda.OutOfMemoryError as error:
        return found | {"fits": False, "error": f"{OUT_OF_MEMORY}: {first_line(error)}"}
    return found | {
        "fits": most <= gib * 2**30,
        "gib": most / 2**30,
        "ms": seconds * 1000,
        "images_per_second": config.game.batch / seconds,
    }


def _most(played: Played) -> int:
    """Bytes at the fullest moment, preparations included where the device remembers them."""
    if played.device.type == "cuda":
        return torch.cuda.max_memory_allocated(played.device)
    return peak_memory(played.step, played.device)


def main() -> None:
    """Read what is to be done, and print what came out."""
    job = json.load(sys.stdin)
    config = Config.from_dict(job["config"])
    with cpu_threads(config.run.threads), kernels(deterministic=False):
        try:
            found = (plan if job["what"] == "plan" else attempt)(config, job["gib"])
        except Exception as error:
            found = {"error": f"{type(error).__name__}: {first_line(error)}"}
    print("\n" + json.dumps(found))


if __name__ == "__main__":
    main()
