"""``logan plan``: what a run would cost on devices that are not here."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from logan.cli.arguments import (
    NO_LENGTH,
    PRESETS,
    WORDS,
    UnscoredSettings,
    check_at_least_one,
    check_out,
    read_untrained,
)
from logan.cli.command import Command
from logan.cli.streams import tables
from logan.config import Config
from logan.errors import InputError
from logan.files import write_json
from logan.interrupts import leaving_at_once

if TYPE_CHECKING:
    from logan.bench.planning import Device, Plan

DESCRIPTION = f"""Count what a step computes and holds in memory, without data, without the device, and without computing it;
say how long the run would take at a share of the device's peak, and what fits into it. The ordinary GAN stands beside the run's
own latent method.

{PRESETS}"""


@dataclass(frozen=True)
class PlanArguments:
    """What ``logan plan`` takes."""

    config: UnscoredSettings
    gpus: int = 1
    """How many devices share the batch."""
    device_name: str = "h100"
    """Which: v100, a100, h100, h200, b200, l40s, rtx3090, rtx4090 (--device is the same here)."""
    peak_tflops: float | None = None
    """The device's peak in the chosen --precision, in 10^12 operations per second, in the place of the table's."""
    memory_gib: float | None = None
    """Its memory, in the place of the table's."""
    utilisation: float = 0.35
    """The share of the peak that is reached. logan bench step measures it, and the peak to pass with it as --peak-tflops."""
    steps: int = 600_000
    """Updates of G in the run whose length is given; the paper's LOGAN took 600,000."""
    out: str | None = None
    """Write the figures to this JSON file too."""


COMMAND = Command(
    "plan",
    PlanArguments,
    DESCRIPTION,
    examples=(
        ("plan --preset cifar10 --device rtx4090", "how long, and whether it fits"),
        ("plan --preset imagenet128-biggan-deep --gpus 8 --out plan.json", "the same for eight devices, kept as JSON"),
    ),
    common=(
        *("preset", "device-name", "gpus", "batch", "batch-gpu", "precision", "latent", "width", "image-size"),
        *("checkpointing", "peak-tflops", "memory-gib", "utilisation", "steps", "out"),
    ),
    words={**WORDS, "device-name": ("v100", "a100", "h100", "h200", "b200", "l40s", "rtx3090", "rtx4090")},
    without=(*NO_LENGTH, "device"),
)


def main(args: Sequence[str]) -> int:
    """Run the command."""
    args = [re.sub("^--device(?==|$)", "--device-name", a) for a in args]
    given = read_untrained(COMMAND, args)
    config = given.config
    out = _check(given, config)

    from logan.bench import kept_plans, planning

    device = _device(given)
    kept = kept_plans.place(config, given.gpus)
    plan = kept_plans.read(kept, config)
    if plan is None:
        console = Console(stderr=True)
        with leaving_at_once(console.is_terminal), _said(console) as say:
            plan = planning.make(config, say, given.gpus)
        kept_plans.keep(kept, plan)
    figures = _figures(given, config, device, plan)
    _print(given, config, figures)
    if out is not None:
        write_json(out, figures)
        print(f"wrote {given.out}")
    return 0


@contextmanager
def _said(console: Console) -> Iterator[Callable[[str], None]]:
    """Says what is being done: with the seconds that it has taken on a terminal, else a line for each thing."""
    if not console.is_terminal:
        yield lambda message: print(message, file=sys.stderr, flush=True)
        return
    columns = (SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("")
        yield lambda message: bar.update(task, description=message)


def _check(given: PlanArguments, config: Config) -> Path | None:
    check_at_least_one(given, "steps")
    if not 0 < given.utilisation <= 1:
        raise InputError(f"--utilisation is a share in (0, 1], as in 0.35, not {given.utilisation:g}")
    for flag, amount in (("peak-tflops", given.peak_tflops), ("memory-gib", given.memory_gib)):
        if amount is not None and not amount > 0:
            raise InputError(f"--{flag} must be > 0, not {amount:g}")
    return check_out(given.out)


def _device(given: PlanArguments) -> Device:
    from logan.bench.planning import Device, find_device

    if given.peak_tflops is not None and given.memory_gib is not None:
        return Device(given.peak_tflops, given.peak_tflops, given.memory_gib)
    known = find_device(given.device_name)
    peak = given.peak_tflops
    return Device(peak or known.float32, peak or known.bfloat16, given.memory_gib or known.gib)


def _figures(given: PlanArguments, config: Config, device: Device, plan: Plan) -> dict[str, Any]:
    g = config.game
    peak = getattr(device, g.precision) * 1e12
    local_batch = g.batch // given.gpus
    in_parts = min(g.batch_gpu or local_batch, local_batch)
    step_images = g.batch * g.d_steps
    methods = {}
    for method, cost in plan.costs.items():
        fits = plan.largest_batch(device.gib, method)
        rate = plan.images_per_second(peak, method, given.utilisation, given.gpus)
        methods[method] = {
            "gflop_per_image": cost.flop_per_image / 1e9,
            "tflop_per_step": cost.flop_per_image * step_images / 1e12,
            "over_baseline": cost.flop_per_image / plan.costs["none"].flop_per_image,
            "step_gib": plan.bytes(in_parts, method) / 2**30,
            "total_gib": (plan.bytes(in_parts, method) + sum(plan.resident.values())) / 2**30,
            "largest_batch_per_device": fits,
            "batch_gpu": max((d for d in range(1, min(local_batch, fits) + 1) if local_batch % d == 0), default=0),
            "images_per_second": rate,
            "seconds_per_step": step_images / rate,
            "days": given.steps * step_images / rate / 86400,
        }
    return {
        "preset": config.preset,
        "precision": g.precision,
        "batch": g.batch,
        "updates_of_d": g.d_steps,
        "gpus": given.gpus,
        "device": {"name": given.device_name, "peak_tflops": peak / 1e12, "gib": device.gib},
        "utilisation": given.utilisation,
        "steps": given.steps,
        "in_memory_at_a_time": in_parts,
        "parameters": {"generator": plan.parameters[0], "discriminator": plan.parameters[1]},
        "resident_mib": {name: size / 2**20 for name, size in plan.resident.items()},
        "methods": methods,
    }


def _print(given: PlanArguments, config: Config, f: dict[str, Any]) -> None:
    from rich.table import Table

    console = tables(120)
    n = f["parameters"]
    console.print(
        f"{f['preset']}: G {n['generator']:,} and D {n['discriminator']:,} parameters; batch {f['batch']:,} on {f['gpus']} "
        f"{f['device']['name']}, {f['precision']}, {f['in_memory_at_a_time']:,} images per device at a time"
    )
    console.print("between steps: " + ", ".join(f"{name} {mib:,.0f} MiB" for name, mib in f["resident_mib"].items()))
    table = Table("", *f["methods"])
    for name, key, form in (
        ("operations per real image, 10⁹", "gflop_per_image", ",.4g"),
        ("operations per step, 10¹²", "tflop_per_step", ",.3g"),
        ("over the ordinary GAN", "over_baseline", ".2f"),
        ("memory of a step, GiB", "step_gib", ",.3g"),
        ("with what stays, GiB", "total_gib", ",.3g"),
        ("most images in a device at a time", "largest_batch_per_device", ",d"),
        ("so --batch-gpu", "batch_gpu", ",d"),
        ("images per second", "images_per_second", ",.0f"),
        ("seconds per step", "seconds_per_step", ",.3g"),
        (f"days for {given.steps:,} steps", "days", ",.3g"),
    ):
        table.add_row(name, *(format(m[key], form) for m in f["methods"].values()))
    console.print(table)
    console.print(
        f"Operations and memory are counted: matrix products and convolutions, and tensors. Speed is {given.utilisation:.0%} of "
        f"{f['device']['peak_tflops']:,.0f}·10¹² operations per second, an assumption; talk between devices, reading and scoring "
        f"come on top. A tenth of the memory is left to kernels."
    )
    for line in _advice(config, f):
        console.print(line)


def _advice(config: Config, f: dict[str, Any]) -> list[str]:
    from logan.networks import CHECKPOINTED

    less = "a smaller --width or --image-size"
    if config.networks.network in CHECKPOINTED and not config.run.checkpointing:
        less = "--checkpointing, or " + less
    lines = []
    for method, m in f["methods"].items():
        if m["batch_gpu"] == 0:
            lines.append(f"{method}: not one image fits into {f['device']['gib']:g} GiB; try {less}")
        elif m["batch_gpu"] < f["in_memory_at_a_time"]:
            lines.append(f"{method}: pass --batch-gpu {m['batch_gpu']}, or it will not fit")
    return lines
