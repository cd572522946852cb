"""Curves that must not change unless the method is meant to: losses, scores of D, what the latent step does, and scores of the end.

Runs of ``ring`` and ``digits`` as their presets have them, by the plain engine, but in float64. In float32 a game of hundreds of
steps tells nothing: within 200 it amplifies another order of sums to 10 %, as much as a change of α by 1 % makes. In float64 the
recorded engine, whose sums have another order, stays within 1e-14, and another α by 1 % is 2e-2 away at once: a tolerance of 1e-7
passes another processor, and no other formula.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from logan.config import Config, presets
from logan.devices import cpu_threads
from logan.training import setup
from logan.training.averaging import AveragedGenerator
from logan.training.report_sums import Sums
from logan.training.scoring import Scorer

HERE = Path(__file__).parent
PRESETS = ("ring", "digits")
STEPS, TICK = 200, 10
METRICS = {"ring": ("modes2k",), "digits": ("fid2k", "is2k")}


def config(name: str) -> Config:
    """The preset, scored by fewer images."""
    base = presets.get(name)
    run = replace(base.run, engine="plain", device="cpu", threads=1, memory_format="contiguous")
    return replace(base, run=run, scores=replace(base.scores, metrics=METRICS[name]))


def play(
    settings: Config,
    steps: int = STEPS,
    scores: bool = True,
    after_each: Callable[[setup.Parts], None] = lambda parts: None,
) -> dict[str, Any]:
    """The curve of a run: means over every 10 steps, and the scores of the averaged G after the last."""
    with cpu_threads(1):
        return _play(settings, steps, scores, after_each)


def _play(settings: Config, steps: int, scores: bool, after_each: Callable[[setup.Parts], None]) -> dict[str, Any]:
    data = setup.training_data(settings)
    parts = setup.build(settings, data)
    parts.generator.double()
    parts.discriminator.double()
    average = AveragedGenerator(parts.generator, settings.game.ema_kimg)
    sums, ticks, batch = Sums(parts.device, {}, {}), [], settings.game.batch
    reals = ((images.double(), labels) for images, labels in parts.reals(0))
    for step in range(1, steps + 1):
        turn = parts.game.step(lambda: next(reals), lambda n: parts.latents(n).double())
        after_each(parts)
        average.update(parts.generator, batch, step * batch)
        sums.count(sums.add(turn))
        if step % TICK == 0:
            ticks.append({name: x / sums.counts[name] for name, x in sums.read(parts.world).items()})
            sums.clear()
    found: dict[str, Any] = {"ticks": ticks}
    if scores:
        score = Scorer(settings, data, parts.device, lambda message: None, lambda fraction: None)
        networks = (copy.deepcopy(x).float().eval() for x in (average.module, parts.discriminator))
        found["scores"] = score(*networks)
    return found


def file(name: str) -> Path:
    """Where a preset's curve is kept."""
    return HERE / f"{name}.json"


def read(name: str) -> dict[str, Any]:
    """A preset's curve."""
    return json.loads(file(name).read_text())


def furthest(found: dict[str, Any], golden: dict[str, Any]) -> float:
    """The largest relative difference of two curves, as far as both go."""
    pairs = [(a[k], b[k]) for a, b in zip(found["ticks"], golden["ticks"], strict=False) for k in b]
    return max(abs(a - b) / abs(b) for a, b in pairs)


def renew() -> None:
    """Write what the present code makes."""
    for name in PRESETS:
        file(name).write_text(json.dumps(play(config(name)), indent=1) + "\n")


if (
    __name__ == "__main__"
):  # python -m tests.golden.curves: after a change that is meant to change the method; say why in the commit
    renew()
