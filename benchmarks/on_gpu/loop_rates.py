"""Steps per second in the training loop, as ``logan train`` plays it by default, pictures and snapshots apart."""

from __future__ import annotations

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

GAMES = (("cifar10", "ngd", "bfloat16"), ("digits", "ngd", "float32"), ("ring", "ngd", "float32"),
         ("cifar10", "none", "bfloat16"), ("digits", "none", "float32"), ("ring", "none", "float32"))  # fmt: skip
TICKS = 5
CIFAR_IMAGES = 10_000
"""Of each of CIFAR-10's batches, where only its shape is there."""


def play(sheet: Sheet) -> None:
    """One row per preset and method: the rate in the log of a run, as soon as it is over its first ticks."""
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
    """Steps per second of training for about so long: the best of a run's ticks, at whose ends the log waits for the device.

    A short run comes first, in which everything is recorded and compiled; a trial has that one alone.
    """
    batch = config.game.batch
    images_per_second = _timed(sheet, config, max(2, (200 if seconds else 10) * batch // 1000))
    if seconds:
        images_per_second = _timed(sheet, config, max(TICKS, round(seconds * images_per_second / 1000)))
    steps_per_second = images_per_second / batch
    return {"batch": batch, "steps_per_second": steps_per_second, "ms": 1000 / steps_per_second}


def _timed(sheet: Sheet, config: Config, kimg: int) -> float:
    """Images per second of a run of its own: the best of its ticks."""
    run = replace(config.run, kimg=kimg, tick=max(1, kimg // TICKS), snap=1000)
    path = train(replace(config, run=run), outdir=sheet.work / "runs", measure=lambda g, d: {})
    return max(t["images_per_second"] for t in read_lines(path / STATS))
