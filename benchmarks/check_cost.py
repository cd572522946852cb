"""What it costs that recordings are compared with the plain code: a checked step beside an ordinary one, and its share of a run.

    python benchmarks/check_cost.py --presets ring digits cifar10 --out docs/results/speed/check-cost.json

Checks fall at steps 1, 2, 4, … 1,024, at every 4,096th and after every snapshot of the preset's own run; the proof in a wide
type, once for each recording in a narrow one, is not counted. Medians, alternating, one process; let
nothing else run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from logan.bench.steps import Played, Variant, describe_machine
from logan.config import presets
from logan.devices import cpu_threads
from logan.fast.recorded import EVERY, LAST_CHECK
from logan.training.allocator import keep_freed_memory


def measure(preset: str, rounds: int) -> dict[str, Any]:
    config = presets.get(preset, "ngd")
    with cpu_threads(config.run.threads):
        played = Played(config, Variant("ngd", "recorded", config.game.precision))
        played.block = 1
        engine = played.game._engine
        assert engine is not None
        times: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(rounds):
            for checked in times:
                engine.checking = checked
                if checked:
                    played.game.check_next()
                times[checked].append(played.time() * 1000)
    ordinary, checked_ms = (statistics.median(times[c]) for c in (False, True))
    run = config.run
    steps = run.kimg * 1000 / (config.game.batch * played.game.real_batches_per_step)
    checks = LAST_CHECK.bit_length() + int(steps) // EVERY + run.kimg // (run.tick * run.snap)
    share = checks * (checked_ms - ordinary) / (steps * ordinary)
    print(
        f"{preset:10s} {ordinary:9.2f} ms, checked {checked_ms:9.2f} ms; {checks} checks in {steps:.0f} steps: {share:.2%}"
    )
    found = {"ms": ordinary, "checked_ms": checked_ms, "steps": steps, "checks": checks, "share_of_the_run": share}
    return {"preset": preset, "rounds": rounds, "machine": describe_machine(played.device), **found}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=["ring", "digits"])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    keep_freed_memory()
    results = [measure(preset, given.rounds) for preset in given.presets]
    if given.out:
        given.out.write_text(json.dumps(results, indent=1) + "\n")
