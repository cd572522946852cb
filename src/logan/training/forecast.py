"""How long a run would take here: a few steps are played and timed before anyone waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from logan.config import Config
from logan.data import Dataset, Mixture
from logan.devices import cpu_threads, synchronize
from logan.errors import InputError
from logan.evaluation import detectors, names
from logan.metrics import classifier
from logan.sampling import draw_latents
from logan.training import thinning
from logan.training.durations import about
from logan.training.meanwhile import FIRST_PICTURE
from logan.training.setup import Parts, build

WARM_UP, STEPS = 3, 10
"""Steps that are not timed, in which engines record; and those that are, at most."""
SECONDS = 6.0
"""Of timing, after which no other step is begun."""
MOST_OPERATIONS = 1e11
"""Of a step on a CPU, above which none is played: it would take longer than anyone waits for a forecast."""
IMAGES = 64
"""Images that are generated and looked at, to time scores."""


@dataclass(frozen=True)
class Forecast:
    """What was timed.

    Attributes:
        images_per_second: of training.
        teaching: seconds in which a classifier is trained, before the first score; 0 if none is.
        score: seconds of a score.
        scores: how many there are.
    """

    images_per_second: float
    teaching: float = 0.0
    score: float = 0.0
    scores: int = 0

    def lines(self, config: Config, device: str) -> list[tuple[str, str]]:
        """For the plan: what, and how much."""
        run, rate = config.run, self.images_per_second
        training, extra = run.kimg * 1000 / rate, self.teaching + self.scores * self.score
        snapshot = run.tick * run.snap * 1000 / rate
        first = "" if snapshot < FIRST_PICTURE else f"a first picture after {about(FIRST_PICTURE)}, "
        found = [
            (
                "expected time",
                f"about {about(training + extra)} on this {device} ({rate:,.3g} img/s, timed just now); {first}"
                f"the first snapshot after {about(snapshot)}",
            )
        ]
        if self.scores:
            taught = (
                f"a classifier is trained before the first one: about {about(self.teaching)}; " if self.teaching else ""
            )
            found.append(
                (
                    "of that scores",
                    f"{taught}{self.scores} times about {about(self.score)}: {extra / (training + extra):.0%}",
                )
            )
        return found


def forecast(config: Config, data: Dataset | Mixture) -> Forecast | None:
    """Build the networks, play some steps, and generate some images; None where that would take too long.

    Another engine than ``plain`` is taken to be ``recorded``: compiling would take longer than what is asked for.
    """
    engine = "plain" if config.run.engine == "plain" else "recorded"
    config = replace(config, run=replace(config.run, engine=engine))  # type: ignore[arg-type]
    with cpu_threads(config.run.threads):
        parts = build(config, data)
        g, d = parts.generator, parts.discriminator
        operations, _ = thinning.operations(config, g, d)
        if parts.device.type == "cpu" and operations * config.game.batch > MOST_OPERATIONS:
            return None
        try:
            rate = _rate(parts)
            return Forecast(rate, *_of_scores(parts))
        finally:
            parts.end()


def _rate(parts: Parts) -> float:
    reals, game, device = parts.reals(0), parts.game, parts.device
    began, played = 0.0, 0
    for step in range(WARM_UP + STEPS):
        if step == WARM_UP:
            synchronize(device)
            began = time.perf_counter()
        if step > WARM_UP and time.perf_counter() - began > SECONDS:
            break
        game.step(lambda: next(reals), parts.latents)
        if step >= WARM_UP:
            played += 1
    synchronize(device)
    images = played * parts.config.game.batch * game.real_batches_per_step
    return images / max(time.perf_counter() - began, 1e-9)


def _of_scores(parts: Parts) -> tuple[float, float, int]:
    """Seconds of teaching a classifier, of a score, and how many scores there are; of other detectors the images alone count."""
    config, data, device = parts.config, parts.data, parts.device
    metrics = names.parse_all(config.scores.metrics)
    if not metrics:
        return 0.0, 0.0, 0
    fakes = max(metric.count for metric in metrics)
    generator = parts.generator.eval()
    z = draw_latents(config, IMAGES, torch.Generator("cpu").manual_seed(0)).to(device)
    labels = (torch.zeros(IMAGES, dtype=torch.int64, device=device),) if config.data.conditional else ()
    with torch.no_grad():
        each = _seconds(lambda: generator(z, *labels), device) / IMAGES
    teaching, flop = 0.0, 0.0
    by_classifier = config.scores.detector in ("auto", "classifier") and config.scores.detector_weights is None
    if not isinstance(data, Mixture) and by_classifier and data.num_classes > 1:
        network = classifier.Classifier(data.channels, data.image_size, data.num_classes).to(device)
        pixels = torch.zeros(IMAGES, data.channels, data.image_size, data.image_size, dtype=torch.uint8, device=device)
        with torch.no_grad():
            each += _seconds(lambda: network(pixels), device) / IMAGES
        flop = thinning.count(lambda: network(pixels)) / IMAGES
        if not _is_taught(data):
            shown = classifier.IMAGES_SHOWN // (3 if data.image_size > classifier.LARGEST else 1)
            teaching = _seconds(lambda: network(pixels)[1].sum().backward(), device) / IMAGES * shown
    every = thinning.every(config, generator, parts.discriminator, lambda: flop)
    length = config.run.tick * config.run.snap * 1000
    return teaching, fakes * each, max(1, -(-config.run.kimg * 1000 // (length * every)))


def _is_taught(data: Dataset) -> bool:
    """Whether the classifier of these images has been trained before."""
    try:
        detectors.get("classifier", None, data, may_train=False)
    except detectors.NotTrainedError:
        return False
    except InputError:  # too few images to teach: the run will say so
        return True
    return True


def _seconds(do: Callable[[], object], device: torch.device) -> float:
    """The faster of two calls after one that is not timed."""
    found = []
    for _ in range(3):
        synchronize(device)
        began = time.perf_counter()
        do()
        synchronize(device)
        found.append(time.perf_counter() - began)
    return min(found[1:])
