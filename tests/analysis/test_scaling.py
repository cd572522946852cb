"""The closed forms of section 4."""

import math

import pytest
import torch

from logan import LatentStep
from logan.analysis.scaling import curvature, scaling, step_length


def test_it_is_equation_12_as_printed():
    norm, alpha, beta = torch.linspace(0, 9, 50, dtype=torch.float64), 0.9, 0.3
    s = norm.square()
    torch.testing.assert_close(curvature(norm, beta), (1 - s / (beta + s)) / beta)
    torch.testing.assert_close(scaling(norm, alpha, beta), alpha * (1 / beta - (s / beta**2) / (1 + s / beta)))


def test_it_is_the_latent_steps_own():
    g = torch.randn(7, 5, dtype=torch.float64)
    norm = torch.linalg.vector_norm(g, dim=1)
    delta = LatentStep(alpha=0.9, beta=0.3).displacement(g)
    torch.testing.assert_close(delta, scaling(norm, 0.9, 0.3)[:, None] * g)
    torch.testing.assert_close(step_length(norm, 0.9, 0.3), torch.linalg.vector_norm(delta, dim=1))


def test_it_is_the_inverse_of_the_damped_fisher_matrix():
    g, beta = torch.randn(5, dtype=torch.float64), 0.3
    fisher = torch.outer(g, g) + beta * torch.eye(5, dtype=torch.float64)
    torch.testing.assert_close(torch.linalg.solve(fisher, g), curvature(g.norm(), beta) * g)


def test_the_longest_step():
    alpha, beta = 0.9, 5.0
    norm = torch.linspace(0, 20, 200_001, dtype=torch.float64)
    longest = step_length(norm, alpha, beta).max(0)
    assert longest.values.item() == pytest.approx(alpha / (2 * math.sqrt(beta)))
    assert norm[longest.indices].item() == pytest.approx(math.sqrt(beta), abs=1e-4)


def test_shapes_and_refusals():
    assert scaling(torch.zeros(2, 3), 0.9, 0.1).shape == (2, 3)
    with pytest.raises(ValueError, match="beta must be > 0, not 0"):
        curvature(torch.ones(1), 0)
