"""CS-GAN's latent steps against closed forms and finite differences, in float64 (deepmind-research/cs_gan: utils.py, gan.py)."""

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from logan import game, losses, turns
from logan.cs_gan import CSStep, give_step_size

F64 = torch.float64
STEP = CSStep(steps=3, penalty=0.4, loss=losses.non_saturating)
LOG_STEP = torch.tensor(math.log(2.5), dtype=F64)
"""Large, so that nothing is lost in rounding."""

MINUS_SLOPE = {
    "hinge": torch.ones_like,
    "wasserstein": torch.ones_like,
    "non-saturating": lambda t: torch.sigmoid(-t),
    "minimax": torch.sigmoid,
}
"""−d fool(t)/dt by hand: fool is −t, softplus(−t) or −softplus(t)."""


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def linear(d=5):
    """f(z) = aᵀz and a."""
    a = torch.randn(d, dtype=F64)
    return (lambda z: z @ a), a


def draws(n=6, d=5):
    return torch.randn(n, d, dtype=F64) * 2


def unit(z):
    return z / z.square().sum(1, keepdim=True).sqrt()


def walked(z, a, steps, loss="hinge"):
    """Where the steps lead on f(z) = aᵀz: ∂L/∂z_i = fool'(f(z_i)) a / B for the mean loss L."""
    at = unit(z)
    for _ in range(steps):
        at = unit(at + LOG_STEP.exp() / len(z) * MINUS_SLOPE[loss](at @ a)[:, None] * a)
    return at


def players(batch_norm=False):
    """A small G with a step size, and D, in float64. Smooth, so that finite differences converge."""
    torch.manual_seed(3)
    norm = [nn.BatchNorm1d(7)] if batch_norm else []
    g = nn.Sequential(nn.Linear(4, 7), *norm, nn.Tanh(), nn.Linear(7, 3)).double()
    d = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 1), nn.Flatten(0)).double()
    with torch.no_grad():
        give_step_size(g).log_step.copy_(LOG_STEP)
        d[2].weight.mul_(8)  # a step is worth something
    return g, d


def real_and_z():
    torch.manual_seed(4)
    return torch.randn(6, 3, dtype=F64), torch.randn(6, 4, dtype=F64)


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("loss", losses.LOSSES)
def test_steps_on_a_linear_score(loss, steps):
    f, a = linear()
    z = draws()
    moved = CSStep(steps, loss=losses.get(loss))(f, z, LOG_STEP)
    torch.testing.assert_close(moved.z, walked(z, a, steps, loss), rtol=1e-12, atol=1e-14)


def test_f_is_asked_once_per_step_and_only_on_the_sphere():
    f, _ = linear()
    asked = []
    moved = STEP(lambda z: (asked.append(z), f(z))[1], draws(), LOG_STEP)
    for z in (*asked, moved.z):
        torch.testing.assert_close(z.norm(dim=1), torch.ones(6, dtype=F64), rtol=1e-12, atol=0)
    assert len(asked) == 3


def test_a_doubled_batch_moves_half_as_far():
    """The gradient is of the batch's mean loss: the same batch twice asks for twice the step size."""
    f, _ = linear()
    z = draws()
    twice = STEP(f, torch.cat([z, z]), LOG_STEP).z[:6]
    torch.testing.assert_close(twice, STEP(f, z, LOG_STEP - math.log(2)).z, rtol=1e-12, atol=1e-14)
    assert (twice - STEP(f, z, LOG_STEP).z).norm() > 0.1


def test_the_order_of_the_batch_does_not_matter():
    f, _ = linear()
    z, order = draws(), torch.randperm(6)
    torch.testing.assert_close(STEP(f, z[order], LOG_STEP).z, STEP(f, z, LOG_STEP).z[order], rtol=1e-12, atol=1e-14)


def test_penalty_is_on_the_distance_from_the_raw_draw():
    f, a = linear()
    z = draws()
    moved = CSStep(3, penalty=3.0, loss=losses.hinge)(f, z, LOG_STEP)
    torch.testing.assert_close(moved.delta, walked(z, a, 3) - z, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(moved.penalty, 3 * (walked(z, a, 3) - z).square().sum(1).mean(), rtol=1e-12, atol=0)


def test_penalty_identity():
    """As :class:`CSStep` says: a constant, and the move on the sphere weighted by the length of the draw."""
    f, _ = linear(128)
    z = torch.randn(64, 128, dtype=F64)
    moved = STEP(f, z, LOG_STEP)
    length, chord = z.norm(dim=1), (moved.z - unit(z)).square().sum(1)
    constant = 0.4 * (length - 1).square().mean()
    torch.testing.assert_close(moved.penalty, constant + 0.4 * (length * chord).mean(), rtol=1e-12, atol=0)
    assert constant / 0.4 == pytest.approx(106, rel=0.1)
    assert moved.penalty > constant + 0.01


def test_what_it_reports_is_of_the_starting_point():
    """f(z₀) and −B ∂L/∂z₀, the gradient of what the samples want."""
    f, a = linear()
    z = draws()
    moved = STEP(f, z, LOG_STEP)
    start = unit(z)
    torch.testing.assert_close(moved.scores, start @ a, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(moved.gradient, torch.sigmoid(-start @ a)[:, None] * a, rtol=1e-12, atol=1e-14)
    assert not moved.gradient.requires_grad


def test_latents_of_any_shape_equal_flat_ones():
    f, _ = linear(12)
    z = draws(5, 12)
    flat, maps = STEP(f, z, LOG_STEP), STEP(lambda z: f(z.flatten(1)), z.view(5, 3, 2, 2), LOG_STEP)
    torch.testing.assert_close(maps.z, flat.z.view(5, 3, 2, 2), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(maps.penalty, flat.penalty)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_without_grad_it_moves_as_far_and_returns_constants(context):
    f, _ = linear()
    z, log_step = draws(), LOG_STEP.clone().requires_grad_()
    with context():
        moved = STEP(f, z.clone(), log_step)
    assert not moved.z.requires_grad
    assert not moved.penalty.requires_grad
    torch.testing.assert_close(moved.z, STEP(f, z, log_step).z.detach())


def test_the_step_is_taken_in_full_precision_whatever_the_networks_run_in():
    w = torch.randn(8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        moved = STEP(lambda z: nn.functional.linear(z, w[None])[:, 0], torch.randn(4, 8), LOG_STEP.float())
    assert moved.z.dtype == moved.delta.dtype == moved.penalty.dtype == torch.float32
    torch.testing.assert_close(moved.z.norm(dim=1), torch.ones(4), rtol=1e-6, atol=0)
    half = STEP(lambda z: z.sum(1), torch.randn(4, 8).half(), LOG_STEP.float())
    assert (half.z.dtype, half.delta.dtype) == (torch.float16, torch.float32)


def both_losses(w, v, log_step, step=STEP):
    """L_G with R_z, and L_D's fake part, of G(z) = tanh(W z) and D(x) = vᵀ tanh(x)."""
    z = torch.randn(4, 3, dtype=F64, generator=torch.Generator().manual_seed(1))

    def f(z):
        return torch.tanh(torch.tanh(z @ w.T)) @ v

    moved = step(f, z, log_step)
    fake = f(moved.z)
    return step.loss.generator(fake) + moved.penalty, step.loss.fake(fake).mean()


@pytest.mark.parametrize("steps", [1, 3])
def test_gradients_go_through_all_the_steps(steps):
    """Of both players' losses, with respect to G's weights, D's and ln s, against finite differences."""
    w, v = torch.randn(3, 3, dtype=F64), torch.randn(3, dtype=F64)
    inputs = [x.clone().requires_grad_() for x in (w, v, LOG_STEP)]
    torch.autograd.gradcheck(lambda *x: both_losses(*x, replace(STEP, steps=steps)), inputs, atol=1e-8, rtol=1e-6)


@pytest.mark.parametrize("update", ["simultaneous", "alternating"])
def test_the_step_size_gets_the_derivative_of_the_generator_s_loss(update):
    g, d = players()
    real, z = real_and_z()

    def played():
        if update == "alternating":
            return game.generator_turn(g, d, z, loss=STEP.loss, latent=STEP)
        return game.simultaneous(g, d, real, z, loss=STEP.loss, latent=STEP)

    index = [name for name, _ in g.named_parameters()].index("log_step")
    gradient = played().g_gradients[index]
    at = []
    for h in (1e-5, -1e-5):
        with torch.no_grad():
            g.log_step.copy_(LOG_STEP + h)
        at.append(played().g_loss.item())
    assert gradient.item() == pytest.approx((at[0] - at[1]) / 2e-5, rel=1e-7)
    assert abs(gradient.item()) > 1e-3


def test_the_discriminator_s_turn_leaves_the_step_size_alone():
    g, d = players()
    turn = game.discriminator_turn(g, d, *real_and_z(), latent=STEP)
    assert g.log_step.grad is None
    assert turn.g_gradients == []
    assert len(turn.d_gradients) == len(list(d.parameters()))


@pytest.mark.parametrize("update", ["simultaneous", "alternating"])
@pytest.mark.parametrize(("g_lr", "d_lr", "trained"), [(0.1, 0.0, True), (0.0, 0.1, False)])
def test_only_the_generator_s_optimiser_trains_the_step_size(update, g_lr, d_lr, trained):
    g, d = players()
    optimisers = torch.optim.SGD(g.parameters(), g_lr), torch.optim.SGD(d.parameters(), d_lr)
    played = game.Game(g, d, *optimisers, loss=STEP.loss, latent=STEP, update=update)
    before = copy.deepcopy(d)
    real, z = real_and_z()
    played.step(lambda: (real, None), lambda n: z)
    assert (g.log_step.item() != LOG_STEP.item()) == trained
    assert torch.equal(d[0].weight, before[0].weight) == (d_lr == 0)
    assert g.log_step.grad is None


def test_penalty_enters_the_loss_it_belongs_to():
    g, d = players()
    real, z = real_and_z()
    free, mine, both = (
        game.simultaneous(g, d, real, z, latent=replace(STEP, **changes))
        for changes in ({"penalty": 0.0}, {}, {"penalty_in": "both"})
    )
    penalty = mine.report["penalty"]
    torch.testing.assert_close(mine.g_loss, free.g_loss + penalty)
    torch.testing.assert_close(mine.d_loss, free.d_loss)
    torch.testing.assert_close(both.g_loss, mine.g_loss)
    torch.testing.assert_close(both.d_loss, free.d_loss + penalty)


@pytest.mark.parametrize("stop", ["none", "generator", "discriminator", "both"])
def test_stop_gradient_is_a_constant_for_the_player_it_names(stop):
    g, d = players()
    moved = replace(STEP, stop_gradient=stop).of(g)(lambda z: d(g(z)), real_and_z()[1])
    free = STEP.of(g)(lambda z: d(g(z)), real_and_z()[1])
    assert moved.z.requires_grad == (stop != "both")  # for both, no graph is kept at all
    for player in ("generator", "discriminator"):
        view = moved.seen_by(player)
        assert view.z.requires_grad == view.penalty.requires_grad == (stop not in (player, "both"))
        assert torch.equal(view.z, free.z)


def test_statistics_move_once_per_game_step():
    g, d = players(batch_norm=True)
    game.simultaneous(g, d, *real_and_z(), latent=STEP)
    assert g[1].num_batches_tracked == 1


def test_a_share_of_the_batch_is_walked_as_a_batch_of_its_own():
    g, d = players()
    z = real_and_z()[1]
    moved = turns.move(g, d, z, None, game.Rules(latent=STEP, share=0.5))
    alone = STEP.of(g)(lambda z: d(g(z)), z[:3])
    torch.testing.assert_close(moved.z[:3], alone.z)
    torch.testing.assert_close(moved.penalty, alone.penalty / 2)


def test_the_step_size_begins_at_a_hundredth_and_changes_nothing_else():
    g = nn.Linear(4, 3).double()
    z = torch.randn(2, 4, dtype=F64)
    before = g(z)
    assert give_step_size(g) is g
    assert g.log_step.exp().item() == pytest.approx(0.01, rel=1e-12)
    assert g.log_step.dtype == F64
    assert "log_step" in dict(g.named_parameters())
    assert torch.equal(g(z), before)


def test_a_generator_without_step_size_is_refused_with_advice():
    with pytest.raises(ValueError, match=r"give_step_size\(generator\)"):
        STEP.of(nn.Linear(4, 3))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0),
        ("steps", 1.5),
        ("penalty", math.inf),
        ("stop_gradient", "all"),
        ("penalty_in", "discriminator"),
    ],
)
def test_fields_out_of_range_are_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field):
        CSStep(**{field: value})
