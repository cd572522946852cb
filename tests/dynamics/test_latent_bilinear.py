"""What the latent step does to a bilinear GAN: D(x) = w·x, G(z) = Bz + v with B fixed, Wasserstein loss.

f(z) = w·(Bz + v) is bilinear in the players' w and v, and plain simultaneous descent spirals out. By equation 4 each latent
moves by αBᵀw (B with the optimised columns only), so that f(z′) = f(z) + α‖Bᵀw‖². Hence L_D gains the penalty α‖Bᵀw‖², half
of its gradient by z′ itself and half by equation 8's second-order term of D. With B fixed the second-order term of G vanishes,
since ∂²f/∂z∂v = 0; a B that is trained has one, −αw(Bᵀw)ᵀ. So the step is convergent here, but not by the symplectic term of
SGA: the antisymmetric part of the Jacobian stays what it was, and the symmetric part gains 2αBBᵀ, in D's block alone. With a
rate η it converges if and only if every eigenvalue of 2αBBᵀ exceeds η (and none is above 2/η + η/2). Where BBᵀ is singular
(fewer latents than pixels, a small ``portion``) some directions of w are not damped, and those go out exactly as without the
latent step.
"""

from dataclasses import replace

import pytest
import torch
from torch import nn

from logan import LatentStep, game, losses, turns
from logan.dynamics import gan_field

from .small import F64, dense

ETA, ALPHA = 0.1, 0.4
GD = LatentStep("gd", alpha=ALPHA, portion=1.0, penalty=0.0, bounds=None)
X = 3


class Shift(nn.Module):
    """G(z) = Bz + v."""

    def __init__(self, b):
        super().__init__()
        self.register_buffer("b", b)
        self.v = nn.Parameter(torch.ones(len(b), dtype=F64))

    def forward(self, z):
        return z @ self.b.T + self.v


def pair(b=None, size=1.0):
    torch.manual_seed(0)
    g, d = Shift(torch.eye(X, dtype=F64) if b is None else b), nn.Linear(X, 1, bias=False).double()
    with torch.no_grad():
        g.v.mul_(size)
        d.weight.copy_(torch.tensor([[0.5, -1.0, 0.7]], dtype=F64) * size)
    return g, nn.Sequential(d, nn.Flatten(0))


def batch(latent_dim=X):
    """Real images and latents whose means are not zero."""
    torch.manual_seed(1)
    return torch.randn(7, X, dtype=F64), torch.rand(7, latent_dim, dtype=F64)


def path(g, d, latent, steps):
    """(w, v − v*) after each step of Game with plain SGD; v* = E x − B E z."""
    real, z = batch(g.b.shape[1])
    goal = real.mean(0) - g.b @ z.mean(0)
    sgd = [torch.optim.SGD(network.parameters(), lr=ETA) for network in (g, d)]
    played = game.Game(g, d, *sgd, loss=losses.wasserstein, latent=latent)

    def now():
        return torch.cat([d[0].weight.detach().flatten(), g.v.detach() - goal])

    out = [now()]
    for _ in range(steps):
        played.step(lambda: (real, None), lambda _: z)
        out.append(now())
    return torch.stack(out)


def iteration(damping):
    """w ← w − η(v − v*) − η·damping·w,  v ← v + ηw."""
    one = torch.eye(X, dtype=F64)
    return torch.cat([torch.cat([one - ETA * damping, -ETA * one], 1), torch.cat([ETA * one, one], 1)])


def radius(matrix):
    return torch.linalg.eigvals(matrix).abs().max().item()


def measured(iterates, last=200):
    return ((iterates[-1].norm() / iterates[-1 - last].norm()) ** (1 / last)).item()


def matrix_of(columns, rank=X):
    """B of shape (X, columns); its first columns are perpendicular, of lengths 0.7, 0.9, 1.1."""
    torch.manual_seed(2)
    turn, _ = torch.linalg.qr(torch.randn(X, X, dtype=F64))
    b = torch.cat([torch.diag(torch.tensor([0.7, 0.9, 1.1], dtype=F64)), 0.3 * torch.randn(X, 2, dtype=F64)], 1)
    b[rank:] = 0
    return turn @ b[:, :columns]


def test_without_latent_step_it_goes_out():
    iterates = path(*pair(), None, 200)
    stretch = iterates[1:].norm(dim=1) / iterates[:-1].norm(dim=1)
    torch.testing.assert_close(stretch, torch.full_like(stretch, (1 + ETA**2) ** 0.5), rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("stop", "share_of_damping"), [("none", 2), ("generator", 2), ("discriminator", 1), ("both", 1)]
)
def test_gradient_descent_on_z_damps_the_discriminator_alone(stop, share_of_damping):
    """Damping 2α: α by moving z, α by D's second-order term; G's second-order term is zero. Rate √(1 − 2ηα + η²)."""
    matrix = iteration(share_of_damping * ALPHA * torch.eye(X, dtype=F64))
    iterates = path(*pair(), replace(GD, stop_gradient=stop), 400)
    torch.testing.assert_close(iterates[30], torch.linalg.matrix_power(matrix, 30) @ iterates[0], rtol=1e-10, atol=0)
    assert radius(matrix) == pytest.approx((1 - ETA * share_of_damping * ALPHA + ETA**2) ** 0.5, rel=1e-12)
    assert radius(matrix) < 0.99
    assert measured(iterates) == pytest.approx(radius(matrix), abs=1e-3)


@pytest.mark.parametrize(("alpha", "expected"), [(1.0, 0.9), (1.2, 0.9463), (1.5, 0.9618), (11.0, 1.1954)])
def test_beyond_alpha_one_the_eigenvalues_are_real(alpha, expected):
    """λ² − 2(1 − ηα)λ + 1 − 2ηα + η² = 0: |λ| = √(1 − 2ηα + η²) for α ≤ 1, and then max |1 − ηα ± η√(α² − 1)|."""
    matrix = iteration(2 * alpha * torch.eye(X, dtype=F64))
    iterates = path(*pair(), replace(GD, alpha=alpha), 400)
    torch.testing.assert_close(iterates[30], torch.linalg.matrix_power(matrix, 30) @ iterates[0], rtol=1e-9, atol=1e-12)
    assert radius(matrix) == pytest.approx(expected, abs=1e-4)
    if alpha > 1:
        assert not torch.linalg.eigvals(matrix).imag.any()
        assert radius(matrix) > abs(1 - 2 * ETA * alpha + ETA**2) ** 0.5
        assert measured(iterates) == pytest.approx(radius(matrix), abs=1e-3)


def test_the_second_order_term_of_the_generator_is_zero_with_b_fixed_only():
    """stop_gradient leaves G's gradient as it is, exactly; where B is trained it takes −αw(Bᵀw)ᵀ away."""
    real, z = batch()
    fixed, d = pair(matrix_of(3))
    trained = nn.Linear(X, X).double()
    with torch.no_grad():
        trained.weight.copy_(fixed.b)
    w = d[0].weight.detach().squeeze(0)
    for g, expected in ((fixed, None), (trained, -ALPHA * torch.outer(w, fixed.b.T @ w))):
        whole, stopped = (
            turns.simultaneous(g, d, real, z, loss=losses.wasserstein, latent=replace(GD, stop_gradient=stop))
            for stop in ("none", "generator")
        )
        assert torch.equal(whole.g_gradients[-1], stopped.g_gradients[-1])  # of v
        if expected is not None:
            torch.testing.assert_close(whole.g_gradients[0] - stopped.g_gradients[0], expected, rtol=1e-12, atol=1e-14)


def test_moved_latents_are_longer_in_the_mean_and_not_sample_by_sample():
    """z symmetric about 0: mean ‖z′‖² = mean ‖z‖² + α²‖Bᵀw‖²; of z and −z at most one gets shorter, and many do."""
    g, d = pair()
    torch.manual_seed(2)
    z = 2 * torch.rand(2000, X, dtype=F64) - 1
    z = torch.cat([z, -z])
    moved = replace(GD, alpha=0.1)(lambda z: d(g(z)), z).z.detach()
    before, after = z.square().sum(1), moved.square().sum(1)
    torch.testing.assert_close(after.mean() - before.mean(), 0.1**2 * d[0].weight.detach().square().sum())
    shorter = after < before
    assert not (shorter[:2000] & shorter[2000:]).any()
    assert 0.4 < shorter.double().mean() < 0.5


@pytest.mark.parametrize(("alpha", "converges"), [(0.04, False), (0.06, True)])
def test_the_step_must_be_larger_than_half_the_learning_rate(alpha, converges):
    """|1 − ηα ± …|² = 1 − 2ηα + η² < 1 if and only if α > η/2."""
    iterates = path(*pair(), replace(GD, alpha=alpha), 400)
    assert (iterates[-1].norm() < iterates[0].norm()) == converges


@pytest.mark.parametrize("penalty_in", ["generator", "both"])
def test_the_penalty_damps_only_in_the_loss_of_the_discriminator(penalty_in):
    """R_z = penalty·α²‖w‖² does not depend on v; in L_D it is 2·penalty·α² of damping more."""
    damping = 2 * ALPHA + (2 * 3.0 * ALPHA**2 if penalty_in == "both" else 0.0)
    iterates = path(*pair(), replace(GD, penalty=3.0, penalty_in=penalty_in), 30)
    expected = torch.linalg.matrix_power(iteration(damping * torch.eye(X, dtype=F64)), 30) @ iterates[0]
    torch.testing.assert_close(iterates[30], expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    ("b", "portion", "converges"),
    [
        (matrix_of(5), 1.0, True),  # more latents than pixels
        (matrix_of(5), 0.6, True),  # three of five columns: still of full rank
        (matrix_of(5), 0.4, False),  # two columns
        (matrix_of(2), 1.0, False),  # fewer latents than pixels
        (matrix_of(5, rank=2), 1.0, False),  # images in a plane
    ],
    ids=["wide", "portion 0.6", "portion 0.4", "narrow", "rank 2"],
)
def test_it_converges_if_and_only_if_the_optimised_latents_reach_every_direction(b, portion, converges):
    reached = b[:, : round(portion * b.shape[1])]
    matrix = iteration(2 * ALPHA * reached @ reached.T)
    iterates = path(*pair(b), replace(GD, portion=portion), 600)
    torch.testing.assert_close(iterates[50], torch.linalg.matrix_power(matrix, 50) @ iterates[0], rtol=1e-9, atol=1e-12)
    assert (torch.linalg.matrix_rank(reached) == X) == converges
    assert (iterates[-1].norm() < 0.3 * iterates[0].norm()) == converges
    assert measured(iterates) == pytest.approx(radius(matrix), abs=1e-3)
    if not converges:  # as fast as without a latent step
        assert radius(matrix) == pytest.approx((1 + ETA**2) ** 0.5, rel=1e-9)


def test_the_symmetric_part_is_what_changes():
    """H of LOGAN's field is [[2αBBᵀ, 1], [−1, 0]]; without a latent step the first block is zero."""
    b = matrix_of(5)
    for latent, damping in ((None, 0 * b @ b.T), (GD, 2 * ALPHA * b @ b.T)):
        with gan_field(*pair(b), *batch(5), loss=losses.wasserstein, latent=latent) as (field, _):
            _, h = dense(field.losses, field.players)
        one, zero = torch.eye(X, dtype=F64), torch.zeros(X, X, dtype=F64)
        expected = torch.cat([torch.cat([damping, one], 1), torch.cat([-one, zero], 1)])
        torch.testing.assert_close(h, expected, rtol=1e-12, atol=1e-14)


def test_natural_gradient_descent_converges_from_nearby_only():
    """Δz = αw/(β + ‖w‖²): near w = 0 the damping is 2α/β, far away it fades like 1/‖w‖², and descent goes out again."""
    beta = 2.0
    ngd = replace(GD, method="ngd", beta=beta)
    matrix = iteration(2 * ALPHA / beta * torch.eye(X, dtype=F64))
    near = path(*near_the_goal(1e-4), ngd, 400)
    torch.testing.assert_close(near[100], torch.linalg.matrix_power(matrix, 100) @ near[0], rtol=1e-5, atol=0)
    assert measured(near) == pytest.approx(radius(matrix), abs=1e-3)
    far = path(*near_the_goal(100.0), ngd, 400)
    assert far[-1].norm() > 3 * far[0].norm()
    assert measured(far) == pytest.approx((1 + ETA**2) ** 0.5, abs=1e-4)


def near_the_goal(size):
    """A pair with (w, v − v*) of that size."""
    g, d = pair(size=size)
    real, z = batch()
    with torch.no_grad():
        g.v.add_(real.mean(0) - g.b @ z.mean(0))
    return g, d


def test_a_linear_generator_near_its_equilibrium():
    """G(z) = Vz + v with V trained too: where w = 0, G's second-order term −2αw(Vᵀw)ᵀ is of second order and changes nothing.

    With e = V E z + v − E x the linear part is w ← w − ηe − 2ηαVVᵀw,  e ← e + η(1 + ‖E z‖²)w.
    """
    torch.manual_seed(3)
    real, z = batch(5)
    g, d = nn.Linear(5, X).double(), nn.Sequential(nn.Linear(X, 1, bias=False).double(), nn.Flatten(0))
    with torch.no_grad():
        g.weight.copy_(matrix_of(5))
        g.bias.copy_(real.mean(0) - g.weight @ z.mean(0) + 1e-5)
        d[0].weight.mul_(1e-5)
    matrix = iteration(2 * ALPHA * g.weight.detach() @ g.weight.detach().T)
    matrix[X:, :X] *= 1 + z.mean(0).square().sum()
    sgd = [torch.optim.SGD(network.parameters(), lr=ETA) for network in (g, d)]
    played = game.Game(g, d, *sgd, loss=losses.wasserstein, latent=GD)

    def now():
        return torch.cat([d[0].weight.flatten(), g(z).mean(0) - real.mean(0)]).detach()

    start = now()
    for _ in range(100):
        played.step(lambda: (real, None), lambda _: z)
    torch.testing.assert_close(now(), torch.linalg.matrix_power(matrix, 100) @ start, rtol=1e-3, atol=1e-9)
    assert radius(matrix) < 0.99
