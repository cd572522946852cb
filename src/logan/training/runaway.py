"""D runs away from a G whose latents make no difference to it."""

from __future__ import annotations

import math
import statistics
from collections import deque

from logan.config import Config
from logan.training.signs import Record, Trouble, lead_of

TICKS = 4
"""Whose median counts."""
FAR = 3.0
"""Times the lead at which D's loss has nothing more to pay for, or next to nothing: beyond that D gains nothing by running on."""
CONTENT = {"hinge": 2.0, "non-saturating": 4.0, "minimax": 4.0}
"""That lead. Hinge: D(x) = 1 and D(G(z)) = -1. Cross-entropy: at +2 and -2 D is 88 % sure of either. Wasserstein's has none."""
FLAT = 0.02
"""Of the lead, which G could make up by a move of z as long as z itself, as far as D's slope in z tells."""


def length_of_z(config: Config) -> float:
    """Root of the mean squared length of the optimised part of z: √(c d/3) for U(-1, 1), √(c d) for N(0, 1)."""
    c, n = config.latent, config.networks
    part = c.portion if c.latent in ("gd", "ngd") else 1.0
    if config.on_sphere():
        return math.sqrt(part)
    return math.sqrt(part * n.latent_dim * (1 / 3 if n.prior == "uniform" else 1.0))


class Runaway:
    """D's lead is three times and more what its loss pays for, while its score is flat in z: G is told nothing.

        lead > 3 m   and   ‖g‖ ‖z‖ < 0.02 lead,   both as medians of 4 ticks

    with m the lead at which D's loss is content. So a GAN looks of which every sample is the same texture: D tells it from real
    images by a margin that grows, and no direction of z changes that. Runs without a latent step have no ‖g‖², and the Wasserstein
    loss has no m: they are not watched.
    """

    name = "runaway"

    def __init__(self, config: Config) -> None:
        latent = config.latent
        self.moved = latent.latent_share / latent.latent_every
        self.far = FAR * CONTENT.get(config.game.loss, math.inf)
        self.length = length_of_z(config)
        self.last: deque[tuple[int, float, float]] = deque(maxlen=TICKS)

    def __call__(self, record: Record) -> Trouble | None:
        lead, slope = lead_of(record, self.moved), record.get("grad_z_squared")
        if lead is None or slope is None:
            return None
        self.last.append((record["steps"], lead, math.sqrt(slope) * self.length))
        if len(self.last) < TICKS:
            return None
        lead, reach = (statistics.median(values) for values in list(zip(*self.last, strict=True))[1:])
        if lead <= self.far or reach >= FLAT * lead:
            return None
        what = (
            f"D runs away: its lead is {lead:.2g}, and all of z makes a difference of {reach:.2g} to it, so G learns nothing. Try "
            f"`latent` none to begin with, a smaller `alpha`, or a smaller `d_lr`"
        )
        return Trouble(self.last[0][0], what)
