"""Quadratic and bilinear games, where every method is a matrix: its gradients, and the rate at which it goes in or out."""

import pytest
import torch
from torch import nn

from logan import game, losses, turns
from logan.dynamics import SGA, Consensus, Extragradient, GradientPenalty, Optimistic, ThreePlayer, Unrolled

from .small import F64, Quadratic, blocks_like, players, vector

ETA = 0.1


def spread():
    """A coupling with singular values from ½ to 3/2."""
    torch.manual_seed(1)
    u, _ = torch.linalg.qr(torch.randn(6, 6, dtype=F64))
    v, _ = torch.linalg.qr(torch.randn(6, 6, dtype=F64))
    return u @ torch.linspace(0.5, 1.5, 6, dtype=F64).diag() @ v


def orthogonal(c):
    torch.manual_seed(1)
    return c * torch.linalg.qr(torch.randn(6, 6, dtype=F64))[0]


GAMES = {
    "quadratic": Quadratic(),
    "bilinear": Quadratic(bilinear=True),
    "square bilinear": Quadratic(bilinear=True, c=spread()),
}


def powers(matrix, rate, k):
    """(I − rate·matrix)^k, and rate·Σ_{j<k} (I − rate·matrix)^j."""
    one = torch.eye(len(matrix), dtype=F64)
    step = one - rate * matrix
    return torch.linalg.matrix_power(step, k), rate * sum(torch.linalg.matrix_power(step, j) for j in range(k))


def unrolled(q, rate, d_steps, g_steps):
    """The matrix of Unrolled: x^k = P x − Q y with P = (I − αA)^k, Q = α Σ_j (I − αA)^j C, and y^k likewise."""
    p, total = powers(q.a, rate, d_steps)
    reach = total @ q.c if d_steps else torch.zeros_like(q.c)
    by_g = torch.cat([-q.c.T @ p, q.b + q.c.T @ reach + reach.T @ q.c], 1)
    p, total = powers(q.b, rate, g_steps)
    reach = total @ q.c.T if g_steps else torch.zeros_like(q.c.T)
    by_d = torch.cat([q.a + q.c @ reach + reach.T @ q.c.T, q.c @ p], 1)
    return torch.cat([by_d, by_g])


def penalised(q, w):
    """The matrix of GradientPenalty: D's rows gain w ∂‖By − Cᵀx‖²/∂x = −2w C(By − Cᵀx)."""
    by_d = 2 * w * torch.cat([q.c @ q.c.T, -q.c @ q.b], 1)
    return q.h + torch.cat([by_d, torch.zeros(q.n, q.m + q.n, dtype=F64)])


ADJUSTED = {
    "sga": (SGA(0.7), lambda q: q.h + 0.7 * (q.h - q.h.T).T / 2 @ q.h),
    "three-player": (ThreePlayer(0.7), lambda q: q.h + 0.7 * (q.h - q.h.T).T / 2 @ q.h),
    "consensus": (Consensus(0.3), lambda q: q.h + 0.3 * q.h.T @ q.h),
    "gradient penalty": (GradientPenalty(0.3), lambda q: penalised(q, 0.3)),
    "unrolled 1": (Unrolled(1, 0, 0.2), lambda q: unrolled(q, 0.2, 1, 0)),
    "unrolled 1 1": (Unrolled(1, 1, 0.2), lambda q: unrolled(q, 0.2, 1, 1)),
    "unrolled 5": (Unrolled(5, 0, 0.1), lambda q: unrolled(q, 0.1, 5, 0)),
    "unrolled 3 4": (Unrolled(3, 4, 0.1), lambda q: unrolled(q, 0.1, 3, 4)),
    "unrolled 0 2": (Unrolled(0, 2, 0.1), lambda q: unrolled(q, 0.1, 0, 2)),
}


@pytest.mark.parametrize("q", GAMES.values(), ids=GAMES)
def test_the_field_and_its_jacobian_products(q):
    torch.manual_seed(2)
    field, v = q.field(), torch.randn(q.m + q.n, dtype=F64)
    torch.testing.assert_close(vector(field.xi), q.h @ q.start, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(vector(field.times(q.cut(v))), q.h @ v, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(vector(field.transposed_times(q.cut(v))), q.h.T @ v, rtol=1e-12, atol=1e-12)
    assert [[x.shape for x in player] for player in field.times(q.cut(v))] == [[(2, 2), (q.m - 4,)], [(q.n,)]]


@pytest.mark.parametrize("q", GAMES.values(), ids=GAMES)
@pytest.mark.parametrize(("method", "matrix"), ADJUSTED.values(), ids=ADJUSTED)
def test_every_adjustment_is_its_closed_form(q, method, matrix):
    got = vector(method.of(q.field()))
    torch.testing.assert_close(got, matrix(q) @ q.start, rtol=1e-11, atol=1e-11)
    assert (got - q.h @ q.start).norm() > 1e-2 * got.norm()  # the adjustment is not small


def descend(q, method, steps):
    """The iterates of gradient descent with step size ETA."""
    v, path = q.start, [q.start]
    for _ in range(steps):
        field = q.field(v)
        v = v - ETA * vector(field.xi if method is None else method.of(field)).detach()
        path.append(v)
    return torch.stack(path)


def radius(matrix):
    return torch.linalg.eigvals(matrix).abs().max().item()


def measured(path, last=60):
    """The mean factor per step over the last steps."""
    return ((path[-1].norm() / path[-1 - last].norm()) ** (1 / last)).item()


def test_simultaneous_descent_on_a_bilinear_game_spirals_outwards():
    """Each step stretches by exactly √(1 + η²c²) where all singular values are c."""
    path = descend(Quadratic(bilinear=True, c=orthogonal(1.3)), None, 50)
    stretch = path[1:].norm(dim=1) / path[:-1].norm(dim=1)
    torch.testing.assert_close(stretch, torch.full_like(stretch, (1 + (ETA * 1.3) ** 2) ** 0.5), rtol=1e-12, atol=0)
    assert path[-1].norm() > 1.5 * path[0].norm()


@pytest.mark.parametrize("method", [SGA(0.8), Consensus(0.8)], ids=["sga", "consensus"])
def test_sga_and_consensus_on_a_bilinear_game_spiral_inwards(method):
    """Each step shrinks by exactly |1 − η(λc² + ic)|: on this game the two are one."""
    path = descend(Quadratic(bilinear=True, c=orthogonal(1.3)), method, 50)
    shrink = path[1:].norm(dim=1) / path[:-1].norm(dim=1)
    expected = abs(1 - ETA * complex(0.8 * 1.3**2, 1.3))
    assert expected < 0.9
    torch.testing.assert_close(shrink, torch.full_like(shrink, expected), rtol=1e-12, atol=0)


STILL_IN = ["sga", "consensus", "unrolled 1 1", "unrolled 5", "gradient penalty"]


@pytest.mark.parametrize("name", STILL_IN)
def test_descent_goes_in_at_the_rate_of_its_matrix(name):
    q = GAMES["square bilinear"]
    method, matrix = ADJUSTED[name]
    step = torch.eye(q.m + q.n, dtype=F64) - ETA * matrix(q)
    path = descend(q, method, 500)
    torch.testing.assert_close(path[50], torch.linalg.matrix_power(step, 50) @ q.start, rtol=1e-9, atol=1e-12)
    assert radius(step) < 0.999
    assert measured(path, last=200) == pytest.approx(radius(step), abs=1e-3)
    assert path[-1].norm() < 0.3 * path[0].norm()


def drive(q, rule, steps):
    """The iterates of an update rule over torch's plain SGD."""
    parameters = [nn.Parameter(x.clone()) for player in q.cut(q.start) for x in player]
    optimiser = torch.optim.SGD(parameters, lr=ETA)

    def play():
        field = q.field(torch.cat([p.detach().flatten() for p in parameters]))
        (d, g), (d_loss, g_loss) = field.xi, field.values
        return turns.Turn(d_loss.detach(), g_loss.detach(), [x.detach() for x in d], [x.detach() for x in g])

    def apply(turn):
        for p, gradient in zip(parameters, turn.d_gradients + turn.g_gradients, strict=True):
            p.grad = gradient
        optimiser.step()

    memory, path = {}, [q.start]
    for _ in range(steps):
        rule.step(play, apply, parameters, [], memory)
        path.append(torch.cat([p.detach().flatten() for p in parameters]))
    return torch.stack(path)


def test_extragradient_with_plain_descent():
    """θ ← (I − ηH + η²H²) θ, on the quadratic game too; on the bilinear one it goes in at that matrix's rate."""
    for q in GAMES.values():
        one = torch.eye(q.m + q.n, dtype=F64)
        step = one - ETA * q.h @ (one - ETA * q.h)
        path = drive(q, Extragradient(), 500 if q is GAMES["square bilinear"] else 20)
        torch.testing.assert_close(path[20], torch.linalg.matrix_power(step, 20) @ q.start, rtol=1e-9, atol=1e-11)
    assert radius(step) < 0.999
    assert measured(path, last=200) == pytest.approx(radius(step), abs=1e-3)


def test_optimistic_with_plain_descent():
    """θ_{t+1} = θ_t − 2η ξ_t + η ξ_{t−1}, the first step being plain; its rate is that of the companion matrix."""
    for q in GAMES.values():
        path = drive(q, Optimistic(), 500 if q is GAMES["square bilinear"] else 20)
        one, zero = torch.eye(q.m + q.n, dtype=F64), torch.zeros(q.m + q.n, q.m + q.n, dtype=F64)
        companion = torch.cat([torch.cat([one - 2 * ETA * q.h, ETA * q.h], 1), torch.cat([one, zero], 1)])
        first = torch.cat([q.start - ETA * q.h @ q.start, q.start])
        expected = (torch.linalg.matrix_power(companion, 19) @ first)[: q.m + q.n]
        torch.testing.assert_close(path[20], expected, rtol=1e-9, atol=1e-11)
    assert radius(companion) < 0.999
    assert measured(path, last=200) == pytest.approx(radius(companion), abs=1e-3)


@pytest.mark.parametrize("rule", [Extragradient(), Optimistic()], ids=["extragradient", "optimistic"])
def test_the_update_rules_in_a_game(rule):
    """logan.game.Game with plain SGD does to a GAN what the textbook's formula does to its vector of parameters."""
    torch.manual_seed(5)
    g, d = players()
    twin_g, twin_d = players()
    sgd = [torch.optim.SGD(network.parameters(), lr=ETA) for network in (g, d)]
    played = game.Game(g, d, *sgd, loss=losses.non_saturating, dynamics=rule)
    parameters = [*twin_d.parameters(), *twin_g.parameters()]
    theta, last_xi = torch.cat([p.detach().flatten() for p in parameters]), None

    def xi(at, real, z):
        with torch.no_grad():
            for p, x in zip(parameters, blocks_like(at, [parameters])[0], strict=True):
                p.copy_(x)
        turn = turns.simultaneous(twin_g, twin_d, real, z, loss=losses.non_saturating)
        return torch.cat([x.flatten() for x in turn.d_gradients + turn.g_gradients])

    for _ in range(4):
        real, z = torch.randn(5, 2, dtype=F64), torch.rand(5, 3, dtype=F64)
        played.step(lambda x=real: (x, None), lambda _, x=z: x)
        now = xi(theta, real, z)
        if isinstance(rule, Extragradient):
            theta = theta - ETA * xi(theta - ETA * now, real, z)
        else:
            theta = theta - ETA * now if last_xi is None else theta - 2 * ETA * now + ETA * last_xi
        last_xi = now
        got = torch.cat([p.detach().flatten() for p in [*d.parameters(), *g.parameters()]])
        torch.testing.assert_close(got, theta, rtol=1e-11, atol=1e-13)
