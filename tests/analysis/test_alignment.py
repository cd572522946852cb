"""The second-order terms of LOGAN, of equations 8, 19 and 20, and of SGA, compared."""

import copy
import itertools
from dataclasses import replace

import pytest
import torch
from torch import nn

from logan import LatentStep
from logan.analysis.alignment import (
    alignments,
    cosine,
    moved_with_graph,
    relative_distance,
    rotation_at_z,
    through_the_move,
)
from logan.cs_gan import CSStep, give_step_size
from logan.dynamics import SGA, ThreePlayer, gan_field
from logan.dynamics.three_player import third_player
from logan.game import simultaneous
from logan.losses import LOSSES, hinge, minimax, wasserstein
from logan.networks import create
from logan.side_effects import on_copies_of_state

from .small import gan

FREE = {"portion": 1.0, "bounds": None}
NAMES = ("logan_sga_cosine", "logan_local_cosine", "local_cosine", "local_error")


def vector(gradients):
    return torch.cat([x.flatten() for x in gradients])


def adjustments(g, d, real, z, loss, latent, share=1.0):
    """LOGAN's and SGA's as :func:`alignments` has them, (D, G) each."""
    with on_copies_of_state(g, d), third_player(g, d, real, z, loss=loss, latent=latent, share=share) as table:
        moved = moved_with_graph(table, latent)
        return through_the_move(replace(table, z_moved=moved.z.detach()), moved), rotation_at_z(table)


def test_cosine_and_distance():
    a, b = torch.tensor([3.0, 4.0]).double(), torch.tensor([-4.0, 3.0]).double()
    torch.testing.assert_close(cosine(a, a), torch.tensor(1.0).double())
    torch.testing.assert_close(cosine(a, -2 * a), torch.tensor(-1.0).double())
    assert cosine(a, b) == 0
    assert cosine(a, 0 * a).isnan()  # not 0, which would say orthogonal
    assert relative_distance(a, a) == 0
    assert relative_distance(3 * a, a) == 2
    assert relative_distance(a, 0 * a).isinf()
    assert relative_distance(0 * a, 0 * a).isnan()


class Times(nn.Module):
    """x ↦ w·x with one number w."""

    def __init__(self, w):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w, dtype=torch.float64))

    def forward(self, x):
        return self.w * x


@pytest.mark.parametrize("centre", [0.0, 0.7])
def test_a_bilinear_game_by_hand(centre):
    """f(z) = d·g·z. LOGAN: (α d g², −α d² g). SGA with ū = mean z and x̄ = mean x: (d ū², ū (g ū − x̄))."""
    d, g, alpha = 0.8, 1.5, 0.1
    z = torch.tensor([[0.3], [0.9], [-0.2]], dtype=torch.float64)
    real = torch.tensor([[centre - 1], [centre + 1]], dtype=torch.float64)
    mean = z.mean().item()
    latent = LatentStep("gd", alpha=alpha, **FREE)
    logan, sga = adjustments(Times(g), Times(d), real, z, wasserstein, latent)
    expected_logan = torch.tensor([alpha * d * g**2, -alpha * d**2 * g], dtype=torch.float64)
    expected_sga = torch.tensor([d * mean**2, mean * (g * mean - centre)], dtype=torch.float64)
    torch.testing.assert_close(torch.stack([logan[0][0], logan[1][0]]), expected_logan)
    torch.testing.assert_close(torch.stack([sga[0][0], sga[1][0]]), expected_sga)
    found = alignments(Times(g), Times(d), real, z, loss=wasserstein, latent=latent)
    assert found["logan_sga_cosine_d"] == 1
    assert found["logan_sga_cosine_g"] == (-1 if centre == 0 else 1)  # the sign of −ū (g ū − x̄)
    torch.testing.assert_close(found["logan_sga_cosine"], cosine(expected_logan, expected_sga))
    if centre == 0:  # then equation 6's adjustments of D and G are those of equation 8 with G's sign turned
        torch.testing.assert_close(found["logan_sga_cosine"], torch.tensor(0.0).double())
    for suffix in ("", "_d", "_g"):  # ∂²f/∂z∂θ is the same at z and z′
        torch.testing.assert_close(found["local_cosine" + suffix], torch.tensor(1.0).double())
        torch.testing.assert_close(found["logan_local_cosine" + suffix], torch.tensor(1.0).double())
        assert found["local_error" + suffix] < 1e-12


LATENTS = {
    "gd": LatentStep("gd", alpha=0.5, **FREE),
    "ngd, clipped": LatentStep(beta=0.02),
    "two steps": LatentStep(steps=2, penalty=0.5),
    "d stopped": LatentStep(stop_gradient="discriminator"),
    "both stopped": LatentStep(stop_gradient="both"),
}


@pytest.mark.parametrize("share", [1.0, 0.5])
@pytest.mark.parametrize("sn", [False, True], ids=["plain", "spectral norm"])
@pytest.mark.parametrize("name", LATENTS)
def test_logans_is_what_its_gradient_has_more_than_a_constant_move(name, sn, share):
    g, d, real, z = gan(sn)
    latent = replace(LATENTS[name], penalty=0.0)
    d2 = copy.deepcopy(d)  # each call moves the spectral-norm vectors
    whole = simultaneous(g, d, real, z, loss=hinge, latent=latent, share=share)
    plain = simultaneous(g, d2, real, z, loss=hinge, latent=replace(latent, stop_gradient="both"), share=share)
    g, d, real, z = gan(sn)
    logan, _ = adjustments(g, d, real, z, hinge, LATENTS[name], share)
    torch.testing.assert_close(vector(logan[0]), vector(whole.d_gradients) - vector(plain.d_gradients))
    torch.testing.assert_close(vector(logan[1]), vector(whole.g_gradients) - vector(plain.g_gradients))


@pytest.mark.parametrize("sn", [False, True], ids=["plain", "spectral norm"])
def test_the_others_are_those_of_the_dynamics(sn):
    """SGA and ThreePlayer, with ξ taken away again."""
    latent = LatentStep("gd", alpha=0.5, **FREE)

    def of(method, **rules):
        g, d, real, z = gan(sn)
        turn = method(g, d, real, z, loss=minimax, **rules)
        return [vector(turn.d_gradients), vector(turn.g_gradients)]

    def minus(a, b):
        return torch.cat([x - y for x, y in zip(a, b, strict=True)])

    eta = 0.0  # then γ is ½ for both players
    local, no_cross = (
        minus(of(ThreePlayer(2.0, eta, form), latent=latent), of(ThreePlayer(0.0, eta, form), latent=latent))
        for form in ("local", "no-cross")
    )
    sga = minus(of(SGA(1.0)), of(SGA(0.0)))
    logan = minus(
        of(simultaneous, latent=replace(latent, penalty=0.0)),
        of(simultaneous, latent=replace(latent, stop_gradient="both", penalty=0.0)),
    )
    g, d, real, z = gan(sn)
    found = alignments(g, d, real, z, loss=minimax, latent=latent)
    torch.testing.assert_close(found["local_cosine"], cosine(local, no_cross))
    torch.testing.assert_close(found["local_error"], relative_distance(local, no_cross))
    torch.testing.assert_close(found["logan_sga_cosine"], cosine(logan, sga))
    torch.testing.assert_close(found["logan_local_cosine"], cosine(logan, local))
    n = len(vector(d.parameters()))
    torch.testing.assert_close(found["local_error_d"], relative_distance(local[:n], no_cross[:n]))
    torch.testing.assert_close(found["logan_sga_cosine_g"], cosine(logan[n:], sga[n:]))
    assert 1e-3 < found["local_error"] < 1


def test_gradient_descent_is_equation_8_and_natural_gradient_descent_is_not():
    g, d, real, z = gan()
    gd = alignments(g, d, real, z, latent=LatentStep("gd", alpha=0.5, **FREE))
    ngd = alignments(g, d, real, z, latent=LatentStep(alpha=0.5, beta=0.01, **FREE))
    torch.testing.assert_close(gd["logan_local_cosine"], torch.tensor(1.0).double())
    assert ngd["logan_local_cosine"] < 0.999


@pytest.mark.parametrize(("beta", "sign"), [(2.0, 1.0), (1.0, -1.0)])
def test_steep_scores_turn_the_terms_of_natural_gradient_descent_around(beta, sign):
    """f(z) = d·g·z with d·g = 1.2: the derivative of α x/(β + x²) is α (β − x²)/(β + x²)², negative where ‖g‖² > β."""
    z, real = torch.tensor([[0.3], [0.9]], dtype=torch.float64), torch.zeros(2, 1, dtype=torch.float64)
    latent = LatentStep(alpha=0.1, beta=beta, **FREE)
    found = alignments(Times(1.5), Times(0.8), real, z, loss=wasserstein, latent=latent)
    assert found["logan_local_cosine"].item() == pytest.approx(sign)
    logan, _ = adjustments(Times(1.5), Times(0.8), real, z, wasserstein, latent)
    slope = 0.1 * (beta - 1.44) / (beta + 1.44) ** 2
    torch.testing.assert_close(logan[0][0], torch.tensor(slope * 1.5 * 1.2).double())


def test_the_error_of_approximation_21_vanishes_like_the_step():
    g, d, real, z = gan()
    errors = [
        alignments(g, d, real, z, loss=wasserstein, latent=LatentStep("gd", alpha=alpha, **FREE))["local_error"]
        for alpha in (4e-3, 2e-3, 1e-3)
    ]
    assert errors[0] > 1e-5
    for large, small in itertools.pairwise(errors):
        assert large / small == pytest.approx(2, rel=0.01)


def test_a_player_without_an_adjustment_has_no_cosine():
    g, d, real, z = gan()
    found = alignments(g, d, real, z, latent=LatentStep(stop_gradient="generator"))
    assert found["logan_sga_cosine_g"].isnan()
    assert -1 <= found["logan_sga_cosine_d"] <= 1
    assert -1 <= found["logan_sga_cosine"] <= 1


def test_scalars_in_double_precision_from_networks_in_single():
    for latent in (LatentStep(), CSStep()):
        g, d, real, z = gan(dtype=torch.float32)
        found = alignments(give_step_size(g), d, real, z, latent=latent)
        assert set(found) == {name + suffix for name in NAMES for suffix in ("", "_d", "_g")}
        assert all(x.shape == () and x.dtype == torch.float64 and x.isfinite() for x in found.values())


def test_labels_and_half_precision():
    torch.manual_seed(0)
    g, d = create("mlp", latent_dim=4, image_size=4, image_channels=1, num_classes=3, width=8)
    real, z, labels = torch.rand(6, 1, 4, 4), torch.rand(6, 4), torch.arange(6) % 3
    latent = LatentStep()
    found = [alignments(g, d, real, z, y, latent=latent) for y in (labels, labels.flip(0))]
    assert found[0]["logan_sga_cosine"] != found[1]["logan_sga_cosine"]
    half = alignments(g, d, real, z, labels, latent=latent, autocast=torch.bfloat16)
    torch.testing.assert_close(half["logan_local_cosine"], found[0]["logan_local_cosine"], atol=0.1, rtol=0)


def networks(kind):
    torch.manual_seed(0)
    old_sn, new_sn = nn.utils.spectral_norm, nn.utils.parametrizations.spectral_norm
    middle = {
        "hook": old_sn(nn.Linear(8, 8)),
        "parametrised": new_sn(nn.Linear(8, 8)),
        "dropout": nn.Dropout(0.5),
        "batch norm": nn.BatchNorm1d(8),
    }[kind]
    d = nn.Sequential(nn.Linear(2, 8), middle, nn.Tanh(), nn.Linear(8, 1))
    g = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 2))
    d[3].bias.requires_grad_(False)
    return g.double(), d.double(), torch.randn(6, 2).double(), torch.rand(6, 3).double()


@pytest.mark.parametrize("kind", ["hook", "parametrised", "dropout", "batch norm"])
@pytest.mark.parametrize("subset", ["leading", "random"])
def test_nothing_is_left_behind_and_it_repeats(kind, subset):
    g, d, real, z = networks(kind)
    d(real).sum().backward()  # a network in use: gradients, and tensors of an old graph
    d[1].eval() if kind == "batch norm" else None
    pending = d(g(z)).sum()
    state = [{k: v.clone() for k, v in m.state_dict().items()} for m in (g, d)]
    identity = [[id(x) for x in (*m.parameters(), *m.buffers())] for m in (g, d)]
    modes = [[part.training for part in m.modules()] for m in (g, d)]
    gradients = [None if p.grad is None else p.grad.clone() for p in d.parameters()]
    random, latent = torch.get_rng_state(), LatentStep(subset=subset)
    with torch.no_grad():
        first = alignments(g, d, real, z, latent=latent)
        assert not torch.is_grad_enabled()
    assert torch.equal(random, torch.get_rng_state())
    assert all(torch.equal(a[k], m.state_dict()[k]) for a, m in zip(state, (g, d), strict=True) for k in a)
    assert identity == [[id(x) for x in (*m.parameters(), *m.buffers())] for m in (g, d)]
    assert modes == [[part.training for part in m.modules()] for m in (g, d)]
    for before, p in zip(gradients, d.parameters(), strict=True):
        assert (before is None and p.grad is None) or torch.equal(before, p.grad)
    assert z.grad is None
    pending.backward()  # a graph from before is still good
    again = alignments(g, d, real, z, latent=latent)
    assert all(torch.equal(first[k], again[k]) for k in first)


def test_the_state_comes_back_after_an_error():
    g, d, real, z = networks("hook")
    before = {k: v.clone() for k, v in d.state_dict().items()}
    with pytest.raises(RuntimeError):
        alignments(g, d, real[:, :1], z, latent=LatentStep())
    assert all(torch.equal(v, d.state_dict()[k]) for k, v in before.items())
    assert all(part.training for part in d.modules())


def test_the_same_random_subset_in_every_term():
    """With the subset's own gradient descent, LOGAN's terms are equation 8's; with another subset's they are not."""
    g, d, real, z = gan()
    latent = LatentStep("gd", alpha=0.3, portion=0.34, bounds=None, subset="random")
    for seed in range(5):
        torch.manual_seed(seed)
        found = alignments(g, d, real, z, latent=latent)
        torch.testing.assert_close(found["logan_local_cosine"], torch.tensor(1.0).double())


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_every_loss(loss):
    g, d, real, z = gan()
    found = alignments(g, d, real, z, loss=loss, latent=LatentStep())
    assert all(x.isfinite() for x in found.values())


def test_the_ordinary_game_is_at_z():
    g, d, real, z = gan()
    latent = LatentStep("gd", alpha=2.0, **FREE)
    _, sga = adjustments(g, d, real, z, minimax, latent)
    with gan_field(g, d, real, z, loss=minimax) as (field, _):
        xi = [[x.detach() for x in p] for p in field.xi]
        adjusted = SGA(1.0).of(field)
    for place in (0, 1):
        expected = vector(adjusted[place]) - vector(xi[place])
        torch.testing.assert_close(vector(sga[place]), expected)


def test_a_share_by_finite_differences():
    """Of a batch of six the first three are moved: d/dθ of the loss at z′(θ), f's own weights held."""
    g, d, real, z = gan()
    latent, share, n = LatentStep(alpha=0.5, beta=0.3, **FREE), 0.5, 3
    logan, _ = adjustments(g, d, real, z, minimax, latent, share)
    d0, g0 = copy.deepcopy(d), copy.deepcopy(g)

    def value(per_sample):
        moved = latent(lambda z: d(g(z)), z[:n]).z.detach()
        return per_sample(d0(g0(torch.cat([moved, z[n:]])))).mean().item()

    torch.manual_seed(1)
    for network, place, per_sample in ((d, 0, minimax.fake), (g, 1, minimax.fool)):
        v, h, ends = [torch.randn_like(p) for p in network.parameters()], 1e-6, []
        for sign in (1, -1):
            for p, x in zip(network.parameters(), v, strict=True):
                p.data.add_(x, alpha=sign * h)
            ends.append(value(per_sample))
            for p, x in zip(network.parameters(), v, strict=True):
                p.data.sub_(x, alpha=sign * h)
        expected = (ends[0] - ends[1]) / (2 * h)
        assert (vector(logan[place]) @ vector(v)).item() == pytest.approx(expected, rel=1e-5)


def test_the_terms_of_a_share_by_whole_matrices():
    """(∂²f(z)/∂z∂θ)ᵀ ∂L/∂z′ with the matrices formed by torch, over the samples that are moved."""
    g, d, real, z = gan()
    latent, n = LatentStep("gd", alpha=0.5, **FREE), 2
    with third_player(g, d, real, z, loss=wasserstein, latent=latent, share=0.4) as table:
        terms = {"at z": table.latent_terms(table.z), "at z'": table.latent_terms(table.z_moved)}
    assert table.moved == n
    assert torch.equal(table.z_moved[n:], z[n:])
    assert not torch.equal(table.z_moved[:n], z[:n])
    moved = table.z_moved.clone().requires_grad_()
    (by_moved,) = torch.autograd.grad(d(g(moved)).mean(), moved)  # of D's loss; G's is its negative
    for place, network in ((0, d), (1, g)):
        names, values = zip(*network.named_parameters(), strict=True)

        def slope(*theta, network=network, names=names, at=None):
            def f(z):
                weights = dict(zip(names, theta, strict=True))
                if network is d:
                    return torch.func.functional_call(d, weights, (g(z),)).sum()
                return d(torch.func.functional_call(g, weights, (z,))).sum()

            return torch.autograd.functional.jacobian(f, at, create_graph=True)

        for name, at in (("at z", z[:n]), ("at z'", table.z_moved[:n])):
            matrices = torch.autograd.functional.jacobian(lambda *t, at=at, slope=slope: slope(*t, at=at), values)
            sign = 1 if place == 0 else -1
            expected = [sign * torch.tensordot(by_moved[:n], m, dims=2) for m in matrices]
            torch.testing.assert_close(vector(terms[name][place]), vector(expected))


def test_a_share_with_labels_and_batch_norm():
    """f(z) is a pass of the moved samples alone, with their labels: gradient descent's terms are still equation 8's."""
    torch.manual_seed(0)
    g, d = create("mlp", latent_dim=4, image_size=4, image_channels=1, num_classes=3, width=8)
    real, z, labels = torch.rand(6, 1, 4, 4), torch.rand(6, 4), torch.tensor([0, 1, 2, 0, 0, 1])
    g, d, real, z = g.double(), d.double(), real.double(), z.double()
    latent = LatentStep("gd", alpha=0.3, **FREE)
    found = [alignments(g, d, real, z, labels, latent=latent, share=s) for s in (1.0, 0.5)]
    assert found[0]["logan_sga_cosine"] != found[1]["logan_sga_cosine"]
    with third_player(g, d, real, z, labels, latent=latent, share=0.5) as table:
        torch.testing.assert_close(moved_with_graph(table, latent).z, table.z_moved)
    g, d, real, z = networks("batch norm")
    found.append(alignments(g, d, real, z, latent=latent, share=0.7))
    for each in found:
        torch.testing.assert_close(each["logan_local_cosine"], torch.tensor(1.0).double())
    errors = [
        alignments(g, d, real, z, latent=replace(latent, alpha=a), share=0.7, loss=wasserstein)["local_error"]
        for a in (2e-3, 1e-3)
    ]
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.02)


def test_the_same_random_subset_of_a_share():
    g, d, real, z = gan()
    latent = LatentStep("gd", alpha=0.3, portion=0.34, bounds=None, subset="random")
    for seed in range(3):
        torch.manual_seed(seed)
        found = alignments(g, d, real, z, latent=latent, share=0.5)
        torch.testing.assert_close(found["logan_local_cosine"], torch.tensor(1.0).double())
