"""Table 2 of the paper in lockstep: methods side by side from the first step on, scored as they go."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from logan.config import Config
from logan.data import Mixture
from logan.data.dataset import InMemory
from logan.devices import choose_device, cpu_threads, synchronize
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
    sheet.put(data=data.name, images=len(data), reading_seconds=time.monotonic() - started)
    with cpu_threads(base.run.threads):
        started = time.monotonic()
        scorers = {k: Scorer(c, data, device, print, lambda fraction: None) for k, c in configs.items()}
        _say_detector(sheet, scorers[labels[0]], time.monotonic() - started)
        shared = data.to(device) if isinstance(data, InMemory) else data
        games = []
        for label, config in configs.items():
            games.append(begin(label, config, shared, device))
            advance(games[-1:], 1)
        sheet.put(notices_of_engines={g.label: g.notices for g in games if g.notices})
        _rounds(sheet, games, scorers)
        _finally(sheet, games, scorers)


def _base(sheet: Sheet, name: str, where: str) -> Config:
    from logan.config import presets

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
    from logan.metrics.distances import inception_score

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


def _rounds(sheet: Sheet, games: Sequence[Played], scorers: dict[str, Scorer]) -> None:
    """Stretches of equal numbers of rounds, so that all scores are at the same steps."""
    block = 5 if sheet.tiny else 50
    for game in games:
        game.means()
    started = time.perf_counter()
    advance(games, block)
    per_round = (time.perf_counter() - started) / block
    end = sheet.left() * LAST
    every = _round_number((sheet.left() - end) / per_round / SCORINGS, block)
    if sheet.tiny:
        every = TRIAL_ROUNDS // 2
    sheet.put(scored_every=every, rounds_per_second=1 / per_round)
    played = spent = 0.0
    done = games[0].steps
    while True:
        stretch = min(block, every - done % every)
        if sheet.left() - end < stretch * per_round + spent or (sheet.tiny and done >= TRIAL_ROUNDS):
            return
        started = time.perf_counter()
        advance(games, stretch)
        played += time.perf_counter() - started
        done += stretch
        if done % every == 0:
            started = time.perf_counter()
            score(sheet, games, scorers)
            spent = time.perf_counter() - started
            sheet.put(rounds_per_second=(done - games[0].parts.game.real_batches_per_step) / played if played else None)
            print(
                f"{done:,} steps, {sheet.figures['rounds_per_second']:.0f} rounds/s; scored in {spent:.1f} s",
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
        if game.parts.config.latent.latent == "none":
            continue
        started = time.monotonic()
        if sheet.left() < 2 * took + 1:
            return
        scorer = scorers[game.label]
        before = scorer.step
        from logan.sampling import evaluation_step

        scorer.step = evaluation_step(game.parts.config, LATENT_STEPS)
        scores = take_scores(scorer, game.parts, game.average)
        scorer.step = before
        sheet.add(
            "with_latent_steps", {"method": game.label, "steps": game.steps, "latent_steps": LATENT_STEPS, **scores}
        )
        took = time.monotonic() - started
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
