"""Where training breaks: the final score over learning rates and over the ratio of D's rate to G's, per latent method.

    python benchmarks/stability.py --preset ring --seeds 2 --kimg 512 --out docs/results/stability/ring
    python benchmarks/stability.py --preset ring --spectral-norm False --seeds 2 --kimg 512 --out docs/results/stability/ring-plain

The paper argues that latent optimisation steadies the game and so allows larger steps; these maps test it. G's rate is
FACTOR times the preset's, D's is RATIO times G's. Every other flag of logan train holds for all runs. Interrupted, the same
command goes on where it was; the runs themselves stay in --runs.

A cell is broken if the mean over its seeds of the final score is worse than half of the best cell's of any method (for
scores of which less is better: more than twice as high).
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import pyplot as plt

from logan.cli.compare import plan
from logan.compare.runs import Entry, Result, run_all
from logan.compare.summary import score_names
from logan.evaluation.names import lower_is_better

matplotlib.use("Agg")

Cell = tuple[str, float, float]
"""Method, factor of G's learning rate, ratio of D's to G's."""


def entries(given: argparse.Namespace, flags: Sequence[str]) -> list[tuple[Cell, Entry]]:
    """All runs, seed by seed, so that a first map is there early."""
    found = []
    for base in plan(given.preset, given.methods, given.seeds, flags):
        for factor in given.factors:
            for ratio in given.ratios:
                g_lr = base.config.game.g_lr * factor
                game = replace(base.config.game, g_lr=g_lr, d_lr=g_lr * ratio)
                entry = Entry(f"{base.label}-x{factor:g}-r{ratio:g}", replace(base.config, game=game))
                found.append(((base.label, factor, ratio), entry))
    return found


def final_scores(cells: Sequence[Cell], results: Sequence[Result], score: str) -> dict[Cell, list[float]]:
    """Per cell, the seeds' final scores; infinitely bad where a run has diverged."""
    found: dict[Cell, list[float]] = {}
    for cell, result in zip(cells, results, strict=True):
        found.setdefault(cell, []).append(result.final(score))
    return found


def broken(scores: dict[Cell, list[float]], score: str) -> set[Cell]:
    """The cells that this file's head calls broken."""
    means = {cell: statistics.fmean(values) for cell, values in scores.items()}
    if lower_is_better(score):
        limit = max(2 * min(means.values()), 0)  # KID's estimate may be below zero
        return {cell for cell, mean in means.items() if not mean <= limit or math.isinf(mean)}
    limit = max(means.values()) / 2
    return {cell for cell, mean in means.items() if mean < limit}


def table(scores: dict[Cell, list[float]], score: str, given: argparse.Namespace) -> str:
    """Markdown: a row per ratio and method, a column per factor, mean (lowest to highest); broken cells struck out."""
    bad = broken(scores, score)
    head = ["D's rate / G's", "method", *(f"G's rate x{f:g}" for f in given.factors)]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for ratio in given.ratios:
        for method in given.methods:
            cells = [_cell(scores[method, f, ratio], (method, f, ratio) in bad) for f in given.factors]
            lines.append(f"| {ratio:g} | {method} | " + " | ".join(cells) + " |")
    for method in given.methods:
        whole = [c for c in scores if c[0] == method]
        lines.append(f"\n{method}: {sum(c in bad for c in whole)} of {len(whole)} cells broken.")
    return f"{score}, final, seeds: {given.seeds}\n\n" + "\n".join(lines) + "\n"


def _cell(values: Sequence[float], is_broken: bool) -> str:
    if not all(map(math.isfinite, values)):
        text = f"diverged in {sum(not math.isfinite(v) for v in values)} of {len(values)}"
    else:
        spread = f" ({min(values):.3g} to {max(values):.3g})" if len(values) > 1 else ""
        text = f"{statistics.fmean(values):.3g}{spread}"
    return f"~~{text}~~" if is_broken else text


def draw(path: Path, scores: dict[Cell, list[float]], score: str, given: argparse.Namespace) -> None:
    """One map per method on a common scale; broken cells are crossed out."""
    bad, low = broken(scores, score), lower_is_better(score)
    means = {cell: statistics.fmean(values) for cell, values in scores.items()}
    finite = [m for m in means.values() if math.isfinite(m)] or [1.0]
    figure, axes = plt.subplots(1, len(given.methods), figsize=(1.5 + 4.2 * len(given.methods), 3.4), dpi=110,
                                squeeze=False, layout="constrained")  # fmt: skip
    norm = matplotlib.colors.LogNorm(min(finite), max(finite)) if low else matplotlib.colors.Normalize(0, max(finite))
    for axis, method in zip(axes.flat, given.methods, strict=True):
        values = np.array([[means[method, f, r] for f in given.factors] for r in given.ratios])
        image = axis.imshow(np.where(np.isfinite(values), values, np.nan), norm=norm, aspect="auto", origin="lower",
                            cmap="viridis_r" if low else "viridis")  # fmt: skip
        for i, r in enumerate(given.ratios):
            for j, f in enumerate(given.factors):
                text = f"{values[i, j]:.3g}" if math.isfinite(values[i, j]) else "diverged"
                colour = "tab:red" if (method, f, r) in bad else "black"
                box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.5}
                axis.text(j, i, text, ha="center", va="center", fontsize=9, color=colour, bbox=box)
        axis.set_xticks(range(len(given.factors)), [f"x{f:g}" for f in given.factors])
        axis.set_yticks(range(len(given.ratios)), [f"{r:g}" for r in given.ratios])
        axis.set(title=method, xlabel="G's learning rate", ylabel="D's rate / G's")
    figure.colorbar(image, ax=axes, label=f"{score} at the end, seeds: {given.seeds}\n(red: broken)")
    figure.savefig(path)
    plt.close(figure)


def save_scores(path: Path, cells: Sequence[Cell], results: Sequence[Result]) -> None:
    """CSV: a line per run and score."""
    with open(path, "w", encoding="utf-8", newline="") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(["method", "factor", "ratio", "g_lr", "d_lr", "seed", "steps", "score", "final"])
        for (method, factor, ratio), r in zip(cells, results, strict=True):
            game, seed, last = r.entry.config.game, r.entry.config.run.seed, r.points[-1]
            for name, value in last["scores"].items():
                shown = "" if value is None else f"{value:.6g}"
                out.writerow([method, factor, ratio, game.g_lr, game.d_lr, seed, last["steps"], name, shown])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--preset", default="ring")
    parser.add_argument("--methods", nargs="+", default=["none", "gd", "ngd"])
    parser.add_argument("--factors", nargs="+", type=float, default=[1, 2, 4, 8, 16])
    parser.add_argument("--ratios", nargs="+", type=float, default=[0.25, 1, 4])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=Path, help="runs/stability-NAME-OF-OUT by default")
    given, flags = parser.parse_known_args()
    if any(f.startswith(("--d-lr", "--d_lr")) for f in flags):
        parser.error("D's rate is G's times --ratios")
    planned = entries(given, flags)
    runs = given.runs or Path("runs") / f"stability-{given.out.name}"
    cells = [cell for cell, _ in planned]
    results = run_all([entry for _, entry in planned], runs, say=lambda text: print(text, flush=True), quiet=True)
    given.out.mkdir(parents=True, exist_ok=True)
    names = score_names(results)
    shown = [names[0], *(n for n in names if n.startswith("quality"))]
    text = "\n".join(table(final_scores(cells, results, score), score, given) for score in shown)
    (given.out / "table.md").write_text(text)
    save_scores(given.out / "scores.csv", cells, results)
    settings = [{"cell": cell, "settings": entry.config.to_dict()} for cell, entry in planned[:1]]
    (given.out / "settings.json").write_text(json.dumps(settings, indent=1) + "\n")
    for score in shown:
        draw(given.out / f"{score}.png", final_scores(cells, results, score), score, given)
    print(text)


if __name__ == "__main__":
    main()
