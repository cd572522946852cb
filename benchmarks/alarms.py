"""Alarms over runs that are left to themselves: which were raised, and how the runs ended.

    python benchmarks/alarms.py --presets ring digits grid --seeds 3 --out docs/results/alarms.json

Trains each preset by its own settings and length (``--kimg`` shortens them all), in a folder that is removed afterwards, and
writes what its log says. Whether an alarm was false is judged by the scores beside it: a run has done well if its leading score
ended within a factor of 1.5 of its best.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from logan.config import Config, presets
from logan.evaluation import records
from logan.evaluation.names import lower_is_better
from logan.files import write_json
from logan.training import alarms, folder
from logan.training.loop import train


def watched(config: Config, say: Any = print) -> dict[str, Any]:
    """Train, and return what became of the run and which alarms were raised."""
    with tempfile.TemporaryDirectory() as outdir:
        run = train(config, outdir=outdir, quiet=True)
        log = folder.read_stats(run)
    raised = [{"step": r["steps"], **alarm} for r in log for alarm in r.get("alarms", ())]
    scores = [r["metrics"] for r in log if r.get("metrics")]
    by = records.leading(scores[-1]) if scores else None
    values = [] if by is None else [s[by] for s in scores]
    numbers = [v for v in values if v is not None]
    best = None if not numbers else min(numbers) if lower_is_better(str(by)) else max(numbers)
    found = {
        "preset": config.preset,
        "latent": config.latent.latent,
        "seed": config.run.seed,
        "kimg": config.run.kimg,
        "steps": log[-1]["steps"],
        "ticks": len(log),
        "snapshots": sum("diversity" in r for r in log),
        "by": by,
        "best": best,
        "last": values[-1] if values else None,
        "did_well": did_well(by, best, values[-1] if values else None),
        "diversity": [r["diversity"] for r in log if "diversity" in r],
        "alarms": raised,
    }
    say(
        f"{config.preset} {config.latent.latent} seed {config.run.seed}: {by} {found['last']}, alarms {raised or 'none'}"
    )
    return found


def did_well(by: str | None, best: float | None, last: float | None) -> bool | None:
    """Whether a run ended near its best; None if nothing was measured. A mixture of which no mode was found did not."""
    if by is None:
        return None
    if best is None or last is None:
        return False
    return last <= alarms.WORSE * best if lower_is_better(by) else 0 < best <= alarms.WORSE * last


def settings(preset: str, latent: str | None, seed: int, kimg: int | None) -> Config:
    """The preset with that seed, and that length if there is one."""
    config = presets.get(preset, latent)
    return replace(config, run=replace(config.run, seed=seed, kimg=kimg or config.run.kimg, threads=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=["ring", "digits"], help="their data must be there")
    parser.add_argument("--latents", nargs="+", default=[None], help="none, cs, gd, ngd; each preset's own by default")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 0 on")
    parser.add_argument("--kimg", type=int, help="length; each preset's own by default")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file")
    given = parser.parse_args()
    runs: list[dict[str, Any]] = []
    for preset in given.presets:
        for latent in given.latents:
            for seed in range(given.seeds):
                runs.append(watched(settings(preset, latent, seed, given.kimg)))
                write_json(given.out, summary(runs))
    print(json.dumps({k: v for k, v in summary(runs).items() if k != "runs"}, indent=2))


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts, and the runs themselves."""
    well = [r for r in runs if r["did_well"]]
    return {
        "runs_that_did_well": len(well),
        "of_these_with_an_alarm": sum(bool(r["alarms"]) for r in well),
        "runs_that_did_not": len(runs) - len(well),
        "of_those_with_an_alarm": sum(bool(r["alarms"]) for r in runs if not r["did_well"]),
        "runs": runs,
    }


if __name__ == "__main__":
    main()
