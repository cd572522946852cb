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


def every(config: Config, ready: Callable[[], Evaluator], generator: nn.Module, discriminator: nn.Module) -> int:
    """Of how many snapshots one is scored: ``score_every``, or where that is 0 the least number with which scores take a tenth.

        n = ⌈s / (0.1 t)⌉, and no more than leaves ten scored snapshots in the run

    with s the operations of scoring once, and t those of training from one snapshot to the next, both about: a step is an ordinary
    one (the latent step's are left out, so that methods that are compared are scored at the same images), and a backward pass is
    two forward passes.

    Args:
        config: of the run.
        ready: gives the evaluator; called if operations have to be counted.
        generator, discriminator: not changed.
    """
    run, scores = config.run, config.scores
    length = run.tick * run.snap * 1000
    most = run.kimg * 1000 // length // AT_LEAST
    if scores.score_every or most <= 1:
        return scores.score_every or 1
    evaluator = ready()
    if evaluator.detector is None:
        return 1
    g, d, f = _operations(config, generator, discriminator, evaluator)
    fakes = max(metric.count for metric in names.parse_all(scores.metrics))
    return min(most, math.ceil(fakes * (g + f) / (SHARE * length * (4 * g + 9 * d))))


def _operations(
    config: Config, generator: nn.Module, discriminator: nn.Module, evaluator: Evaluator
) -> tuple[float, float, float]:
    """Of a forward pass of G, of D and of the detector, for an image."""
    device = next(generator.parameters()).device
    z = draw_latents(config, COUNTED, torch.Generator("cpu").manual_seed(0)).to(device)
    labels = (torch.zeros(COUNTED, dtype=torch.int64, device=device),) if config.data.conditional else ()

    def count(do: Callable[[], object]) -> float:
        with FlopCounterMode(display=False) as counter:
            do()
        return counter.get_total_flops() / COUNTED

    detector = evaluator.detector
    assert detector is not None
    with torch.no_grad(), same_random_numbers_next(device), on_copies_of_state(generator, discriminator):
        images: Tensor = generator(z, *labels)
        pixels = (images.float() * 127.5 + 127.5).clamp(0, 255).to(torch.uint8)
        return (
            count(lambda: generator(z, *labels)),
            count(lambda: discriminator(images, *labels)),
            count(lambda: detector(pixels)),
        )


def ordinal(n: int) -> str:
    """2nd, 3rd, 4th …"""
    ending = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"
