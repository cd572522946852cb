"""What a latent step in every k-th game step only, or on a share of the batch, does to quality per second.

    python benchmarks/less_often.py train --out docs/results/less-often    # hours of one core: 6 methods x seeds
    python benchmarks/less_often.py time  --out docs/results/less-often    # on a machine that does nothing else
    python benchmarks/less_often.py table --out docs/results/less-often

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

import torch
from torch import Tensor, nn

import logan
from logan import presets
from logan.config import Config
from logan.data import Mixture, open_data
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

    out.mkdir(parents=True, exist_ok=True)
    for seed in range(seeds):
        for method in METHODS:
            path = out / f"{method.replace(',', '').replace(' ', '-')}-seed{seed}.jsonl"
            if path.exists():
                continue
            with tempfile.TemporaryDirectory() as runs:
                run = logan.train(config_of(method, seed, kimg), outdir=runs, measure=measure, quiet=True)
                scores = [
                    {"method": method, "seed": seed, "kimg": s["kimg"], "steps": s["steps"], **s["metrics"]}
                    for s in folder.read_stats(run)
                    if "metrics" in s
                ]
            path.write_text("".join(json.dumps(s) + "\n" for s in scores))
            print(method, seed, scores[-1], flush=True)


def clock(out: Path, rounds: int = 400) -> None:
    """Milliseconds per step of every method, interleaved, medians over blocks of four steps (the longest cycle)."""
    with setup.cpu_threads(1):
        games = {}
        for method in METHODS:
            config = config_of(method, 0, 1)
            parts = setup.build(config, setup.open_configured(config))
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
    (out / "milliseconds-per-step.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def table(out: Path) -> None:
    """Scores at equal steps and at equal seconds (those of the last step of 'none')."""
    ms = json.loads((out / "milliseconds-per-step.json").read_text())
    rows: dict[str, list[list[dict]]] = {}
    for path in sorted(out.glob("*-seed*.jsonl")):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        rows.setdefault(lines[0]["method"], []).append(lines)
    seconds = min(runs[0][-1]["steps"] * ms[method] / 1000 for method, runs in rows.items())
    text = ["| method | ms per step | at the last step | best | at equal time |", "|---|---|---|---|---|"]
    for method in METHODS:
        runs = rows[method]
        last = [run[-1]["pixel-fd10k"] for run in runs]
        best = [min(s["pixel-fd10k"] for s in run) for run in runs]
        within = [
            [s for s in run if s["steps"] * ms[method] / 1000 <= seconds * 1.001][-1]["pixel-fd10k"] for run in runs
        ]
        text.append(f"| {method} | {ms[method]:.2f} | {_pm(last)} | {_pm(best)} | {_pm(within)} |")
    head = f"Seeds: {len(runs)}. Mean ± standard deviation over seeds. Equal time: {seconds:.0f} s of training."
    (out / "table.md").write_text(head + "\n\n" + "\n".join(text) + "\n")
    print(head, *text, sep="\n")


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
