"""Steps per second in the training loop, as ``logan train`` plays it by default, pictures and snapshots apart."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from logan.config import Config, presets
from logan.devices import choose_device
from logan.errors import first_line
from logan.files import read_lines
from logan.training.allocator import keep_freed_memory
from logan.training.folder import STATS
from logan.training.loop import train
from on_gpu.settings import FEW_IMAGES, images, machine, preset, stand_in_cifar
from on_gpu.sheet import Sheet

GAMES = (("digits", "ngd", "float32"), ("ring", "ngd", "float32"), ("cifar10", "ngd", "bfloat16"),
         ("digits", "none", "float32"), ("ring", "none", "float32"), ("cifar10", "none", "bfloat16"))  # fmt: skip
CIFAR_IMAGES = 10_000
"""Of each of CIFAR-10's batches, where only its shape is there."""


def play(sheet: Sheet) -> None:
    """One row per preset and method: the time of a long run less that of a short one, over the steps between."""
    sheet.put(machine=machine(choose_device("auto")))
    keep_freed_memory()
    games = [g for g in GAMES if g[1] == "ngd"] if sheet.tiny else GAMES
    for i, (name, latent, precision) in enumerate(games):
        row: dict[str, Any] = {"preset": name, "latent": latent, "precision": precision}
        try:
            config = preset(sheet, name, latent, precision=precision)
            config = replace(config, game=replace(config.game, batch=presets.get(name).game.batch))
            if name == "cifar10":
                config = replace(config, data=replace(config.data, data=_cifar(sheet)))
            row |= rate(sheet, config, 0.0 if sheet.tiny else 0.6 * sheet.left() / (len(games) - i))
        except Exception as error:
            row |= {"error": f"{type(error).__name__}: {first_line(error)}"}
        sheet.add("rows", row)


def _cifar(sheet: Sheet) -> str:
    name, where = images(sheet) if sheet.asked.get("data") else ("", "")
    if name == "cifar10":
        return where
    folder = sheet.work / "cifar-10-batches-bin"
    return str(folder if folder.exists() else stand_in_cifar(folder, FEW_IMAGES if sheet.tiny else CIFAR_IMAGES))


def rate(sheet: Sheet, config: Config, seconds: float) -> dict[str, Any]:
    """Steps per second of training for about so long: by the clock, and by the run's own log, which does not wait for the device.

    By the clock it is the time of a long run less that of a short one, over the steps between; a trial has the log alone.
    """
    batch = config.game.batch
    short = max(1, (50 if seconds else 10) * batch // 1000)
    more, log = _timed(sheet, config, short)
    found: dict[str, Any] = {"batch": batch, "log_steps_per_second": log / batch}
    if not seconds:
        return found
    base, long = more, 3 * short
    more, _ = _timed(sheet, config, long)
    per_kimg = max(more - base, 1e-2) / (long - short)
    base, short, long = more, long, long + max(short, round(seconds / per_kimg))
    more, log = _timed(sheet, config, long)
    rate = (long - short) * 1000 / batch / (more - base)
    return found | {
        "kimg": long - short,
        "steps_per_second": rate,
        "ms": 1000 / rate,
        "log_steps_per_second": log / batch,
    }


def _timed(sheet: Sheet, config: Config, kimg: int) -> tuple[float, float]:
    """Seconds of a run of its own, and the images per second that the last line of its log says."""
    run = replace(config.run, kimg=kimg, tick=max(1, kimg // 2), snap=1000)
    started = time.perf_counter()
    path = train(replace(config, run=run), outdir=sheet.work / "runs", measure=lambda g, d: {})
    seconds = time.perf_counter() - started
    ticks = read_lines(path / STATS)
    return seconds, max(t["images_per_second"] for t in ticks[-2:])
