"""Which operations a step's time goes to."""

from __future__ import annotations

import torch
from rich.console import Console
from rich.table import Table
from torch.profiler import ProfilerActivity, profile

from logan.bench.steps import Played, Variant
from logan.config import Config
from logan.devices import choose_device
from logan.training.setup import choose_engine

STEPS = 5


def print_profile(config: Config, rows: int) -> None:
    """A table of the costliest operations by shape, over a few steps after warming up."""
    engine = "plain" if config.run.checkpointing else choose_engine(config.run.engine, choose_device(config.run.device))
    played = Played(config, Variant(config.latent.latent, engine, config.game.precision))
    cuda = played.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    with profile(activities=activities, record_shapes=True) as profiler:
        for _ in range(STEPS):
            played.step()
        if cuda:
            torch.cuda.synchronize()
    found = [
        (e.self_device_time_total if cuda else e.self_cpu_time_total, e)
        for e in profiler.key_averages(group_by_input_shape=True)
    ]
    total = sum(time for time, _ in found)
    title = f"{config.preset}, latent {config.latent.latent}, {engine}: {total / STEPS / 1000:.2f} ms per step"
    table = Table("operation", "input shapes", "calls", "ms", "share", title=title, title_justify="left")
    for time, e in sorted(found, key=lambda pair: -pair[0])[:rows]:
        shapes = " ".join("x".join(map(str, s)) for s in e.input_shapes if s)[:70]
        table.add_row(e.key[:40], shapes, f"{e.count / STEPS:g}", f"{time / STEPS / 1000:.3f}", f"{time / total:.1%}")
    Console(width=150, highlight=False).print(table)
