"""What the demo shows, against the plain code."""

import numpy as np
import pytest
import torch

from logan import LatentStep
from logan.demo import scenes
from logan.report.pictures import grid
from logan.sampling.guidance import own_latent
from logan.sampling.interpolation import between
from logan.sampling.model import draw_latents


def same(one, other) -> bool:
    return np.array_equal(np.asarray(one.convert("RGB")), np.asarray(other.convert("RGB").resize(one.size, 0)))


def test_samples_are_the_model_s(model):
    seen = scenes.samples(model, 3, 9, 0.7, None)
    assert same(seen, grid(model.sample(9, seed=3, trunc=0.7)))
    assert same(scenes.samples(model, 3, 4, 1.0, 2), grid(model.sample(4, seed=3, labels=[2])))
    assert not same(seen, grid(model.sample(9, seed=4, trunc=0.7)))
    assert seen.width >= scenes.LARGE


def test_a_crossing_begins_and_ends_at_the_samples(model):
    ends = [scenes.crossing(model, 5, 6, t, 1)[0] for t in (0.0, 1.0)]
    assert same(ends[0], grid(model.sample(1, seed=5, labels=[1])))
    assert same(ends[1], grid(model.sample(1, seed=6, labels=[1])))
    assert scenes.crossing(model, 5, 6, 0.5, 1)[1].width > 8 * 40


def test_a_climb_is_the_latent_step_k_times(model):
    own = own_latent(model.info.config)
    found = scenes.climb(model, 1, 4, 3, "gd", 0.5, 0.1, 7)
    z = draw_latents(model.info.config, 4, torch.Generator().manual_seed(1))
    labels = torch.full((4,), 7)
    scores, start = [], z
    step = LatentStep("gd", alpha=0.5, portion=own.portion, penalty=0.0)
    for _ in range(3):
        moved = step(lambda x: model.discriminator(model.generator(x, labels), labels), z)
        scores.append(moved.scores.mean().item())
        z = moved.z.detach()
    assert found.scores[:3] == pytest.approx(scores, abs=1e-5)
    assert found.moved == pytest.approx((z - start).norm(dim=1).mean().item(), rel=1e-5)
    assert same(found.after, grid(model.generator(z, labels)))
    assert same(found.before, grid(model.sample(4, seed=1, labels=[7])))


def test_no_steps_move_nothing(model):
    found = scenes.climb(model, 1, 4, 0, "ngd", 0.9, 0.1, None)
    assert same(found.before, found.after)
    assert (len(found.scores), found.moved) == (1, 0)


def test_points_are_scattered(ring):
    assert scenes.is_flat(ring)
    assert scenes.samples(ring, 0, 1, 1.0, None).size == (500, 500)
    assert scenes.climb(ring, 0, 1, 1, "ngd", 0.9, 0.1, None).after.size == (500, 500)
    assert scenes.crossing(ring, 0, 1, 0.2, None)[1].size == (500, 500)


@pytest.mark.parametrize("curved", [False, True])
def test_the_way_from_a_to_b(curved):
    a, b = torch.tensor([3.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 3.0])
    way = between(a, b, torch.linspace(0, 1, 5), curved=curved)
    assert torch.allclose(way[0], a)
    assert torch.allclose(way[-1], b, atol=1e-6)
    assert torch.allclose(way.norm(dim=1), torch.full((5,), 3.0)) == curved
    assert torch.allclose(between(a, 2 * a, torch.tensor([0.5]), curved=True), 1.5 * a[None])  # no angle: straight
