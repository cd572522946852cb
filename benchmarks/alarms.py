"""Alarms over runs that are left to themselves: which were raised, and how the runs ended.

    python benchmarks/alarms.py --presets ring digits --seeds 3 --out docs/results/alarms.json
    python benchmarks/alarms.py --presets cifar10 --data FOLDER --width 8 --kimg 60 --tick 1 --snap 4 --latents none ngd \\
        --seeds 1 --add --out docs/results/alarms-presets.json

Trains each preset by its own settings and length, or by the flags' in their place, in a folder that is removed afterwards, and
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

FLAGS: dict[str, dict[str, type]] = {
    "data": {"data": str, "image_size": int},
    "networks": {"width": int},
    "run": {"kimg": int, "tick": int, "snap": int},
    "scores": {"metrics": str},
}
"""By group, what a flag may put in the place of a preset's own."""


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
        "width": config.networks.width,
        "image_size": config.data.image_size,
        "steps": log[-1]["steps"],
        "ticks": len(log),
        "snapshots": sum("diversity" in r for r in log),
        "by": by,
        "best": best,
        "last": values[-1] if values else None,
        "did_well": did_well(by, best, values[-1] if values else None),
        "scores": values,
        "diversity": [r["diversity"] for r in log if "diversity" in r],
        "d_overfitting": [r["d_overfitting"] for r in log if "d_overfitting" in r],
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


def settings(preset: str, latent: str | None, seed: int, given: dict[str, Any], threads: int = 1) -> Config:
    """The preset with that seed, and with what is given (by name; None: not given) in the place of its own."""
    config = presets.get(preset, latent)
    groups = {
        group: replace(getattr(config, group), **{name: given[name] for name in names if given.get(name) is not None})
        for group, names in FLAGS.items()
    }
    return replace(config, **groups | {"run": replace(groups["run"], seed=seed, threads=threads)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=["ring", "digits"], help="their data must be there")
    parser.add_argument("--latents", nargs="+", default=[None], help="none, cs, gd, ngd; each preset's own by default")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 0 on")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    for name, kind in {name: kind for names in FLAGS.values() for name, kind in names.items()}.items():
        many = "+" if name == "metrics" else None
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, nargs=many, help="each preset's own by default")
    parser.add_argument("--add", action="store_true", help="keep what the file has of other runs")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file")
    given = parser.parse_args()
    if given.metrics:
        given.metrics = tuple(given.metrics)
    configs = [
        settings(preset, latent, seed, vars(given), given.threads)
        for preset in given.presets
        for latent in given.latents
        for seed in range(given.seeds)
    ]
    runs = json.loads(given.out.read_text())["runs"] if given.add and given.out.exists() else []
    ours = {(c.preset, c.latent.latent, c.run.seed) for c in configs}
    runs = [r for r in runs if (r["preset"], r["latent"], r["seed"]) not in ours]
    for config in configs:
        runs.append(watched(config))
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
