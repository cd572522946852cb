"""Plans that were made before: counting takes a minute for large networks, and people ask for one device after another."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

import torch

import logan
from logan.bench.live_memory import LiveMemory
from logan.bench.planning import Plan, StepCost
from logan.config import Config
from logan.errors import InputError
from logan.files import cache_folder, write_json
from logan.foreign import load_json


def place(config: Config, gpus: int) -> Path | None:
    """The file in the cache for a plan of these settings, by this code and this torch; None if there is no cache."""
    root = Path(logan.__file__).parent
    digest = hashlib.sha256(json.dumps([config.to_dict(), gpus, torch.__version__]).encode())
    for path in sorted(root.rglob("*.py")):
        digest.update(path.read_bytes())
    try:
        return cache_folder() / f"plan-{digest.hexdigest()[:24]}.json"
    except InputError:
        return None


def read(path: Path | None, config: Config) -> Plan | None:
    """What was kept there; None if nothing was, or it is damaged."""
    if path is None or not path.is_file():
        return None
    with contextlib.suppress(InputError, TypeError, ValueError, KeyError, AttributeError):
        f = load_json(path)
        costs = {
            method: StepCost(
                float(c["flop_per_image"]),
                [_memory(m) for m in c["memory"]],
                [(_memory(m), int(beside)) for m, beside in c["turns"]],
            )
            for method, c in f["costs"].items()
        }
        generator, discriminator = map(int, f["parameters"])
        resident = {str(name): int(size) for name, size in f["resident"].items()}
        return Plan(config, (generator, discriminator), resident, costs, int(f["local_batch"]))
    return None


def keep(path: Path | None, plan: Plan) -> None:
    """Keep a plan there, if it can be written."""
    if path is None:
        return
    costs = {
        method: {
            "flop_per_image": cost.flop_per_image,
            "memory": [[m.batch, m.moments()] for m in cost.memory],
            "turns": [[[m.batch, m.moments()], beside] for m, beside in cost.turns],
        }
        for method, cost in plan.costs.items()
    }
    with contextlib.suppress(InputError, OSError):
        write_json(
            path,
            {"parameters": plan.parameters, "resident": plan.resident, "local_batch": plan.local_batch, "costs": costs},
        )


def _memory(kept: Any) -> LiveMemory:
    batch, moments = kept
    return LiveMemory.of(int(batch), [(int(fixed), int(growing)) for fixed, growing in moments])
