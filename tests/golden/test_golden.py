"""The curves of ``ring`` and ``digits`` are what they were; a rounding is not seen, and a slip of 1 % is."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from .curves import PRESETS, STEPS, TICK, config, furthest, play, read

TOLERANCE = 1e-7
"""Relative, of every number of the log at every tick: between roundings, 1e-13 at most here, and the 1e-3 and more of a slip."""
SCORES = 1e-3
"""Of scores, which are computed from weights in float32; a changed formula moves them by 1e-2 or more."""


@pytest.mark.parametrize("name", PRESETS)
def test_the_curve_is_what_it_was(name):
    golden, found = read(name), play(config(name))
    assert len(found["ticks"]) == len(golden["ticks"]) == STEPS // TICK
    assert [list(tick) for tick in found["ticks"]] == [list(tick) for tick in golden["ticks"]]
    assert furthest(found, golden) < TOLERANCE, "if the method was meant to change: python -m tests.golden.curves"
    assert found["scores"] == pytest.approx(golden["scores"], rel=SCORES)


def nudge(parts):
    """Move every weight by a unit in its last place, up or down."""
    source = torch.Generator().manual_seed(parts.game.steps_played)
    with torch.no_grad():
        for network in (parts.generator, parts.discriminator):
            for p in network.parameters():
                sign = torch.randint(0, 2, p.shape, generator=source).double() * 2 - 1
                p.mul_(1 + 2.3e-16 * sign)


@pytest.mark.parametrize(
    ("name", "steps"),
    [("ring", 50), ("digits", 50), *[pytest.param(name, STEPS, marks=pytest.mark.slow) for name in PRESETS]],
)
def test_a_rounding_at_every_step_passes(name, steps):
    away = furthest(play(config(name), steps, scores=False, after_each=nudge), read(name))
    assert 0 < away < TOLERANCE / 100


SLIPS = {
    "alpha": ("latent", "alpha", 1.01),
    "beta": ("latent", "beta", 1.01),
    "penalty": ("latent", "penalty", 1.01),
    "g_lr": ("game", "g_lr", 1.01),
    "d_lr": ("game", "d_lr", 1.01),
}


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_of_one_per_cent_does_not(name, slip):
    group, field, factor = SLIPS[slip]
    settings = config(name)
    values = getattr(settings, group)
    wrong = replace(settings, **{group: replace(values, **{field: factor * getattr(values, field)})})
    assert furthest(play(wrong, 2 * TICK, scores=False), read(name)) > 1000 * TOLERANCE
