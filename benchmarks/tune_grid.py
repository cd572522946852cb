"""Every method on the 25 Gaussians with one budget for tuning: eight settings on two seeds, the best on five others.

    python benchmarks/tune_grid.py --runs runs-grid-tuned --out docs/results/dynamics/grid-tuned

6,000 steps a run, some 50 seconds of one core each, 134 runs. Interrupted, the same command goes on; --methods takes some of
them, so that two processes can share the work, each with an --out of its own; a last call with all their names trains nothing,
and writes one table.

A setting's score is modes10k · quality10k of the averaged generator at the end, mean over seeds 0 and 1; the setting with the
highest score is trained again with seeds 5 to 9, and only those are compared. The ordinary game has no strength: its two
learning rates are tuned in its place. NGD has three parameters, and twelve settings.
"""

from __future__ import annotations

import argparse
import csv
import io
import statistics
import sys
from pathlib import Path

from logan.cli.compare import plan
from logan.compare.runs import Result, run_all
from logan.files import write_atomically

RATES = [(3e-4, 3e-4), (3e-4, 1e-3), (3e-4, 3e-3), (1e-3, 3e-4), (1e-3, 1e-3), (1e-3, 3e-3), (3e-3, 1e-3), (3e-3, 3e-3)]
NGD = ["", "alpha=0.1", "alpha=0.3", "alpha=3", "beta=5", "beta=500", "beta=5000", "penalty=0", "penalty=1",
       "alpha=0.3:penalty=1", "alpha=0.3:beta=500", "alpha=0.1:penalty=1"]  # fmt: skip


def _strengths(method: str, values: list[float]) -> list[str]:
    return [f"{method}:dynamics-strength={v:g}" for v in values]


SETTINGS: dict[str, list[str]] = {
    "ngd": [f"ngd:{changes}".removesuffix(":") for changes in NGD],
    "none": [f"none:g-lr={g:g}:d-lr={d:g}" for g, d in RATES],
    "none, in turns": [f"none:update=alternating:g-lr={g:g}:d-lr={d:g}" for g, d in RATES],
    "sga": _strengths("sga", [0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10]),
    "consensus": _strengths("consensus", [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30]),
    "gradient penalty": _strengths("gradient-penalty", [0.002, 0.005, 0.02, 0.05, 0.1, 0.3, 1, 3]),
}
FLAGS = ["--kimg", "1536", "--snap", "6", "--threads", "1"]


def score(result: Result) -> float:
    """modes10k · quality10k at the end; 0 for a run that diverged."""
    return max(0.0, result.final("modes10k")) * max(0.0, result.final("quality10k"))


def tune(method: str, runs: Path) -> tuple[list[Result], list[Result]]:
    """The runs over all settings, and the held-out runs of the best; each method has a folder of its own."""
    runs = runs / method.replace(", ", "-").replace(" ", "-")
    tried = run_all(plan("grid", SETTINGS[method], 2, FLAGS), runs, _say, quiet=True)
    means = {s: statistics.mean(score(r) for r in tried if r.entry.label == s) for s in SETTINGS[method]}
    best = max(means, key=lambda s: means[s])
    return tried, run_all(plan("grid", [best], 5, [*FLAGS, "--seed", "5"]), runs, _say, quiet=True)


def report(methods: list[str], runs: Path, out: Path) -> None:
    """``table.md`` and ``scores.csv``; trains what is missing."""
    tables = ["| method | best of its settings | held-out seeds 5 to 9: modes of 25 (quality) | modes · quality |"]
    tables += ["|---|---|---|---|"]
    tuned = ["| setting | seeds 0, 1: modes (quality) | modes · quality |", "|---|---|---|"]
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    writer.writerow(["method", "setting", "seed", "modes10k", "quality10k", "reverse_kl10k"])
    for method in methods:
        tried, held = tune(method, runs)
        values = [score(r) for r in held]
        spread = f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}"
        tables.append(f"| {method} | `{held[0].entry.label}` | {_cells(held)} | {spread} |")
        for setting in SETTINGS[method]:
            two = [r for r in tried if r.entry.label == setting]
            tuned.append(f"| `{setting}` | {_cells(two)} | {statistics.mean(map(score, two)):.1f} |")
        for r in [*tried, *held]:
            finals = [r.final(n) for n in ("modes10k", "quality10k", "reverse_kl10k")]
            writer.writerow([method, r.entry.label, r.entry.config.run.seed, *finals])
    out.mkdir(parents=True, exist_ok=True)
    text = "\n".join([*tables, "", "All settings:", "", *tuned]) + "\n"
    for name, content in (("table.md", text), ("scores.csv", rows.getvalue())):
        write_atomically(out / name, lambda partial, content=content: partial.write_text(content, encoding="utf-8"))  # type: ignore[misc]
    print(text)


def _cells(results: list[Result]) -> str:
    return ", ".join(f"{r.final('modes10k'):.0f} ({r.final('quality10k'):.2f})" for r in results)


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--methods", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    given = parser.parse_args()
    report(given.methods, given.runs, given.out)
