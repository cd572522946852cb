"""Table 2 of the paper in lockstep: methods side by side from the first step on, scored as they go."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from logan.config import Config, presets
from logan.data import Mixture
from logan.data.dataset import InMemory
from logan.devices import choose_device, cpu_threads, kernels, synchronize
from logan.metrics.distances import inception_score
from logan.paper import table2
from logan.sampling import evaluation_step
from logan.training.outputs import save_fakes, take_scores
from logan.training.scoring import Scorer
from logan.training.setup import training_data
from on_gpu.drawing import save_curves, save_pictures
from on_gpu.lockstep import Played, advance, begin
from on_gpu.settings import SMALL, changed, images, in_streams, machine, method
from on_gpu.sheet import Sheet

METHODS = ("none", "ngd", "mean", "none:update=alternating", "ngd:update=alternating", "mean:update=alternating")
"""The printed α and β take the gradient of a sample's score; ``mean`` takes them to be meant for the gradient of the mean."""
SCORINGS = 12
"""As often as the games are scored in the time that there is."""
LAST = 0.12
"""Of the time, kept for the last scores and those with latent steps before an image is scored."""
LATENT_STEPS = 10
"""Of the last scores (appendix E)."""
TRIAL_ROUNDS = 40


def play(sheet: Sheet) -> None:
    """All games a stretch, their scores, the pictures; and so on until the time is over."""
    device = choose_device("auto")
    name, where = images(sheet)
    base = _base(sheet, name, where)
    labels = sheet.asked.get("methods") or METHODS
    configs = {label: method(in_streams(sheet, base, device), label) for label in labels}
    sheet.put(machine=machine(device), preset=name, methods={k: _says(c) for k, c in configs.items()})
    started = time.monotonic()
    data = training_data(base)
    assert not isinstance(data, Mixture)
    if name == "cifar10":
        sheet.put(notes=table2.notes(configs))
    sheet.put(data=data.name, images=len(data), reading_seconds=time.monotonic() - started)
    with cpu_threads(base.run.threads), kernels(deterministic=False):
        started = time.monotonic()
        first = Scorer(configs[labels[0]], data, device, print, lambda fraction: None)
        _say_detector(sheet, first, time.monotonic() - started)
        scorers = {label: _for(first, config, config.scores.metric_latent_steps) for label, config in configs.items()}
        shared = data.to(device) if isinstance(data, InMemory) else data
        games = []
        for label, config in configs.items():
            games.append(begin(label, config, shared, device))
            advance(games[-1:], 1)
        sheet.put(notices_of_engines={g.label: g.notices for g in games if g.notices})
        _rounds(sheet, games, scorers)
        _finally(sheet, games, scorers)


def _base(sheet: Sheet, name: str, where: str) -> Config:
    config = presets.get(name, "none")
    config = changed(config, {"data": {"data": where}, "game": {"precision": "bfloat16"}})
    if sheet.tiny:
        config = changed(config, SMALL[name])
        config = changed(config, {"run": {"threads": 1}})
    metrics = ("fid100", "is100") if sheet.tiny else ("fid10k", "is10k")
    return replace(config, scores=replace(config.scores, metrics=metrics))


def _says(config: Config) -> dict[str, Any]:
    """What tells a method from others."""
    latent, game = config.latent, config.game
    found: dict[str, Any] = {"latent": latent.latent, "update": game.update, "loss": game.loss, "batch": game.batch,
                             "precision": game.precision, "seed": config.run.seed}  # fmt: skip
    if latent.latent != "none":
        found |= {"alpha": latent.alpha, "beta": latent.beta, "portion": latent.portion, "penalty": latent.penalty}
    return found


def _say_detector(sheet: Sheet, scorer: Scorer, seconds: float) -> None:
    """Which network scores, how good it is at its own task, and what the real images score."""
    evaluator = scorer.evaluator
    detector, reference = evaluator.detector, evaluator.reference
    assert detector is not None
    assert reference is not None
    sheet.put(
        detector={
            "name": detector.name,
            "sha256": detector.sha256[:16],
            "accuracy": getattr(detector, "accuracy", None),
            "seconds": seconds,
            "is_of_real_images": inception_score(reference.features.logits, splits=1, seed=0)[0],
            "real_images": len(reference.features),
        }
    )


def _for(scorer: Scorer, config: Config, latent_steps: int) -> Scorer:
    """A scorer with the same detector and real images for another run, or other latent steps before an image is scored."""
    other = copy.copy(scorer)
    other.config, other.step = config, evaluation_step(config, latent_steps)
    return other


def _rounds(sheet: Sheet, games: Sequence[Played], scorers: dict[str, Scorer]) -> None:
    """Stretches of equal numbers of rounds, so that all scores are at the same steps."""
    for game in games:
        game.means()
    block = TRIAL_ROUNDS // 8 if sheet.tiny else 50
    first, done = games[0].steps, games[0].steps
    playing, scoring, reserve = 0.0, 0.0, sheet.left() * LAST
    every = 0
    while not (sheet.tiny and done >= TRIAL_ROUNDS):
        stretch = min(block, every - done % every) if every else block
        if every and sheet.left() - reserve < stretch * playing / (done - first) + scoring:
            return
        started = time.perf_counter()
        advance(games, stretch)
        playing += time.perf_counter() - started
        done += stretch
        sheet.put(rounds_per_second=(done - first) / playing)
        if not every:
            rounds = sheet.figures["rounds_per_second"] * (sheet.left() - reserve)
            every = TRIAL_ROUNDS // 2 if sheet.tiny else _round_number(rounds / SCORINGS, block)
            sheet.put(scored_every=every)
        if done % every == 0:
            started = time.perf_counter()
            score(sheet, games, scorers)
            scoring = time.perf_counter() - started
            print(
                f"{done:,} steps, {sheet.figures['rounds_per_second']:.1f} rounds/s; scored in {scoring:.1f} s",
                flush=True,
            )


def _round_number(steps: float, block: int) -> int:
    """About so many steps, as a number that reads well, and no less than a block."""
    if steps <= block:
        return block
    magnitude = 10 ** int(math.log10(steps))
    return max(block, int(max(k * magnitude for k in (1, 2, 2.5, 5) if k * magnitude <= steps)))


def score(sheet: Sheet, games: Sequence[Played], scorers: dict[str, Scorer]) -> None:
    """One row per game: its scores, and the means of its reports since the last row. Then curves and pictures anew."""
    pictures = sheet.work / "pictures"
    pictures.mkdir(exist_ok=True)
    for game in games:
        save_fakes(pictures / f"{games.index(game)}.png", game.parts, game.average)
        scores = take_scores(scorers[game.label], game.parts, game.average)
        sheet.add("rows", {"method": game.label, "steps": game.steps, **scores, **game.means()})
    save_curves(sheet.out / "curves.png", sheet.figures["rows"])
    save_pictures(
        sheet.out / "pictures.png", {g.label: pictures / f"{i}.png" for i, g in enumerate(games)}, games[0].steps
    )
    synchronize(games[0].parts.device)


def _finally(sheet: Sheet, games: Sequence[Played], scorers: dict[str, Scorer]) -> None:
    """The last scores; and those of the methods with a latent step, with ten of them before an image is scored."""
    if not sheet.figures.get("rows") or sheet.figures["rows"][-1]["steps"] != games[0].steps:
        score(sheet, games, scorers)
    took = 0.0
    for game in games:
        config, started = game.parts.config, time.monotonic()
        if config.latent.latent == "none" or sheet.left() < 2 * took + 1:
            continue
        scores = take_scores(_for(scorers[game.label], config, LATENT_STEPS), game.parts, game.average)
        sheet.add(
            "with_latent_steps", {"method": game.label, "steps": game.steps, "latent_steps": LATENT_STEPS, **scores}
        )
        took = time.monotonic() - started
