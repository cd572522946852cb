"""CS-GAN's steps from a recording: the game of the plain version, the learned step size included."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch

from logan import game, losses
from logan.cs_gan import CSStep, give_step_size
from logan.fast import engine as engines
from logan.game import Game, Rules

from .test_engine import F64, assert_same, batch, error, flat, pair

STEP = CSStep(steps=3, penalty=0.4, loss=losses.non_saturating)


def cs_pair(name="mlp", dtype=F64, classes=0):
    """As ``pair``, with a step size at which a step is worth something."""
    g, d = pair(name, dtype, classes)
    with torch.no_grad():
        give_step_size(g).log_step.fill_(math.log(3.0))
    return g, d


@pytest.mark.parametrize(("loss", "steps"), [("hinge", 1), ("wasserstein", 2), ("non-saturating", 3), ("minimax", 1)])
def test_simultaneous(loss, steps):
    g, d = cs_pair()
    assert_same((g, d), batch(g), loss=losses.get(loss), latent=CSStep(steps, 0.4, losses.get(loss)))


def test_convolutions_with_batch_norm():
    g, d = cs_pair("dcgan")
    assert_same((g, d), batch(g), loss=STEP.loss, latent=replace(STEP, steps=1))


@pytest.mark.parametrize("turn", [game.discriminator_turn, game.generator_turn])
def test_alternating(turn):
    g, d = cs_pair()
    real, z, labels = batch(g)
    inputs = (z, labels) if turn is game.generator_turn else (real, z, labels)
    assert_same((g, d), inputs, turn=turn, loss=STEP.loss, latent=replace(STEP, steps=2))


@pytest.mark.parametrize(
    ("stop", "penalty_in", "loss"),
    [
        ("none", "both", losses.wasserstein),
        ("generator", "generator", losses.non_saturating),
        ("generator", "both", losses.wasserstein),
        ("discriminator", "both", losses.non_saturating),
        ("both", "both", losses.non_saturating),
    ],
)
def test_ablations(stop, penalty_in, loss):
    g, d = cs_pair()
    latent = replace(STEP, steps=1, loss=loss, stop_gradient=stop, penalty_in=penalty_in)
    assert_same((g, d), batch(g), loss=loss, latent=latent)


def test_a_share_of_the_batch_and_labels():
    g, d = cs_pair(classes=3)
    assert_same((g, d), batch(g, classes=3), loss=STEP.loss, latent=replace(STEP, steps=1), share=0.5)


def test_float32_without_penalty():
    g, d = cs_pair(dtype=torch.float32)
    latent = replace(STEP, steps=1, penalty=0.0)
    assert_same((g, d), batch(g, torch.float32), tolerance=1e-4, loss=STEP.loss, latent=latent)


def test_a_recording_follows_the_step_size():
    """It is read at every call, not kept from the one that was recorded."""
    g, d = cs_pair()
    engine = engines.Engine(g, d, "recorded", pytest.fail)
    rules = Rules(STEP.loss, replace(STEP, steps=1))
    inputs = batch(g)
    before = flat(engine.play(game.simultaneous, inputs, rules).g_gradients)
    with torch.no_grad():
        g.log_step.add_(1.0)
    plain = game.simultaneous(*copy.deepcopy((g, d)), *inputs, rules=rules)
    after = flat(engine.play(game.simultaneous, inputs, rules).g_gradients)
    assert error(after, flat(plain.g_gradients)) < 1e-9
    assert error(after, before) > 1e-3


def make_game(engine, latent=STEP, **settings):
    g, d = cs_pair()
    adams = torch.optim.Adam(g.parameters(), 1e-2), torch.optim.Adam(d.parameters(), 1e-2)
    return Game(g, d, *adams, loss=STEP.loss, latent=latent, engine=engine, announce=pytest.fail, **settings)


def played(engine, steps=3, **settings):
    """G and D after a few steps."""
    one = make_game(engine, **settings)
    source = torch.Generator().manual_seed(5)
    for _ in range(steps):
        real = torch.rand(6, 1, 4, 4, dtype=F64, generator=source)
        one.step(lambda: (real, None), lambda n: torch.randn(n, 6, dtype=F64, generator=source))  # noqa: B023
    return copy.deepcopy(one.generator.state_dict()) | copy.deepcopy(one.discriminator.state_dict())


@pytest.mark.parametrize("penalty_in", ["generator", "both"])
@pytest.mark.parametrize("settings", [{}, {"update": "alternating", "d_steps": 2}], ids=["simultaneous", "alternating"])
def test_weights_after_three_steps(settings, penalty_in):
    latent = replace(STEP, steps=2, penalty_in=penalty_in)
    plain, fast = played("plain", latent=latent, **settings), played("recorded", latent=latent, **settings)
    assert plain["log_step"] != cs_pair()[0].log_step  # it has been trained
    for name, value in plain.items():
        torch.testing.assert_close(fast[name], value, rtol=1e-9, atol=1e-11, msg=name)


def test_ordinary_steps_in_between_leave_the_step_size_alone():
    plain, fast = (played(engine, 2, latent=replace(STEP, steps=1), latent_every=2) for engine in ("plain", "recorded"))
    torch.testing.assert_close(fast["log_step"], plain["log_step"], rtol=1e-12, atol=0)
    torch.testing.assert_close(plain["log_step"], played("plain", 1, latent=replace(STEP, steps=1))["log_step"])
