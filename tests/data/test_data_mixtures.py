"""Ring and grid have the distribution that they say."""

from __future__ import annotations

import math
from itertools import islice

import pytest
import torch

from logan.data import Mixture, batches, open_data

N = 100_000


def mixture(name: str) -> Mixture:
    found = open_data(name)
    assert isinstance(found, Mixture)
    return found


@pytest.mark.parametrize(("name", "modes", "std"), [("ring", 8, 0.04), ("grid", 25, 0.05)])
def test_statistics_of_each_mode(name, modes, std):
    source = mixture(name)
    assert (source.num_classes, source.image_size, source.channels) == (modes, 1, 2)
    assert source.std == pytest.approx(std)
    points, labels = source.draw(N, seed=0, position=0)
    assert points.shape == (N, 2, 1, 1)
    assert points.dtype == torch.float32
    per_mode = N / modes
    assert (labels.bincount(minlength=modes) - per_mode).abs().max() < 5 * math.sqrt(per_mode)
    noise = (points.flatten(1) - source.centres[labels]) / source.std
    for k in range(modes):
        own = noise[labels == k]
        assert own.mean(0).abs().max() < 5 / math.sqrt(len(own))
        assert (own.var(0) - 1).abs().max() < 5 * math.sqrt(2 / len(own))
    assert abs(noise.prod(1).mean()) < 5 / math.sqrt(N)  # the two axes are uncorrelated
    assert abs(noise.pow(4).mean() - 3) < 5 * math.sqrt(96 / (2 * N))  # Gaussian: E x⁴ = 3, Var x⁴ = 96


def test_geometry():
    ring, grid = mixture("ring").centres, mixture("grid").centres
    assert torch.allclose(ring.norm(dim=1), torch.tensor(2.0))
    gaps = torch.cdist(ring, ring)
    assert gaps[gaps > 1e-3].min() == pytest.approx(2 * 2.0 * math.sin(math.pi / 8), rel=1e-3)
    assert sorted({round(v, 4) for v in grid.flatten().tolist()}) == [-4.0, -2.0, 0.0, 2.0, 4.0]


def test_points_are_a_function_of_seed_and_position():
    source = mixture("ring")
    whole, labels = source.draw(100, seed=4, position=0)
    part, part_labels = source.draw(30, seed=4, position=50)
    assert torch.equal(part, whole[50:80])
    assert torch.equal(part_labels, labels[50:80])
    assert not torch.equal(source.draw(100, seed=5, position=0)[0], whole)
    stream = torch.cat([points for points, _ in islice(batches(source, batch=10, seed=4, start=40), 6)])
    assert torch.equal(stream, whole[40:])
