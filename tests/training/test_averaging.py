"""The moving average of G in closed form, and the statistics that belong to it."""

import pytest
import torch
from torch import nn

from logan.training.averaging import AveragedGenerator, recompute_statistics


def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.utils.parametrizations.spectral_norm(nn.Linear(6, 3))
    )


def test_half_life():
    """After one half-life of images at a constant new value, the average is half way there."""
    g = net()
    average = AveragedGenerator(g, half_life_kimg=1.0)
    start = g[0].weight.detach().clone()
    with torch.no_grad():
        g[0].weight.fill_(7.0)
    for _ in range(20):
        average.update(g, images=50, images_seen=10**9)
    torch.testing.assert_close(average.module[0].weight, (start + 7) / 2)


def test_the_half_life_grows_with_the_run():
    """At n images the half-life is at most n/20: b = 2^(−images · 20 / n)."""
    g = net()
    average = AveragedGenerator(g, half_life_kimg=1000.0)
    start = g[0].weight.detach().clone()
    with torch.no_grad():
        g[0].weight.fill_(1.0)
    average.update(g, images=50, images_seen=2000)
    keep = 0.5 ** (50 / (2000 / 20))
    torch.testing.assert_close(average.module[0].weight, keep * start + (1 - keep))


def test_half_life_zero_is_a_copy():
    g = net()
    average = AveragedGenerator(g, half_life_kimg=0)
    with torch.no_grad():
        for p in g.parameters():
            p.add_(1.0)
    average.update(g, 10, 100)
    for a, b in zip(average.module.parameters(), g.parameters(), strict=True):
        assert torch.equal(a, b)


def test_statistics_are_not_copied_by_accident_but_other_buffers_are():
    g = net()
    average = AveragedGenerator(g, 1.0)
    g(torch.randn(32, 4) * 5 + 3)  # moves batch norm and spectral norm
    average.update(g, 32, 32)
    assert not torch.equal(average.module[1].running_mean, g[1].running_mean)
    for name in ("_u", "_v"):
        mine = getattr(average.module[3].parametrizations.weight[0], name)
        assert torch.equal(mine, getattr(g[3].parametrizations.weight[0], name))


def test_recomputed_statistics_are_the_means_over_batches():
    g = net().eval().requires_grad_(False)
    batches = [torch.randn(64, 4) for _ in range(8)]
    vectors = g[3].parametrizations.weight[0]._u.clone()
    recompute_statistics(g, ((z, None) for z in batches))
    hidden = [g[0](z) for z in batches]
    torch.testing.assert_close(g[1].running_mean, torch.stack([h.mean(0) for h in hidden]).mean(0))
    torch.testing.assert_close(g[1].running_var, torch.stack([h.var(0) for h in hidden]).mean(0))
    assert g[1].momentum == pytest.approx(0.1)
    assert not any(m.training for m in g.modules())
    assert torch.equal(g[3].parametrizations.weight[0]._u, vectors)


def test_an_average_with_the_wrong_statistics_makes_other_images():
    """The reason for measuring them: with the trained G's statistics the averaged G is another function."""
    g = net()
    average = AveragedGenerator(g, 100.0)
    with torch.no_grad():
        g[0].weight.mul_(6.0)
    for _ in range(50):
        g(torch.randn(64, 4))
    average.update(g, 50, 10**9)
    z = torch.randn(256, 4)
    recompute_statistics(average.module, [(z, None)])
    right = average.module(z)
    hidden = average.module[1](average.module[0](z))
    torch.testing.assert_close(hidden.std(0), torch.ones(6), rtol=1e-2, atol=1e-2)
    average.module[1].load_state_dict(g[1].state_dict())
    assert (average.module(z) - right).abs().mean() > 0.1
