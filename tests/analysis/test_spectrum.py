"""Leading eigenvalues without forming H, against those of H; and games whose spectrum is known."""

import sys

import numpy as np
import pytest
import torch

from logan import LatentStep
from logan.analysis.spectrum import Spectrum, dense, growth, spectrum
from logan.dynamics import gan_field
from logan.errors import InputError
from logan.losses import minimax, wasserstein

from .small import bilinear, game, gan, potential_game

STEPS = {"no step": None, "gd": LatentStep("gd", alpha=0.3, portion=1.0), "ngd": LatentStep(beta=0.5)}


def leading(values, k):
    """By magnitude, then the pair's upper half first; an independent way to say so."""
    values = sorted(values.tolist(), key=lambda x: (-round(abs(x), 8), -x.imag))
    return np.array(values[:k])


def by_autograd(field):
    """H by torch's own Jacobian of ξ, without the products of a Field."""
    shapes = [x.shape for player in field.players for x in player]
    sizes = [x.numel() for player in field.players for x in player]

    def xi(v):
        tensors = [p.view(s) for p, s in zip(v.split(sizes), shapes, strict=True)]
        players = field.like(tensors)
        values = field.losses(*players)
        gradients = [torch.autograd.grad(L, p, create_graph=True) for L, p in zip(values, players, strict=True)]
        return torch.cat([g.flatten() for player in gradients for g in player])

    point = torch.cat([x.detach().flatten() for player in field.players for x in player])
    return torch.autograd.functional.jacobian(xi, point)


@pytest.mark.parametrize("sn", [False, True], ids=["plain", "spectral norm"])
@pytest.mark.parametrize("step", STEPS)
def test_it_is_that_of_the_jacobian_of_a_gan(sn, step):
    g, d, real, z = gan(sn)
    with gan_field(g, d, real, z, loss=wasserstein, latent=STEPS[step]) as (field, _):
        found = spectrum(field, k=7, tolerance=1e-10)
        h = by_autograd(field)
    n = len(h)
    assert n > 100
    eigenvalues = leading(torch.linalg.eigvals(h), 7)
    eigenvalues[-1] = eigenvalues[-1].real + 1j * abs(eigenvalues[-1].imag)
    potential = leading(torch.linalg.eigvalsh((h + h.T) / 2), 7)
    rotation = torch.linalg.eigvals((h - h.T) / 2).imag.sort(descending=True).values[:7]
    np.testing.assert_allclose(found.eigenvalues, eigenvalues, atol=1e-6)
    np.testing.assert_allclose(found.potential, potential, atol=1e-6)
    np.testing.assert_allclose(found.rotation, rotation, atol=1e-6)
    assert found.converged
    assert np.abs(eigenvalues.imag).max() > 0.5  # there is something to find
    assert rotation[6] > 1e-4


def test_the_default_tolerance_in_single_precision():
    found = {}
    for dtype in (torch.float32, torch.float64):
        g, d, real, z = gan()
        g, d = g.to(dtype), d.to(dtype)
        with gan_field(g, d, real.to(dtype), z.to(dtype), loss=minimax, latent=STEPS["ngd"]) as (field, _):
            found[dtype] = spectrum(field)
    a, b = found.values()
    for name in ("eigenvalues", "potential", "rotation"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-3, atol=1e-5)


def test_dense_is_the_jacobian():
    g, d, real, z = gan()
    with gan_field(g, d, real, z, latent=STEPS["ngd"]) as (field, _):
        np.testing.assert_allclose(dense(field), by_autograd(field), atol=1e-12)


@pytest.mark.parametrize("n", [1, 40], ids=["dense", "by products"])
def test_a_bilinear_game_only_turns(n):
    c = torch.linspace(3, 1, n)
    found = spectrum(bilinear(c, n), k=3, tolerance=1e-12)
    some = min(n, 3)
    pairs = [sign * 1j * float(x) for x in c for sign in (1, -1)][:3]
    np.testing.assert_allclose(found.eigenvalues, pairs, atol=1e-9)
    np.testing.assert_allclose(found.rotation, c[:some], atol=1e-9)
    np.testing.assert_allclose(found.potential, 0, atol=1e-12)


@pytest.mark.parametrize("n", [4, 60], ids=["dense", "by products"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_potential_game_does_not_turn(n, dtype):
    torch.manual_seed(0)
    q = torch.randn(n, n, dtype=dtype)
    field = potential_game(q := (q + q.T) / 2)
    if dtype == torch.float32:
        field = type(field)(field.losses, tuple((x.detach().float().requires_grad_(),) for (x,) in field.players))
    found = spectrum(field, k=4)
    expected = leading(torch.linalg.eigvalsh(q), 4)
    np.testing.assert_allclose(found.potential, expected, rtol=1e-4)
    np.testing.assert_allclose(found.eigenvalues, expected, rtol=1e-4)
    np.testing.assert_allclose(found.rotation, 0, atol=1e-4)
    if n > 20:
        assert not found.rotation.any()  # the rounding of a symmetric H is not taken for a rotation


def test_the_sign_of_a_saddle_is_kept():
    found = spectrum(potential_game(torch.diag(torch.tensor([1.0, -5.0, 2.0])).double()), k=2)
    np.testing.assert_allclose(found.potential, [-5, 2])


def test_a_rotation_of_low_rank_leaves_zeros():
    c = torch.zeros(40)
    c[0] = 2.0
    found = spectrum(bilinear(c, 40), k=3)
    np.testing.assert_allclose(found.rotation, [2, 0, 0], atol=1e-9)


def test_a_game_without_curvature():
    found = spectrum(game(lambda x, y: (x[0].sum(), y[0].sum()), torch.ones(30), torch.ones(30)), k=2)
    assert not any(a.any() for a in (found.eigenvalues, found.potential, found.rotation))


def test_fewer_parameters_than_k():
    found = spectrum(bilinear(2.0), k=6)
    assert found.eigenvalues.shape == found.potential.shape == (2,)
    assert found.rotation.shape == (1,)


def test_a_pair_cut_apart_is_the_upper_half_either_way():
    for n in (3, 30):
        np.testing.assert_allclose(spectrum(bilinear(torch.linspace(3, 1, n), n), k=1).eigenvalues, [3j], atol=1e-6)


def test_it_repeats_and_leaves_torchs_random_numbers_alone():
    g, d, real, z = gan()
    with gan_field(g, d, real, z, loss=wasserstein) as (field, _):
        before = torch.get_rng_state()
        a, b, other = spectrum(field, seed=1), spectrum(field, seed=1), spectrum(field, seed=2, tolerance=1e-10)
        assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_array_equal(a.eigenvalues, b.eigenvalues)
    np.testing.assert_allclose(a.rotation, other.rotation, rtol=1e-5)


def test_what_did_not_converge():
    torch.manual_seed(0)
    q = torch.diag(torch.cat([torch.tensor([5.0]), 1 + 1e-3 * torch.rand(199)]).double())
    found = spectrum(potential_game(q), k=3, tolerance=1e-14, iterations=2)
    assert not found.converged
    np.testing.assert_allclose(found.potential, [5])
    np.testing.assert_allclose(found.eigenvalues, [5])
    with pytest.raises(
        InputError, match="none of the 3 leading eigenvalues of H converged in 1 iterations; allow more"
    ):
        spectrum(potential_game(q[1:, 1:]), k=3, tolerance=1e-14, iterations=1)


def test_refusals(monkeypatch):
    with pytest.raises(ValueError, match="k must be a whole number >= 1, not 0"):
        spectrum(bilinear(1.0), k=0)
    with pytest.raises(InputError, match="not finite"):
        spectrum(bilinear(float("nan"), 30))
    for name in [m for m in sys.modules if m.partition(".")[0] == "scipy"] + ["scipy", "scipy.sparse"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=r'^a search for .* needs scipy: pip install "logan-gan\[analysis\]"$'):
        spectrum(bilinear(1.0, 30))
    assert isinstance(spectrum(bilinear(1.0)), Spectrum)  # a tiny game does without


def test_growth_predicts_what_the_steps_do():
    h = np.array([[0.5, 2.0], [-2.0, 0.5]])  # λ = ½ ± 2i diverges from η = 2·½/(¼ + 4) on
    values = np.linalg.eigvals(h)
    for rate, diverges in ((0.23, False), (0.24, True)):
        point = np.array([1.0, 0.0])
        for _ in range(2000):
            point = point - rate * h @ point
        assert (growth(values, rate).max() > 1) == diverges == (np.linalg.norm(point) > 1)
    assert (growth(np.array([1j, -1j]), 0.01) > 1).all()
    np.testing.assert_allclose(growth(np.array([0.5, 3.0]), 1.0), [0.5, 2.0])
