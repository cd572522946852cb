"""The presets at 128×128 have the numbers of their sources, and networks that can be built."""

import math
from dataclasses import replace

import pytest
import torch

from logan import networks
from logan.config import presets
from logan.latent import LatentStep

LARGE = [name for name in presets.PRESETS if "128" in name]
DEEP = ("imagenet128-biggan-deep", "imagenet128-biggan-deep-logan-gd", "imagenet128-biggan-deep-logan-ngd")


def g_steps(config):
    return config.run.kimg * 1000 / (config.game.batch * config.game.d_steps)


def kept_per_step(config):
    """What the moving average keeps in a step, once it is past its beginning."""
    return 0.5 ** (config.game.batch * config.game.d_steps / (1000 * config.game.ema_kimg))


def test_the_names():
    assert set(LARGE) == {*DEEP, "imagenet128-biggan", "imagenet128-sagan", "imagenet128-sngan", "emoji128"}


@pytest.mark.parametrize("name", [*DEEP, "imagenet128-biggan"])
def test_what_all_of_bigGAN_share(name):
    g = presets.get(name).game
    assert (g.loss, g.batch, g.d_lr, g.g_lr, g.adam_betas) == ("hinge", 2048, 2e-4, 5e-5, (0.0, 0.999))
    assert kept_per_step(presets.get(name)) == pytest.approx(0.9999, abs=1e-12)


def test_the_half_life_in_images():
    assert (
        presets.get(DEEP[2]).game.ema_kimg
        == pytest.approx(2.048 * math.log(2) / -math.log(0.9999))
        == pytest.approx(14_194.94, abs=0.01)
    )


@pytest.mark.parametrize(
    ("name", "network", "latent_dim", "prior", "activation"),
    [
        (DEEP[0], "biggan-deep", 128, "normal", None),
        (DEEP[1], "biggan-deep", 256, "uniform", "leaky-relu"),
        (DEEP[2], "biggan-deep", 256, "uniform", "leaky-relu"),
        ("imagenet128-biggan", "biggan", 120, "normal", None),
        ("imagenet128-sagan", "sagan", 128, "normal", None),
        ("imagenet128-sngan", "sngan", 128, "normal", None),
    ],
)
def test_the_networks(name, network, latent_dim, prior, activation):
    c = presets.get(name)
    n = c.networks
    assert (n.network, n.latent_dim, n.prior, n.activation) == (network, latent_dim, prior, activation)
    assert (n.width, n.depth, n.spectral_norm) == (None, None, None)
    assert (c.data.image_size, c.data.conditional) == (128, True)


def test_the_latent_steps():
    assert presets.get(DEEP[2]).latent_step() == LatentStep("ngd", 0.9, 5.0, portion=0.5, penalty=300.0)
    gd = presets.get(DEEP[1]).latent_step()
    assert (gd.method, gd.alpha, gd.portion) == ("gd", 1e-4, 0.5)
    for name in (DEEP[0], "imagenet128-biggan", "imagenet128-sagan", "imagenet128-sngan"):
        assert presets.get(name).latent_step() is None
    for name in DEEP:  # an override changes the method alone
        for latent in ("none", "gd", "ngd"):
            c, own = presets.get(name, latent), presets.get(name)
            assert c == replace(own, latent=c.latent)
    assert presets.get(DEEP[0], "ngd").latent_step() == LatentStep("ngd", 0.9, 5.0, 0.5, 300.0, bounds=None)


@pytest.mark.parametrize(
    ("name", "steps", "update", "d_steps"),
    [
        (DEEP[0], 300_000, "alternating", 2),
        (DEEP[1], 600_000, "simultaneous", 1),
        (DEEP[2], 600_000, "simultaneous", 1),
        ("imagenet128-biggan", 300_000, "alternating", 2),
        ("imagenet128-sagan", 1_000_000, "alternating", 1),
        ("imagenet128-sngan", 450_000, "alternating", 5),
    ],
)
def test_the_lengths(name, steps, update, d_steps):
    c = presets.get(name)
    assert g_steps(c) == pytest.approx(steps, abs=1000 / c.game.batch)
    assert (c.game.update, c.game.d_steps) == (update, d_steps)


def test_the_smaller_ones():
    sagan, sngan = (presets.get(f"imagenet128-{n}").game for n in ("sagan", "sngan"))
    assert (sagan.batch, sagan.d_lr, sagan.g_lr, sagan.adam_betas) == (256, 4e-4, 1e-4, (0.0, 0.9))
    assert (sngan.batch, sngan.d_lr, sngan.g_lr, sngan.adam_betas) == (64, 2e-4, 2e-4, (0.0, 0.9))


@pytest.mark.parametrize("name", LARGE)
def test_they_can_be_built(name):
    n, classes = presets.get(name).networks, 11 if name == "emoji128" else 1000
    with torch.device("meta"):
        G, D = networks.create(
            n.network,
            image_size=128,
            latent_dim=n.latent_dim,
            num_classes=classes,
            width=n.width,
            activation=n.activation,
            spectral_norm=False,  # which is slow to set up
        )
        y = torch.zeros(2, dtype=torch.long)
        assert D(G(torch.zeros(2, n.latent_dim), y), y).shape == (2,)


@pytest.mark.parametrize("name", LARGE)
def test_where_the_data_come_from(name):
    with pytest.raises(presets.InputError, match=r"no data at .*128\.zip: ") as error:
        presets.check_data(presets.get(name))
    assert "\n" not in str(error.value)
