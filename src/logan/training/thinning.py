"""How often a run is scored, so that its scores do not take the time of its training.

It is decided by operations, counted on these networks, and not by the clock: a run that is killed and goes on, on another day or
machine, scores the same snapshots.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from logan.config import Config
from logan.evaluation import names
from logan.evaluation.evaluator import Evaluator
from logan.sampling import draw_latents
from logan.side_effects import on_copies_of_state, same_random_numbers_next

SHARE = 0.1
"""Of the operations of training, which scores may take."""
AT_LEAST = 10
"""Times that a run is scored, whatever it takes."""
COUNTED = 2
"""Images that are passed through the networks to count operations."""


def every(config: Config, generator: nn.Module, discriminator: nn.Module, detector: Callable[[], float]) -> int:
    """Of how many snapshots one is scored: ``score_every``, or where that is 0 the least number with which scores take a tenth.

        n = ⌈s / (0.1 t)⌉, and no more than leaves ten scored snapshots in the run

    with s the operations of scoring once, and t those of training from one snapshot to the next, both about: a step is an ordinary
    one (the latent step's are left out, so that methods that are compared are scored at the same images), and a backward pass is
    two forward passes.

    Args:
        config: of the run.
        generator, discriminator: not changed.
        detector: tells the detector's operations for an image, 0 for what takes none; called if they matter.
    """
    run, scores = config.run, config.scores
    length = run.tick * run.snap * 1000
    most = run.kimg * 1000 // length // AT_LEAST
    if scores.score_every or most <= 1:
        return scores.score_every or 1
    looked_at = detector()
    if not looked_at:
        return 1
    of_training, generated = operations(config, generator, discriminator)
    fakes = max(metric.count for metric in names.parse_all(scores.metrics))
    return min(most, math.ceil(fakes * (generated + looked_at) / (SHARE * length * of_training)))


def operations(config: Config, generator: nn.Module, discriminator: nn.Module) -> tuple[float, float]:
    """Of training for a real image, about, and of generating one: matrix products and convolutions.

    D sees an image of each kind, and G is played for D and for itself; a forward and a backward pass are three forward passes.
    """
    device = next(generator.parameters()).device
    z = draw_latents(config, COUNTED, torch.Generator("cpu").manual_seed(0)).to(device)
    labels = (torch.zeros(COUNTED, dtype=torch.int64, device=device),) if config.data.conditional else ()
    with torch.no_grad(), same_random_numbers_next(device), on_copies_of_state(generator, discriminator):
        images: Tensor = generator(z, *labels)
        g, d = (count(do) / COUNTED for do in (lambda: generator(z, *labels), lambda: discriminator(images, *labels)))
    return 4 * g + 9 * d, g


def of_detector(evaluator: Evaluator, channels: int, image_size: int, device: torch.device) -> float:
    """Operations of its detector, which is on ``device``, for an image; 0 if it has none."""
    detector = evaluator.detector
    if detector is None:
        return 0.0
    pixels = torch.zeros(COUNTED, channels, image_size, image_size, dtype=torch.uint8, device=device)
    with torch.no_grad(), same_random_numbers_next(device):
        return count(lambda: detector(pixels)) / COUNTED


def count(do: Callable[[], object]) -> float:
    """Operations of matrix products and convolutions in a call."""
    with FlopCounterMode(display=False) as counter:
        do()
    return float(counter.get_total_flops())


def ordinal(n: int) -> str:
    """2nd, 3rd, 4th …"""
    ending = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"
