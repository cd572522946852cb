"""What a LOGAN step of SN-DCGAN consists of: kernels by what they do, their number, their time, their share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from logan.bench.peak import seconds_of
from logan.bench.steps import Played, Variant
from logan.devices import choose_device, cpu_threads, kernels, synchronize
from logan.errors import first_line
from logan.training.allocator import keep_freed_memory
from on_gpu.groups import group_of
from on_gpu.settings import engines, machine, preset
from on_gpu.sheet import Sheet

STEPS, TRIAL_STEPS = 5, 1
ANNOTATIONS = ("Optimizer.", "ProfilerStep", "## ")
"""Names of stretches of time that profilers show beside the kernels in them."""
LISTED = 40
"""Kernels whose names are written down, the costliest first."""


def play(sheet: Sheet) -> None:
    """The LOGAN step by every engine whose kernels are its own, and then the step without."""
    device, config = choose_device("auto"), preset(sheet, "cifar10", precision="bfloat16")
    sheet.put(machine=machine(device), preset="cifar10", precision="bfloat16", batch=config.game.batch)
    keep_freed_memory()
    with cpu_threads(config.run.threads), kernels(deterministic=False):
        for latent in (config.latent.latent, "none")[: 1 if sheet.tiny else 2]:
            for engine in worth_looking_at(engines(device)):
                variant = Variant(latent, engine, "bfloat16")
                try:
                    steps = TRIAL_STEPS if sheet.tiny else STEPS
                    sheet.add("steps", vars(variant) | anatomy(Played(config, variant), steps))
                except Exception as error:
                    sheet.add("steps", vars(variant) | {"error": f"{type(error).__name__}: {first_line(error)}"})


def worth_looking_at(names: Sequence[str]) -> list[str]:
    """Of engines that start the same kernels the fastest: those that capture, where there are any; what compiles comes last."""
    captured = [name for name in names if name.endswith("graph")]
    return sorted(captured, key=lambda name: name.startswith("compiled")) if captured else ["recorded"]


def anatomy(played: Played, steps: int = STEPS) -> dict[str, Any]:
    """The groups of a step's kernels; all numbers are of one step."""
    device, cuda = played.device, played.device.type == "cuda"
    seconds = min(seconds_of(played.step, device, steps) for _ in range(3))
    with profile(activities=[ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU]) as profiler:
        for _ in range(steps):
            played.step()
        synchronize(device)
    kernels = list(_kernels(profiler, cuda))
    busy = sum(us for _, us in kernels) / steps / 1000
    return {
        "ms": seconds * 1000,
        "kernels": len(kernels) / steps,
        "kernels_ms": busy,
        "groups": grouped(kernels, steps),
        "costliest": costliest(kernels, steps),
    }


def _kernels(profiler: profile, cuda: bool) -> Iterable[tuple[str, float]]:
    """Names and microseconds: on CUDA what ran there, else torch's operations without those that they called."""
    if cuda:
        for event in profiler.profiler.kineto_results.events():  # type: ignore[union-attr]
            if event.device_type() == DeviceType.CUDA and not event.name().startswith(ANNOTATIONS):
                yield event.name(), event.duration_ns() / 1000
    else:
        for event in profiler.events():
            if event.name.startswith(("aten::", "mkldnn::")) and event.self_cpu_time_total > 0:
                yield event.name, event.self_cpu_time_total


def grouped(kernels: Iterable[tuple[str, float]], steps: int) -> list[dict[str, Any]]:
    """Number, milliseconds and share by group, of one of so many steps; the costliest first."""
    return _summed(((group_of(name), us) for name, us in kernels), steps, "group")


def costliest(kernels: Iterable[tuple[str, float]], steps: int) -> list[dict[str, Any]]:
    """The same by kernel, with its group, for the first of them."""
    rows = _summed(kernels, steps, "kernel")[:LISTED]
    return [row | {"kernel": row["kernel"][:160], "group": group_of(row["kernel"])} for row in rows]


def _summed(kernels: Iterable[tuple[str, float]], steps: int, what: str) -> list[dict[str, Any]]:
    found: dict[str, list[float]] = defaultdict(list)
    for name, us in kernels:
        found[name].append(us)
    total = sum(map(sum, found.values())) or 1.0
    rows = [
        {what: name, "number": len(times) / steps, "ms": sum(times) / steps / 1000, "share": sum(times) / total}
        for name, times in found.items()
    ]
    return sorted(rows, key=lambda row: -row["ms"])
