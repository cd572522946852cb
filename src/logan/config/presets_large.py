"""Recipes at 128×128: the networks of the paper's section 5 and Figure 8 on ImageNet, and a small one for a patient CPU.

The lengths are counted in real images, of which a step takes ``batch`` for every update of D.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

from logan.config.groups import DataConfig, GameConfig, LatentConfig, NetworkConfig, RunConfig, ScoreConfig
from logan.config.settings import Config

Latent = Literal["none", "cs", "gd", "ngd"]

_IMAGENET = DataConfig(data="data/imagenet128.zip", image_size=128, conditional=True, workers=8)
_METHODS = {
    "none": LatentConfig(latent="none"),
    "cs": LatentConfig(latent="cs", latent_steps=3, penalty=3.0),
    "gd": LatentConfig(latent="gd", alpha=1e-4, portion=0.5, penalty=300.0),
    "ngd": LatentConfig(latent="ngd", alpha=0.9, beta=5.0, portion=0.5, penalty=300.0),
}
"""Section 5.1: α = 0.9, β = 5, half of z, weight 300. Section 5.3 has gradient descent's 1e-4, above which training collapsed
early; it names neither its portion nor its penalty, which are those of 5.1 here."""


def half_life_kimg(decay: float, images_per_step: int) -> float:
    """Thousands of images after which a moving average with ``decay`` per step has forgotten half: ln 2 / −ln decay steps."""
    return math.log(2) / -math.log(decay) * images_per_step / 1000


def _for_steps(steps: int, config: Config) -> Config:
    """As long as so many updates of G, with BigGAN's moving average, 0.9999 per step."""
    images = config.game.d_steps * config.game.batch
    game = replace(config.game, ema_kimg=half_life_kimg(0.9999, images))
    return replace(config, game=game, run=replace(config.run, kimg=steps * images // 1000))


def imagenet128_biggan_deep(latent: Latent = "none") -> Config:
    """BigGAN-deep on ImageNet at 128×128 as published: the model that the paper starts from.

    Source: Brock et al. (2018), appendix B, table 7, and appendix C: batch 2,048, Adam with 2e-4 for D and 5e-5 for G, β 0 and
    0.999, N(0, 1), ReLU, moving average 0.9999 per step. Two updates of D per update of G are stated of BigGAN; that
    BigGAN-deep keeps them is assumed. 300,000 steps: the baseline collapses after as many (LOGAN, section 5.2).
    """
    networks = NetworkConfig(network="biggan-deep", latent_dim=128, prior="normal")
    game = GameConfig(update="alternating", d_steps=2, g_lr=5e-5, d_lr=2e-4, adam_betas=(0.0, 0.999), batch=2048)
    run = RunConfig(tick=256, snap=20)
    return _for_steps(300_000, Config("imagenet128-biggan-deep", _IMAGENET, networks, _METHODS[latent], game, run))


def imagenet128_biggan_deep_logan_ngd(latent: Latent = "ngd") -> Config:
    """LOGAN with natural gradient descent on ImageNet at 128×128: the paper's headline.

    Source: section 5.1: BigGAN-deep with 256 latent dimensions from U(-1, 1) and leaky ReLU 0.2 everywhere; α 0.9, β 5, half
    of z, weight 300; rates and batch those of BigGAN-deep; updates simultaneous, as in Algorithm 1. 600,000 steps, after
    which it collapses (section 5.2). With ``--latent none`` it is the paper's own baseline, which has the same changes.
    Not in the paper: the slope 0.2, and that the penalty is in G's loss alone (CS-GAN's code).
    """
    base = imagenet128_biggan_deep(latent)
    networks = NetworkConfig(network="biggan-deep", latent_dim=256, prior="uniform", activation="leaky-relu")
    game = replace(base.game, update="simultaneous", d_steps=1)
    return _for_steps(600_000, replace(base, preset="imagenet128-biggan-deep-logan-ngd", networks=networks, game=game))


def imagenet128_biggan_deep_logan_gd(latent: Latent = "gd") -> Config:
    """LOGAN with gradient descent, α = 1e-4: as :func:`imagenet128_biggan_deep_logan_ngd` otherwise.

    Source: section 5.3 and table 1.
    """
    return replace(imagenet128_biggan_deep_logan_ngd(latent), preset="imagenet128-biggan-deep-logan-gd")


def imagenet128_biggan(latent: Latent = "none") -> Config:
    """BigGAN on ImageNet at 128×128: a curve of Figure 8.

    Source: Brock et al. (2018), table 4 and appendix C: width 96, z of 120 dimensions in six chunks, two updates of D per
    update of G; the rest as :func:`imagenet128_biggan_deep`. Without the orthogonal regularisation of G, which is for truncation.
    """
    base = imagenet128_biggan_deep(latent)
    networks = NetworkConfig(network="biggan", latent_dim=120, prior="normal")
    return replace(base, preset="imagenet128-biggan", networks=networks)


def imagenet128_sagan(latent: Latent = "none") -> Config:
    """SAGAN on ImageNet at 128×128: a curve of Figure 8.

    Source: Zhang et al. (2018), section 4: batch 256, Adam with 4e-4 for D and 1e-4 for G, β 0 and 0.9, in turns one to one, a
    million steps. The moving average is BigGAN's.
    """
    networks = NetworkConfig(network="sagan", latent_dim=128, prior="normal")
    game = GameConfig(update="alternating", g_lr=1e-4, d_lr=4e-4, adam_betas=(0.0, 0.9), batch=256)
    run = RunConfig(tick=64, snap=50)
    return _for_steps(1_000_000, Config("imagenet128-sagan", _IMAGENET, networks, _METHODS[latent], game, run))


def imagenet128_sngan(latent: Latent = "none") -> Config:
    """SN-GAN with the projection discriminator on ImageNet at 128×128: a curve of Figure 8.

    Source: Miyato & Koyama (2018), section 4 and appendix: batch 64, Adam with 2e-4 for both, β 0 and 0.9, five updates of D
    per update of G, 450,000 of those. Their linear decay of the rates over the last 50,000 is left out,
    G's batches are not larger than D's, and the moving average is BigGAN's.
    """
    networks = NetworkConfig(network="sngan", latent_dim=128, prior="normal")
    game = GameConfig(update="alternating", d_steps=5, g_lr=2e-4, d_lr=2e-4, adam_betas=(0.0, 0.9), batch=64)
    run = RunConfig(tick=64, snap=50)
    return _for_steps(450_000, Config("imagenet128-sngan", _IMAGENET, networks, _METHODS[latent], game, run))


def emoji128(latent: Latent = "ngd") -> Config:
    """Colour pictures of 128×128 in folders by class, for one GPU or a patient CPU.

    Source: this project; made for emoji drawn from a font, a zip with a folder per Unicode block. DCGAN at a quarter of its
    width, conditional, with spectral norm in D and LOGAN's leaky ReLU, because a step of the smallest BigGAN-deep at this size
    takes some hundred times as long on a CPU. Pass --network biggan-deep --width 32 on a GPU.
    """
    ngd = LatentConfig(latent="ngd", alpha=0.9, beta=5.0, portion=0.5, penalty=3.0)
    gd = LatentConfig(latent="gd", alpha=0.01, portion=0.5, penalty=3.0)
    return Config(
        preset="emoji128",
        data=DataConfig(data="emoji128.zip", image_size=128, conditional=True),
        networks=NetworkConfig(network="dcgan", latent_dim=64, width=16, activation="leaky-relu", spectral_norm=True),
        latent={**_METHODS, "ngd": ngd, "gd": gd}[latent],
        game=GameConfig(batch=32, g_lr=2e-4, d_lr=2e-4, ema_kimg=10),
        run=RunConfig(kimg=400, tick=4, snap=5),
        scores=ScoreConfig(metrics=("fid2k",)),
    )


LARGE = {
    f.__name__.replace("_", "-"): f
    for f in (
        imagenet128_biggan_deep,
        imagenet128_biggan_deep_logan_gd,
        imagenet128_biggan_deep_logan_ngd,
        imagenet128_biggan,
        imagenet128_sagan,
        imagenet128_sngan,
        emoji128,
    )
}
"""By the name on the command line."""
