"""Small worlds in which the density ratio of the data and of a wrong G is known exactly."""

import math

import torch
from torch import Tensor


class Mixture:
    """Isotropic Gaussians in the plane."""

    def __init__(self, centres: list[tuple[float, float]], weights: list[float], std: float) -> None:
        self.centres, self.weights, self.std = torch.tensor(centres), torch.tensor(weights), std

    def log_density(self, x: Tensor) -> Tensor:
        squares = (x[:, None] - self.centres.to(x)).square().sum(2)
        logs = -squares / (2 * self.std**2) - math.log(2 * math.pi * self.std**2)
        return torch.logsumexp(logs + self.weights.to(x).log(), 1)

    def draw(self, n: int, seed: int) -> Tensor:
        source = torch.Generator().manual_seed(seed)
        which = torch.multinomial(self.weights, n, replacement=True, generator=source)
        return self.centres[which] + self.std * torch.randn(n, 2, generator=source)


class Affine(torch.nn.Module):
    """G(z) = a z + b: of N(0, I) it makes N(b, a²I), of U(−1, 1)² the uniform distribution on a square."""

    def __init__(self, a: float, b: tuple[float, float] = (0.0, 0.0)) -> None:
        super().__init__()
        self.a, self.b = a, torch.tensor(b)

    def forward(self, z: Tensor) -> Tensor:
        return self.a * z + self.b.to(z)

    def log_density(self, x: Tensor, prior: str) -> Tensor:
        if prior == "uniform":
            return x.new_full((len(x),), -2 * math.log(2 * self.a))
        return -((x - self.b.to(x)) / self.a).square().sum(1) / 2 - math.log(2 * math.pi * self.a**2)


class TrueRatio(torch.nn.Module):
    """D(x) = log p_data(x) − log p_G(x)."""

    def __init__(self, data: Mixture, generator: Affine, prior: str) -> None:
        super().__init__()
        self.data, self.generator, self.prior = data, generator, prior

    def forward(self, x: Tensor) -> Tensor:
        return self.data.log_density(x) - self.generator.log_density(x, self.prior)


class Nothing(torch.nn.Module):
    """A D that knows nothing: the same score for everything."""

    def forward(self, x: Tensor) -> Tensor:
        return 0 * x.flatten(1).sum(1)


DATA = Mixture([(1.0, 0.0), (-0.8, 0.6), (-0.4, -0.9)], [0.6, 0.3, 0.1], 0.35)


def world(prior: str) -> tuple[Affine, TrueRatio]:
    """A G that covers the data and is wrong about where they are, and the D that knows it."""
    generator = Affine(1.3) if prior == "normal" else Affine(2.4)
    return generator, TrueRatio(DATA, generator, prior)


def latents(n: int, prior: str, seed: int = 0) -> Tensor:
    source = torch.Generator().manual_seed(seed)
    return torch.randn(n, 2, generator=source) if prior == "normal" else 2 * torch.rand(n, 2, generator=source) - 1


def energy_distance(x: Tensor, y: Tensor) -> float:
    """2E‖X − Y‖ − E‖X − X′‖ − E‖Y − Y′‖, unbiased: 0 if and only if the distributions are the same."""
    n, m = len(x), len(y)
    within = torch.cdist(x, x).sum() / (n * (n - 1)) + torch.cdist(y, y).sum() / (m * (m - 1))
    return float(2 * torch.cdist(x, y).mean() - within)
