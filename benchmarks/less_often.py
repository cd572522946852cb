"""What a latent step in every k-th game step only, or on a share of the batch, does to quality per second.

    python benchmarks/less_often.py time  --out docs/results/less-often    # first, on a machine that does nothing else
    python benchmarks/less_often.py train --out docs/results/less-often    # a quarter of an hour of one core
    python benchmarks/less_often.py table --out docs/results/less-often

Every method trains for as many seconds as "ngd" needs for --kimg, counted by the times per step that were measured
beforehand: the training itself may then run beside other work.

Score: the Fréchet distance between 10,000 samples of the averaged generator and the 1,797 digits, both as vectors of 64
pixels rounded to 1/255 (mean and covariance in float64). Not an FID: no network looks at the images.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn

import logan
from logan.config import Config, presets
from logan.data import Mixture, open_data
from logan.devices import cpu_threads
from logan.training import folder, setup

METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "none": ("none", {}),
    "ngd": ("ngd", {}),
    "ngd, every 2nd": ("ngd", {"latent_every": 2}),
    "ngd, every 4th": ("ngd", {"latent_every": 4}),
    "ngd, half of the batch": ("ngd", {"latent_share": 0.5}),
    "ngd, quarter of the batch": ("ngd", {"latent_share": 0.25}),
}
SAMPLES = 10_000

matplotlib.use("Agg")


PARTS = (0.25, 0.5, 1.0)
"""Of the seconds, where the table looks."""


def config_of(method: str, seed: int, kimg: int) -> Config:
    latent, changes = METHODS[method]
    config = presets.get("digits", latent)
    return replace(
        config,
        latent=replace(config.latent, **changes),
        run=replace(config.run, seed=seed, kimg=kimg, tick=8, snap=5),
    )


def pixels() -> Tensor:
    data = open_data("digits")
    assert not isinstance(data, Mixture)
    return data.batch(torch.arange(len(data)))[0].flatten(1).double() / 255


def frechet(a: Tensor, b: Tensor) -> float:
    """‖μ_a − μ_b‖² + tr(A + B − 2 (A B)^½) of two sets of vectors, (n, d), float64."""
    cov_a, cov_b = torch.cov(a.T), torch.cov(b.T)
    root = torch.linalg.eigvals(cov_a @ cov_b).real.clamp_min(0).sqrt().sum()
    return ((a.mean(0) - b.mean(0)).square().sum() + cov_a.trace() + cov_b.trace() - 2 * root).item()


def train(out: Path, seeds: int, kimg: int) -> None:
    real = pixels()

    @torch.no_grad()
    def measure(generator: nn.Module, _discriminator: nn.Module) -> dict[str, float]:
        z = 2 * torch.rand(SAMPLES, 64, generator=torch.Generator().manual_seed(1)) - 1
        images = torch.cat([generator(part) for part in z.split(1000)])
        fake = ((images.flatten(1) + 1) * 127.5).round().clamp(0, 255).double() / 255
        return {"pixel-fd10k": frechet(real, fake)}

    ms = read_times(out)
    for seed in range(seeds):
        for method in METHODS:
            path = out / f"{method.replace(',', '').replace(' ', '-')}-seed{seed}.jsonl"
            if path.exists():
                continue
            with tempfile.TemporaryDirectory() as runs:
                run = logan.train(
                    config_of(method, seed, round(kimg * ms["ngd"] / ms[method])),
                    outdir=runs,
                    measure=measure,
                    quiet=True,
                )
                scores = [
                    {"method": method, "seed": seed, "kimg": s["kimg"], "steps": s["steps"], **s["metrics"]}
                    for s in folder.read_stats(run)
                    if "metrics" in s
                ]
            path.write_text("".join(json.dumps(s) + "\n" for s in scores))
            print(method, seed, scores[-1], flush=True)


def clock(out: Path, rounds: int = 400) -> None:
    """Milliseconds per step of every method, interleaved, medians over blocks of four steps (the longest cycle)."""
    with cpu_threads(1):
        games = {}
        for method in METHODS:
            config = config_of(method, 0, 1)
            parts = setup.build(config, setup.training_data(config))
            games[method] = (parts.game, parts.reals(0), parts.latents)
        times: dict[str, list[float]] = {method: [] for method in METHODS}
        for i in range(rounds + 20):
            for method, (game, reals, latents) in games.items():
                start = time.perf_counter()
                for _ in range(4):
                    game.step(lambda reals=reals: next(reals), latents)  # type: ignore[misc]
                if i >= 20:
                    times[method].append((time.perf_counter() - start) / 4 * 1000)
    result = {method: statistics.median(values) for method, values in times.items()}
    out.mkdir(parents=True, exist_ok=True)
    (out / "milliseconds-per-step.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def read_times(out: Path) -> dict[str, float]:
    return json.loads((out / "milliseconds-per-step.json").read_text())


def table(out: Path) -> None:
    """Scores after equal seconds, as a table and as curves."""
    ms = read_times(out)
    runs: dict[str, list[list[dict[str, Any]]]] = {method: [] for method in METHODS}
    for path in sorted(out.glob("*-seed*.jsonl")):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        runs[lines[0]["method"]].append([s | {"seconds": s["steps"] * ms[lines[0]["method"]] / 1000} for s in lines])
    budget = min(run[-1]["seconds"] for many in runs.values() for run in many)
    columns = " | ".join(f"{budget * part:.0f} s" for part in PARTS)
    text = [f"| method | ms per step | kimg in {budget:.0f} s | {columns} | best |", "|---" * (4 + len(PARTS)) + "|"]
    for method, many in runs.items():
        cells = [_pm([_score_at(run, budget * part) for run in many]) for part in PARTS]
        best = _pm([min(s["pixel-fd10k"] for s in run) for run in many])
        kimg = many[0][-1]["kimg"] * budget / many[0][-1]["seconds"]
        text.append(f"| {method} | {ms[method]:.2f} | {kimg:.0f} | {' | '.join(cells)} | {best} |")
    head = f"Pixel Fréchet distance, mean ± standard deviation over {len(runs['ngd'])} seeds."
    (out / "table.md").write_text(head + "\n\n" + "\n".join(text) + "\n")
    print(head, *text, sep="\n")
    draw(runs, out / "curves.png")


def _score_at(run: list[dict[str, Any]], seconds: float) -> float:
    return [s for s in run if s["seconds"] <= seconds * 1.001][-1]["pixel-fd10k"]


def draw(runs: dict[str, list[list[dict[str, Any]]]], path: Path) -> None:
    """Mean over the seeds against seconds of training, with the seeds behind it."""
    figure, axes = plt.subplots(figsize=(8, 5))
    for i, (method, many) in enumerate(runs.items()):
        scores = [[s["pixel-fd10k"] for s in run] for run in many]
        seconds = [s["seconds"] for s in many[0]]
        for run in scores:
            axes.plot(seconds, run, color=f"C{i}", alpha=0.2, linewidth=1)
        axes.plot(
            seconds, [statistics.mean(values) for values in zip(*scores, strict=True)], color=f"C{i}", label=method
        )
    axes.set(xlabel="seconds of training, one core", ylabel="pixel Fréchet distance, 10,000 samples", yscale="log")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def _pm(values: list[float]) -> str:
    spread = statistics.stdev(values) if len(values) > 1 else float("nan")
    return f"{statistics.mean(values):.3f} ± {spread:.3f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "time", "table"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--kimg", type=int, default=600)
    given = parser.parse_args()
    if given.what == "train":
        train(given.out, given.seeds, given.kimg)
    elif given.what == "time":
        clock(given.out)
    else:
        table(given.out)
