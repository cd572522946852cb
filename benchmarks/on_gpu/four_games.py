"""SN-DCGAN with and without the latent step, by both orders of updates: four games at once, and one after the other."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace

from logan.data import open_data
from logan.data.dataset import InMemory
from logan.devices import choose_device, cpu_threads, kernels
from on_gpu.lockstep import Played, advance, begin
from on_gpu.settings import FEW_IMAGES, in_streams, machine, preset, stand_in_cifar
from on_gpu.sheet import Sheet

BLOCKS = 9
METHODS = tuple((latent, update) for update in ("simultaneous", "alternating") for latent in ("none", "ngd"))


def play(sheet: Sheet) -> None:
    """Steps per second of each game alone, and rounds per second of all four."""
    device = choose_device("auto")
    sheet.put(machine=machine(device), preset="cifar10", precision="bfloat16")
    data = open_data(str(stand_in_cifar(sheet.work / "four-games", FEW_IMAGES if sheet.tiny else 2000)))
    assert isinstance(data, InMemory)
    data, games = data.to(device), []
    with cpu_threads(1), kernels(deterministic=False):
        for latent, update in METHODS:
            config = preset(sheet, "cifar10", latent, update=update, precision="bfloat16")
            config = in_streams(sheet, config, device)
            if sheet.tiny:  # recording six turns takes longer than playing them
                config = replace(config, run=replace(config.run, engine="plain"))
            game = begin(f"{latent}, {update}", config, data, device)
            advance([game], 1 if sheet.tiny else 5)
            games.append(game)
        seconds = 0.05 if sheet.tiny else sheet.left() / 10
        alone = {game.label: _seconds([game], seconds) for game in games}
        sheet.put(alone_ms={label: 1000 * s for label, s in alone.items()})
        together = _seconds(games, 4 * seconds)
    sheet.put(
        one_after_the_other_ms=1000 * sum(alone.values()),
        together_ms=1000 * together,
        rounds_per_second=1 / together,
        times_as_fast=sum(alone.values()) / together,
        notices_of_engines=sorted({notice for game in games for notice in game.notices}),
    )


def _seconds(games: list[Played], seconds: float) -> float:
    """Of a round of these games, measured for about so long: the median over blocks, for an engine proves itself now and then."""
    once = _block(games, 2)
    rounds = max(2, round(seconds / BLOCKS / once))
    return statistics.median(_block(games, rounds) for _ in range(BLOCKS))


def _block(games: list[Played], rounds: int) -> float:
    """Seconds of each of so many rounds."""
    started = time.perf_counter()
    advance(games, rounds)
    return (time.perf_counter() - started) / rounds
