"""Small games in float64, and their Jacobians written out: what the products of logan.dynamics are compared with."""

import copy

import torch
from torch import nn
from torch.func import functional_call

from logan import losses
from logan.dynamics import Field

F64 = torch.float64


def vector(blocks):
    """All tensors of all players as one vector."""
    return torch.cat([x.flatten() for player in blocks for x in player])


def flat(tensors):
    return torch.cat([x.flatten() for x in tensors])


def turn_vector(turn):
    """The gradients of a turn as one vector, D's first."""
    return torch.cat([flat(turn.d_gradients), flat(turn.g_gradients)])


def relative(a, b):
    return ((a - b).norm() / b.norm()).item()


def blocks_like(v, players):
    """A vector, cut like ``players``."""
    rest, out = v, []
    for player in players:
        part = []
        for x in player:
            part.append(rest[: x.numel()].view_as(x))
            rest = rest[x.numel() :]
        out.append(tuple(part))
    return tuple(out)


def dense(losses_of, players):
    """(ξ, H) by brute force: every row of H is the gradient of one entry of ξ."""
    point = tuple(tuple(x.detach().clone().requires_grad_() for x in player) for player in players)
    everything = [x for player in point for x in player]
    xi = []
    for value, player in zip(losses_of(*point), point, strict=True):
        got = torch.autograd.grad(value, player, create_graph=True, allow_unused=True)
        xi += [torch.zeros_like(x) if y is None else y for x, y in zip(player, got, strict=True)]
    xi = flat(xi)
    rows = []
    for entry in xi:
        row = [None] * len(everything)
        if entry.requires_grad:
            row = torch.autograd.grad(entry, everything, retain_graph=True, allow_unused=True)
        rows.append(flat(torch.zeros_like(x) if y is None else y for x, y in zip(everything, row, strict=True)))
    return xi.detach(), torch.stack(rows)


def numeric_jacobian(turn, generator, discriminator, h=1e-5):
    """H by central differences of ``turn(generator, discriminator)``'s gradients, each on fresh copies of the networks."""

    def xi(index, change):
        g, d = copy.deepcopy(generator), copy.deepcopy(discriminator)
        place, rest = 0, index
        parameters = [*d.parameters(), *g.parameters()]
        while rest >= parameters[place].numel():
            rest -= parameters[place].numel()
            place += 1
        with torch.no_grad():
            parameters[place].view(-1)[rest] += change
        return turn_vector(turn(g, d)).detach()

    size = sum(p.numel() for network in (discriminator, generator) for p in network.parameters())
    return torch.stack([(xi(i, h) - xi(i, -h)) / (2 * h) for i in range(size)], 1)


def of_parameters(network):
    """The network as a function of a tuple of parameters and an input, without logan's machinery."""
    names = [name for name, _ in network.named_parameters()]
    return lambda theta, x: functional_call(network, dict(zip(names, theta, strict=True)), (x,))


def players(extra="none", hidden=4):
    """G: R³ → R² and D: R² → R with tanh. ``extra``: spectral norm in D, batch norm in both, or dropout in both."""
    torch.manual_seed(3)
    sn = nn.utils.parametrizations.spectral_norm if extra == "spectral norm" else (lambda layer: layer)
    between = {"batch norm": nn.BatchNorm1d, "dropout": lambda _: nn.Dropout(0.5)}.get(extra)
    g_extra, d_extra = ([], []) if between is None else ([between(hidden)], [between(hidden)])
    g = nn.Sequential(nn.Linear(3, hidden), *g_extra, nn.Tanh(), nn.Linear(hidden, 2))
    d = nn.Sequential(
        sn(nn.Linear(2, hidden)), *d_extra, nn.Tanh(), sn(nn.Linear(hidden, 1, bias=False)), nn.Flatten(0)
    )
    with torch.no_grad():
        for p in [*g.parameters(), *d.parameters()]:  # larger than torch's: second derivatives that are not small
            p.mul_(2)
    return g.double(), d.double()


def draws(n=5):
    """(real, z), with z well inside the bounds of the latent step."""
    torch.manual_seed(4)
    return torch.randn(n, 2, dtype=F64), (torch.rand(n, 3, dtype=F64) * 2 - 1) * 0.5


def plain_losses(g, d, real, z, loss=losses.wasserstein):
    """θ_D, θ_G ↦ (L_D, L_G), as in the paper, without logan's machinery."""
    g_of, d_of = of_parameters(g), of_parameters(d)

    def at(theta_d, theta_g):
        fake = d_of(theta_d, g_of(theta_g, z))
        return loss.discriminator(d_of(theta_d, real), fake), loss.generator(fake)

    return at


def both(g, d):
    return tuple(d.parameters()), tuple(g.parameters())


class Quadratic:
    """L_1 = ½xᵀAx + xᵀCy,  L_2 = ½yᵀBy − xᵀCy: ξ = H(x, y) with H = [[A, C], [−Cᵀ, B]].

    x is kept as two tensors, one of them a matrix, y as one.
    """

    def __init__(self, bilinear=False, m=6, n=3, c=None):
        torch.manual_seed(0)
        self.c = torch.randn(m, n, dtype=F64) if c is None else c
        self.m, self.n = m, n = self.c.shape
        a, b = torch.randn(m, m, dtype=F64), torch.randn(n, n, dtype=F64)
        self.a, self.b = (torch.zeros_like(a), torch.zeros_like(b)) if bilinear else (a + a.T, b + b.T)
        self.start = torch.randn(m + n, dtype=F64)
        self.h = torch.cat([torch.cat([self.a, self.c], 1), torch.cat([-self.c.T, self.b], 1)])

    def losses(self, first, second):
        x, y = flat(first), flat(second)
        coupling = x @ self.c @ y
        return x @ self.a @ x / 2 + coupling, y @ self.b @ y / 2 - coupling

    def cut(self, v):
        """A vector as the players' tensors."""
        x, y = v[: self.m], v[self.m :]
        return (x[:4].view(2, 2), x[4:]), (y,)

    def field(self, v=None):
        v = self.start if v is None else v
        return Field(self.losses, tuple(tuple(x.clone().requires_grad_() for x in player) for player in self.cut(v)))
