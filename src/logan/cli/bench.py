"""``logan bench``: what a step costs here."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from logan.cli.arguments import (
    NO_LENGTH,
    PRESETS,
    WORDS,
    UnscoredSettings,
    check_at_least_one,
    check_out,
    read_untrained,
    refuse,
)
from logan.cli.command import Command
from logan.cli.parsing import dispatch
from logan.cli.streams import tables
from logan.errors import InputError
from logan.fast import EngineName
from logan.files import write_json
from logan.interrupts import leaving_at_once

Precision = Literal["float32", "bfloat16"]

STEP = f"""Time the game step with and without the latent step, interleaved in one process, on random images of the
preset's shape. A step is both players' gradients and both Adam updates. Let nothing else run meanwhile.

{PRESETS}"""

PROFILE = f"""Show which operations a step's time goes to.

{PRESETS}"""


@dataclass(frozen=True)
class StepArguments:
    """What ``logan bench step`` takes."""

    config: UnscoredSettings
    engines: tuple[EngineName, ...] = ("plain", "recorded")
    """Which to time."""
    precisions: tuple[Precision, ...] = ("float32",)
    """Which to time."""
    seconds: float = 20.0
    """How long to measure."""
    out: str | None = None
    """Write the figures to this JSON file too."""


@dataclass(frozen=True)
class ProfileArguments:
    """What ``logan bench profile`` takes."""

    config: UnscoredSettings
    rows: int = 20
    """How many operations to show."""


SHAPE = ("preset", "latent", "batch", "width", "image-size", "device", "threads")
STEP_COMMAND = Command(
    "bench step",
    StepArguments,
    STEP,
    examples=(("bench step --preset cifar10 --seconds 60", "with and without the latent step, for a minute"),),
    common=(*SHAPE, "engines", "precisions", "seconds", "out"),
    words=WORDS,
    without=(*NO_LENGTH, "engine", "precision"),
)
PROFILE_COMMAND = Command(
    "bench profile",
    ProfileArguments,
    PROFILE,
    examples=(("bench profile --preset cifar10 --rows 10", "the ten operations that take the longest"),),
    common=(*SHAPE, "engine", "precision", "rows"),
    words=WORDS,
    without=NO_LENGTH,
)
COMMANDS = (STEP_COMMAND, PROFILE_COMMAND)


def main(args: Sequence[str]) -> int:
    """Run the command."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch's profiler reports its starts and stops otherwise
    return dispatch("logan bench", ((STEP_COMMAND, _step), (PROFILE_COMMAND, _profile)), args)


def _step(args: Sequence[str]) -> int:
    for name in ("engine", "precision"):
        refuse(args, [f"--{name}"], f"has no place in logan bench step; --{name}s says which to time")
    given = read_untrained(STEP_COMMAND, args)
    config = given.config
    if config.latent.latent == "none":
        raise InputError("--latent none leaves nothing to compare; pass gd or ngd")
    for flag, values in (("engines", given.engines), ("precisions", given.precisions)):
        if not values:
            raise InputError(f"--{flag} needs at least one value; see logan bench step --help")
    if not 0 < given.seconds <= 86400:
        raise InputError(f"--seconds must be > 0 and <= 86,400, not {given.seconds}")
    out = check_out(given.out)
    from logan.bench import steps
    from logan.devices import choose_device, cpu_threads, kernels
    from logan.training.allocator import keep_freed_memory
    from logan.training.setup import choose_engine
    from logan.training.watch import Watch

    variants = [
        steps.Variant(latent, engine, precision)
        for precision in dict.fromkeys(given.precisions)
        for engine in dict.fromkeys(given.engines)
        for latent in ("none", config.latent.latent)
    ]
    for variant in variants:
        variant.of(config).check()
    for engine in given.engines:
        choose_engine(engine, choose_device(config.run.device))
    keep_freed_memory()
    with (
        cpu_threads(config.run.threads),
        kernels(config.run.deterministic),
        leaving_at_once(sys.stderr.isatty()),
    ):
        result = steps.measure(config, variants, given.seconds, Watch(1).fraction_bar(f"timing {config.preset}"))
    result = {"preset": config.preset, "batch": config.game.batch, "settings": config.to_dict(), **result}
    _print_costs(result)
    if out is not None:
        write_json(out, result, indent=1)
        print(f"wrote {out}")
    return 0


def _print_costs(result: dict[str, Any]) -> None:
    from rich.table import Table

    machine = ", ".join(f"{name} {value}" for name, value in result["machine"].items())
    table = Table(
        "latent", "engine", "precision", "ms", "10-90 %", "steps/s", "GFLOP", "of peak", "kernels", "MiB", "x baseline",
        "x best baseline", "x plain's speed", title=f"{result['preset']}, batch {result['batch']}", title_justify="left",
    )  # fmt: skip
    for c in result["costs"]:
        row = (
            "{latent}|{engine}|{precision}|{ms:.2f}|{ms_10:.2f}-{ms_90:.2f}|{steps_per_second:.1f}|{gflop:.4g}|"
            "{share_of_peak:.0%}|{kernels}|{mib:.1f}"
        ).format(**c, mib=c["resident_mib"] + c["peak_mib"])
        ratios = map(c.get, ("over_baseline", "over_best_baseline", "times_plain"))
        table.add_row(*row.split("|"), *("-" if x is None else f"{x:.2f}" for x in ratios))
    console = tables(150)
    console.print(table)
    console.print(f"{machine}; medians of {result['rounds']} interleaved rounds")


def _profile(args: Sequence[str]) -> int:
    given = read_untrained(PROFILE_COMMAND, args)
    given.config.check()
    check_at_least_one(given, "rows")
    from logan.bench.profile import print_profile
    from logan.devices import cpu_threads, kernels
    from logan.training.allocator import keep_freed_memory

    keep_freed_memory()
    with (
        cpu_threads(given.config.run.threads),
        kernels(given.config.run.deterministic),
        leaving_at_once(sys.stderr.isatty()),
    ):
        print_profile(given.config, given.rows)
    return 0
