"""What the networks show: each picture against the plain code, for every kind of latent, and without a trace."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from logan.data.dataset import InMemory, Streamed
from logan.errors import InputError
from logan.report import looks
from logan.report.looks import LatentPath
from logan.report.neighbours import Gallery
from logan.report.networks_of import look_at, of_model
from logan.sampling import load

from . import synthetic


def networks(tmp_path, preset="digits", latent="ngd", classes=0, names=(), **kind):
    config = synthetic.small(preset, latent)
    path = tmp_path / "run"
    path.mkdir(exist_ok=True)
    points = preset in ("ring", "grid")
    synthetic.add_networks(
        path, config, classes=classes, names=names, **({"size": 1, "channels": 2} if points else {}), **kind
    )
    return of_model(load(path, "cpu"))


@pytest.mark.parametrize("latent", ["ngd", "gd", "cs"])
@pytest.mark.parametrize("preset", ["digits", "ring"])
def test_scores_along_the_path_are_those_of_the_pictures(tmp_path, preset, latent):
    n = networks(tmp_path, preset, latent)
    seen = looks.latent_path(n)
    assert isinstance(seen, LatentPath)
    assert list(seen.images) == [0, 1, 3, 10]
    assert len(seen.scores) == len(seen.moved) == 11
    with torch.no_grad():
        for step, images in seen.images.items():
            torch.testing.assert_close(n.discriminator(images).flatten(), seen.scores[step])
    assert seen.moved[0] == 0
    assert seen.moved[10] > seen.moved[1] > 0
    assert seen.scores[10].mean() > seen.scores[0].mean()


def test_the_first_step_is_the_methods(tmp_path):
    """Δz = α g / (β + ‖g‖²) over the leading dimensions, clipped: equation 12, in float64 by hand."""
    n = networks(tmp_path)
    seen = looks.latent_path(n)
    g, d = n.generator.double(), n.discriminator.double()
    z = looks.draw_latents(n.config, looks.SAMPLES, looks._source(n)).double().requires_grad_()
    (grad,) = torch.autograd.grad(d(g(z)).sum(), z)
    c = n.config.latent
    grad[:, int(c.portion * z.shape[1]) :] = 0
    moved = (z + c.alpha * grad / (c.beta + grad.square().sum(1, keepdim=True))).clamp(-1, 1)
    torch.testing.assert_close(g(moved).float(), seen.images[1], rtol=1e-4, atol=1e-5)
    n.generator.float()


def test_truncation_is_of_the_same_latents(tmp_path):
    n = networks(tmp_path)
    seen = looks.truncations(n)
    z = looks.draw_latents(n.config, looks.SAMPLES, looks._source(n))
    with torch.no_grad():
        for s, images in seen.items():
            torch.testing.assert_close(n.generator(s * z), images)
    assert looks.truncations(networks(tmp_path, latent="cs")) == looks.truncations(networks(tmp_path, latent="cs"))
    assert "unit sphere" in looks.truncations(networks(tmp_path, latent="cs"))


@pytest.mark.parametrize("latent", ["ngd", "cs"])
def test_interpolations_go_from_one_sample_to_the_other(tmp_path, latent):
    n = networks(tmp_path, latent=latent)
    seen = looks.interpolations(n)
    assert seen.shape == (looks.PAIRS, looks.BETWEEN, 1, 8, 8)
    ends = looks.draw_latents(n.config, 2 * looks.PAIRS, looks._source(n, 1))
    with torch.no_grad():
        torch.testing.assert_close(n.generator(ends[0:1])[0], seen[0, 0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(n.generator(ends[1:2])[0], seen[0, -1], rtol=1e-4, atol=1e-5)


def test_classes_come_in_turn(tmp_path):
    n = networks(tmp_path, classes=3, names=["a", "b", "c"], size=8)
    found = looks.look(n, None)
    assert found.classes == ["a", "b", "c", "a", "b", "c", "a", "b"]
    assert looks._labels(replace(n, num_classes=100), 8).tolist() == [0, 12, 25, 37, 50, 62, 75, 87]


def test_looking_leaves_no_trace(tmp_path):
    n = networks(tmp_path)
    for network in (n.generator, n.discriminator):
        network.requires_grad_(True)
    before = {k: v.clone() for net in (n.generator, n.discriminator) for k, v in net.state_dict().items()}
    state = torch.get_rng_state()
    looks.look(n, lambda: Gallery(images(50)))
    assert torch.equal(torch.get_rng_state(), state)
    after = {k: v for net in (n.generator, n.discriminator) for k, v in net.state_dict().items()}
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert all(p.grad is None for net in (n.generator, n.discriminator) for p in net.parameters())


def images(n, size=8, channels=1, seed=0):
    source = torch.Generator().manual_seed(seed)
    return InMemory(torch.randint(0, 256, (n, channels, size, size), generator=source, dtype=torch.uint8))


def by_hand(samples, train, without=None):
    """Root mean squared differences, (n, m), in float64."""
    found = (samples[:, None].double() - train[None].double()).square().flatten(2).mean(2).sqrt()
    if without is not None:
        found[torch.arange(len(samples)), without] = torch.inf
    return found


@pytest.mark.parametrize("mirror", [False, True])
def test_nearest_images_by_hand(mirror):
    train, samples = images(700, 6, 3), images(20, 6, 3, seed=1).images
    seen = Gallery(train, mirror=mirror).nearest(samples.float() / 127.5 - 1)
    distances = by_hand(samples, train.images)
    if mirror:
        distances = torch.minimum(distances, by_hand(samples.flip(3), train.images))
    best, where = distances.topk(3, largest=False)
    order = best[:, 0].argsort()
    torch.testing.assert_close(seen.distances.double(), best[order], rtol=1e-5, atol=1e-4)
    assert torch.equal(seen.images, train.images[where[order]])
    assert torch.equal(seen.samples, samples[order])
    own = torch.linspace(0, 699, 200).long()
    torch.testing.assert_close(
        seen.yardstick.double(),
        (by_hand(train.images[own], train.images, own) if not mirror else torch.minimum(
            by_hand(train.images[own], train.images, own), by_hand(train.images[own].flip(3), train.images, own)
        )).amin(1), rtol=1e-5, atol=1e-4,
    )  # fmt: skip


def test_a_copy_is_found_and_its_distance_is_nothing():
    train = images(300, 16, 3)
    samples = torch.cat([train.images[17:18], images(9, 16, 3, seed=5).images]).float() / 127.5 - 1
    seen = Gallery(train).nearest(samples)
    assert seen.distances[0, 0] == 0
    assert torch.equal(seen.images[0, 0], train.images[17])
    assert seen.distances[1, 0] > 50
    assert seen.closer == (seen.distances[:, 0] < seen.yardstick.quantile(0.05)).double().mean().item() >= 0.1
    turned = Gallery(train, mirror=True).nearest(samples.flip(3))
    assert turned.distances[0, 0] == 0


def test_test_images_are_the_better_yardstick():
    train, test = images(100), images(30, seed=3)
    gallery = Gallery(train, test)
    torch.testing.assert_close(
        gallery.yardstick().double(), by_hand(test.images, train.images).amin(1), rtol=1e-5, atol=1e-4
    )
    assert gallery.nearest(torch.zeros(1, 1, 8, 8)).held_out


def test_large_sets_are_looked_at_in_part():
    train = Streamed(lambda i: torch.full((1, 4, 4), i % 256, dtype=torch.uint8), 5000, (1, 4))
    seen = Gallery(train).nearest(torch.zeros(2, 1, 4, 4))
    assert (seen.compared, seen.total) == (1500, 5000)


def test_other_shapes_are_refused(tmp_path):
    with pytest.raises(InputError, match="the training images are 1x8x8, and the samples 3x8x8"):
        Gallery(images(10)).nearest(torch.zeros(2, 3, 8, 8))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_very_small_sets(count):
    seen = Gallery(images(count)).nearest(torch.zeros(4, 1, 8, 8))
    assert seen.images.shape[1] == count
    assert len(seen.yardstick) == (0 if count == 1 else count)
    from logan.report import look_sections

    assert "nearer to a training image" in look_sections.neighbours(looks.Looks(nearest=seen))


def test_a_run_folder_without_its_data(tmp_path):
    config = synthetic.small()
    config = replace(config, data=replace(config.data, data=str(tmp_path / "gone.zip")))
    path = synthetic.add_networks(synthetic.folder(tmp_path / "run", config), config)
    seen = look_at(path, "cpu")
    assert isinstance(seen.nearest, str)
    assert "gone.zip" in seen.nearest
    assert isinstance(seen.latent_path, LatentPath)
