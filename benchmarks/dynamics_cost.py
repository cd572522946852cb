"""What a step costs as networks grow: latent optimisation, SGA and others against the plain simultaneous step.

    python benchmarks/dynamics_cost.py --out docs/results/dynamics-cost

Pairs of multi-layer perceptrons whose parameters go from 10⁴ to 10⁷, the same batch throughout. A step is both players'
gradients and both Adam updates; learning rates are next to nothing, so that every method stays at one point. Operations are
counted as they are called, memory is the most that a step allocates beyond weights, buffers and optimisers, and time is
divided by the plain step's of the same round; rounds play all methods in random order. Let nothing else run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import statistics
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import pyplot as plt

from logan.bench.steps import Played, Variant, describe_machine
from logan.config import Config, DataConfig, NetworkConfig, presets
from logan.devices import choose_device, cpu_threads
from logan.networks import count_parameters
from logan.training.allocator import keep_freed_memory

matplotlib.use("Agg")

PLAIN = "plain"
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    PLAIN: ("none", {}),
    "LOGAN (gd)": ("gd", {}),
    "LOGAN (ngd)": ("ngd", {}),
    "SGA": ("none", {"dynamics": "sga"}),
    "consensus": ("none", {"dynamics": "consensus"}),
    "unrolled, 1 step of D": ("none", {"dynamics": "unrolled", "unroll": 1}),
    "unrolled, 1 step of both": ("none", {"dynamics": "unrolled", "unroll": 1, "unroll_g": 1}),
    "extragradient": ("none", {"dynamics": "extragradient"}),
}
"""The latent method and the settings of the game."""
MEASURES = {"operations": "operations", "memory": "memory of a step", "time": "time"}
LATENT_DIM, IMAGE_SIZE = 64, 8


def width_for(parameters: float, latent_dim: int = LATENT_DIM, values: int = IMAGE_SIZE**2) -> int:
    """The width w at which G and D, of two hidden layers each, have about so many parameters together.

    With d latent dimensions and v values per image that is 2w² + (d + 2v + 5)w + v + 1.
    """
    b = latent_dim + 2 * values + 5
    return max(1, round((math.sqrt(b * b + 8 * (parameters - values - 1)) - b) / 4))


def config_of(method: str, width: int, given: argparse.Namespace) -> Config:
    """The settings of one game."""
    latent, changes = METHODS[method]
    base = presets.get("digits", latent)
    run = replace(base.run, device=given.device, seed=given.seed)
    game = replace(base.game, batch=given.batch, loss=given.loss, g_lr=1e-8, d_lr=1e-8, **changes)
    networks = NetworkConfig("mlp", latent_dim=LATENT_DIM, width=width, depth=2)
    data = DataConfig(data="random", image_size=IMAGE_SIZE, channels=1)
    return replace(base, data=data, networks=networks, game=game, run=run)


def prepare(method: str, width: int, given: argparse.Namespace) -> tuple[Played, str | None]:
    """A game that has been played a few times, and the reason if it fell back to a plainer engine."""
    config = config_of(method, width, given)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        played = Played(config, Variant(config.latent.latent, given.engine, "float32"))
    notices = [str(w.message) for w in caught if str(w.message).startswith("playing ")]
    return played, notices[0] if notices else None


def measure_size(parameters: float, given: argparse.Namespace) -> list[dict[str, Any]]:
    """The costs of all methods at one size, as rows for JSON."""
    width, rows, played = width_for(parameters), {}, {}
    for method in given.methods:
        played[method], fallback = prepare(method, width, given)
        game, cost = played[method].game, played[method].count()
        total = count_parameters(game.generator) + count_parameters(game.discriminator)
        rows[method] = {"method": method, "parameters": total, "width": width, "fallback": fallback}
        rows[method] |= {name: getattr(cost, name) for name in ("gflop", "kernels", "peak_mib", "resident_mib")}
    times = measure_times(played, given)
    for method, row in rows.items():
        ratios = [own / plain for own, plain in zip(times[method], times[PLAIN], strict=True)]
        row |= spread("ms", times[method]) | spread("time_ratio", ratios)
        row["operations_ratio"] = row["gflop"] / rows[PLAIN]["gflop"]
        row["memory_ratio"] = row["peak_mib"] / rows[PLAIN]["peak_mib"]
    return list(rows.values())


def measure_times(played: dict[str, Played], given: argparse.Namespace) -> dict[str, list[float]]:
    """Milliseconds per step, one for each round."""
    times: dict[str, list[float]] = {method: [] for method in played}
    shuffle = random.Random(given.seed)
    for _ in range(given.rounds):
        for method in shuffle.sample(list(played), len(played)):  # what comes after a slow one finds cold caches
            times[method].append(played[method].time() * 1000)
    return times


def spread(name: str, values: Sequence[float]) -> dict[str, float]:
    """The median, and the limits between which eight tenths of the values lie."""
    ordered = sorted(values)
    tenth = len(ordered) // 10
    return {name: statistics.median(ordered), f"{name}_10": ordered[tenth], f"{name}_90": ordered[-1 - tenth]}


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Everything, for JSON; a line is printed after each size."""
    costs = []
    for parameters in given.parameters:
        rows = measure_size(parameters, given)
        shown = ", ".join(f"{r['method']} {r['time_ratio']:.2f}" for r in rows)
        print(f"{rows[0]['parameters']:.3g} parameters, time: {shown}", flush=True)
        for note in {f"{r['method']}: {r['fallback']}" for r in rows if r["fallback"]}:
            print(note, flush=True)
        costs += rows
    names = ("engine", "batch", "loss", "seed", "rounds")
    machine = describe_machine(choose_device(given.device))
    settings = {"latent_dim": LATENT_DIM, "image_size": IMAGE_SIZE} | {name: getattr(given, name) for name in names}
    return {"machine": machine, "settings": settings, "costs": costs}


def cell(row: dict[str, Any], measure: str) -> str:
    """A ratio to the plain step; of the plain step itself, what it is."""
    if row["method"] == PLAIN:
        absolute = {"operations": "{gflop:.3g} GFLOP", "memory": "{peak_mib:.3g} MiB", "time": "{ms:.3g} ms"}
        return absolute[measure].format(**row)
    text = f"{row[measure + '_ratio']:.2f}"
    return text if measure != "time" else f"{text} ({row['time_ratio_10']:.2f} to {row['time_ratio_90']:.2f})"


def table(result: dict[str, Any]) -> str:
    """Markdown: for each measure a row per method and a column per size."""
    costs = {(r["method"], r["parameters"]): r for r in result["costs"]}
    methods, sizes = ([*dict.fromkeys(key[i] for key in costs)] for i in (0, 1))
    parts = []
    for name, words in MEASURES.items():
        head = [f"{words}, times the plain step's", *(f"{size:,} parameters" for size in sizes)]
        lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        lines += [f"| {m} | " + " | ".join(cell(costs[m, size], name) for size in sizes) + " |" for m in methods]
        parts.append("\n".join(lines) + "\n")
    machine, settings = result["machine"], result["settings"]
    parts.append(
        f"{machine['device']}, threads: {machine['threads']}, torch {machine['torch']}; engine {settings['engine']}, batch "
        f"{settings['batch']}, {settings['loss']} loss, seed {settings['seed']}; time: median of {settings['rounds']} rounds "
        "(8 in 10 between the limits).\n"
    )
    return "\n".join(parts)


def draw(path: Path, result: dict[str, Any]) -> None:
    """A panel for each measure: the ratio to the plain step's against the number of parameters."""
    figure, axes = plt.subplots(1, len(MEASURES), figsize=(13, 4), dpi=110, layout="constrained")
    for axis, (name, words) in zip(axes, MEASURES.items(), strict=True):
        for i, method in enumerate(dict.fromkeys(r["method"] for r in result["costs"])):
            rows = [r for r in result["costs"] if r["method"] == method]
            x, y = [r["parameters"] for r in rows], [r[f"{name}_ratio"] for r in rows]
            colour = "black" if method == PLAIN else f"C{i - 1}"
            axis.plot(x, y, color=colour, marker="os^vDPX*"[i % 8], markersize=5, label=method)
            if name == "time":
                limits = [[r[f"time_ratio_{end}"] for r in rows] for end in (10, 90)]
                axis.fill_between(x, *limits, color=colour, alpha=0.15, linewidth=0)
        axis.set(xscale="log", title=words, xlabel="parameters of both networks", ylim=(0, None))
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("times the plain step's")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=9)
    figure.savefig(path)
    plt.close(figure)


def read(args: Sequence[str] | None) -> argparse.Namespace:
    """The arguments, checked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parameters", nargs="+", type=float, default=[1e4, 1e5, 1e6, 1e7], help="of both networks")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--engine", default="recorded", choices=("plain", "recorded", "compiled", "cuda-graph"))
    parser.add_argument("--loss", default="hinge")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args(args)
    if given.rounds < 1:
        parser.error("--rounds must be at least 1")
    if min(given.parameters) < 1000:
        parser.error("--parameters must be at least 1000: the layers that z and the image need have some hundreds")
    given.methods = list(dict.fromkeys([PLAIN, *given.methods]))
    return given


def main(args: Sequence[str] | None = None) -> None:
    given = read(args)
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch's profiler reports its starts and stops otherwise
    keep_freed_memory()
    with cpu_threads(given.threads):
        result = measure(given)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "cost.json").write_text(json.dumps(result, indent=1) + "\n")
    (given.out / "table.md").write_text(table(result))
    draw(given.out / "cost.png", result)
    print(table(result))


if __name__ == "__main__":
    main()
