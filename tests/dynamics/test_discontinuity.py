"""LOGAN's loss contains a gradient of f: where f has kinks (ReLU), it has jumps; where f is smooth, so is the loss.

g = ∂f/∂z is piecewise constant in θ with rectifiers. When one flips, g and so z′ jump, and with them both losses: a finite
difference across the jump is no derivative. Without a latent step the same networks' losses are continuous.
"""

import pytest
import torch
from torch import nn

from logan import LatentStep, losses, turns

from .small import F64, flat, relative

STEPS = {
    "gd": LatentStep("gd", alpha=0.3, portion=1.0, penalty=0.0, bounds=None),
    "ngd": LatentStep("ngd", alpha=0.9, beta=0.1, portion=1.0, penalty=0.0, bounds=None),
}
LENGTH, PARTS = 0.5, 600
BY_STEP = pytest.mark.parametrize("latent", STEPS.values(), ids=STEPS)


class Shift(nn.Module):
    """z ↦ z + v."""

    def __init__(self):
        super().__init__()
        self.v = nn.Parameter(torch.zeros(1, dtype=F64))

    def forward(self, z):
        return z + self.v


@BY_STEP
def test_a_flipped_rectifier_by_hand(latent):
    """f(z) = max(0, z + v): where z + v goes through 0, g jumps from 0 to 1, and f(z′) by Δz(1)."""
    g, d = Shift(), nn.Sequential(nn.ReLU(), nn.Flatten(0))
    z = torch.full((1, 1), 0.25, dtype=F64)

    def losses_at(v, latent):
        with torch.no_grad():
            g.v.fill_(v)
        d_loss, g_loss, _ = turns.both_losses(g, d, 1 + 0 * z, z, loss=losses.wasserstein, latent=latent)
        return torch.stack([d_loss, g_loss]).detach()

    tiny, jump = 1e-9, latent.displacement(torch.ones(1, 1)).item()
    change = losses_at(-0.25 + tiny, latent) - losses_at(-0.25 - tiny, latent)
    torch.testing.assert_close(change, jump * torch.tensor([1.0, -1.0], dtype=F64), rtol=1e-6, atol=0)
    change = losses_at(-0.25 + tiny, None) - losses_at(-0.25 - tiny, None)
    assert change.abs().max() < 2 * tiny


def players(activation):
    torch.manual_seed(3)
    g = nn.Sequential(nn.Linear(3, 8), activation(), nn.Linear(8, 2))
    d = nn.Sequential(nn.Linear(2, 8), activation(), nn.Linear(8, 1), nn.Flatten(0))
    with torch.no_grad():
        for p in (*g.parameters(), *d.parameters()):
            p.mul_(2)
    return g.double(), d.double()


class Line:
    """Both losses on a line θ + t·u, 0 ≤ t ≤ LENGTH, through the parameters of both players; u has length 1."""

    def __init__(self, activation, latent):
        self.g, self.d = players(activation)
        torch.manual_seed(4)
        self.batch = torch.randn(16, 2, dtype=F64), 2 * torch.rand(16, 3, dtype=F64) - 1
        self.rules = {"loss": losses.non_saturating, "latent": latent}
        self.parameters = [*self.d.parameters(), *self.g.parameters()]
        self.start = flat(self.parameters).detach()
        self.u = torch.randn_like(self.start)
        self.u /= self.u.norm()

    def at(self, t):
        """(L_D, L_G), with their graph."""
        with torch.no_grad():
            torch.nn.utils.vector_to_parameters(self.start + t * self.u, self.parameters)
        d_loss, g_loss, _ = turns.both_losses(self.g, self.d, *self.batch, **self.rules)
        return torch.stack([d_loss, g_loss])

    def changes(self, parts):
        """Of L_D and L_G from one of so many points to the next."""
        return torch.stack([self.at(LENGTH * i / parts).detach() for i in range(parts + 1)]).diff(dim=0)

    def error(self, t, h):
        """‖central difference − derivative along u‖ / ‖derivative‖, the difference of fourth order in h."""
        numeric = (8 * (self.at(t + h) - self.at(t - h)) - (self.at(t + 2 * h) - self.at(t - 2 * h))) / (12 * h)
        exact = [flat(torch.autograd.grad(x, self.parameters, retain_graph=True)) @ self.u for x in self.at(t)]
        return relative(numeric.detach(), torch.stack(exact))


@BY_STEP
def test_with_rectifiers_the_loss_jumps_and_with_silu_it_does_not(latent):
    """From ten times nearer points a continuous loss differs ten times less; a jump stays what it is."""

    def shrinks_to(activation, latent):
        line = Line(activation, latent)
        return (line.changes(PARTS).abs().max() / line.changes(PARTS // 10).abs().max()).item()

    assert shrinks_to(nn.SiLU, latent) < 0.12
    assert shrinks_to(nn.ReLU, None) < 0.12
    assert shrinks_to(nn.ReLU, latent) > 0.5


@BY_STEP
def test_finite_differences_agree_with_silu_and_miss_across_a_jump(latent):
    smooth, rough = Line(nn.SiLU, latent), Line(nn.ReLU, latent)
    assert max(smooth.error(LENGTH * i / 10, h=1e-3) for i in range(10)) < 1e-8
    jump = rough.changes(PARTS).norm(dim=1).argmax().item()
    assert rough.error(LENGTH * (jump + 0.5) / PARTS, h=LENGTH / PARTS) > 1
