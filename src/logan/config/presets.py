"""Recipes: functions that return a :class:`~logan.config.Config`, each with its source and what differs from it.

To add one: write a function that takes the latent method and returns a config, and enter it in ``PRESETS``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from logan.config.groups import DataConfig, GameConfig, LatentConfig, NetworkConfig, RunConfig, ScoreConfig
from logan.config.presets_large import LARGE, Latent
from logan.config.settings import Config
from logan.errors import InputError, did_you_mean

_MODES = ScoreConfig(metrics=("modes10k",))

LATENT_METHODS = ("none", "cs", "gd", "ngd")


def digits(latent: Latent = "ngd") -> Config:
    """1,797 handwritten digits of 8x8 pixels, in about two minutes on one CPU core.

    Source: this project. The lecture's multi-layer perceptrons (as :func:`ring`), wider, with two hidden layers; hinge
    loss, simultaneous updates, and natural gradient descent with the α, β and c of LOGAN's section 5.1. The penalty is 3.0,
    appendix E's: its 300 belongs to BigGAN-deep.
    """
    return Config(
        preset="digits",
        data=DataConfig(data="digits"),
        networks=NetworkConfig(network="mlp", latent_dim=64, width=256, depth=2),
        latent=_method(latent, ngd=LatentConfig(alpha=0.9, beta=5.0, portion=0.5, penalty=3.0)),
        game=GameConfig(batch=64, g_lr=5e-4, d_lr=5e-4, ema_kimg=20),
        run=RunConfig(kimg=600, tick=8, snap=5, threads=1),
        scores=ScoreConfig(metrics=("fid10k", "is10k")),
    )


def ring(latent: Latent = "ngd") -> Config:
    """Eight Gaussians on a circle.

    Source: the 2-D GAN of Fleuret's lecture 11.1 (latent 8, one MLP per player) on the mixture of Metz et al. (2017,
    section 3.1); hinge, simultaneous, spectral norm in D, and wider and deeper layers than the lecture's 100.
    """
    return Config(
        preset="ring",
        data=DataConfig(data="ring"),
        networks=NetworkConfig(network="mlp", latent_dim=8, width=128, depth=2, spectral_norm=True),
        latent=_method(latent, ngd=LatentConfig(alpha=0.9, beta=0.1, portion=0.7, penalty=0.1), gd=_GD_MIXTURES),
        game=GameConfig(batch=256, g_lr=1e-3, d_lr=1e-3, ema_kimg=10),
        run=RunConfig(kimg=1536, tick=32, snap=4, threads=1),
        scores=_MODES,
    )


def grid(latent: Latent = "ngd") -> Config:
    """Twenty-five Gaussians on a square grid.

    Source: as :func:`ring`, on the mixture of Srivastava et al. (2017, VEEGAN, section 4.1), with two latent dimensions,
    a third hidden layer and no spectral norm. Without spectral norm ‖g‖² grows to thousands, hence the larger β.
    """
    return Config(
        preset="grid",
        data=DataConfig(data="grid"),
        networks=NetworkConfig(network="mlp", latent_dim=2, width=128, depth=3),
        latent=_method(latent, ngd=LatentConfig(alpha=0.9, beta=50.0, portion=0.5, penalty=0.1), gd=_GD_MIXTURES),
        game=GameConfig(batch=256, g_lr=1e-3, d_lr=1e-3, ema_kimg=10),
        run=RunConfig(kimg=3840, tick=32, snap=10, threads=1),
        scores=_MODES,
    )


def fashion(latent: Latent = "ngd") -> Config:
    """Fashion-MNIST (or MNIST) padded to 32x32, SN-DCGAN at a quarter of its width.

    Source: appendix E's architecture (CS-GAN's SN-DCGAN), width 16 for 64 so that a CPU can train it. β = 5 and
    c = 50 % are those of section 5.1; appendix E has 0.1 and 70 %. The data are looked for where Debian's package
    dataset-fashion-mnist puts them.
    """
    return Config(
        preset="fashion",
        data=DataConfig(data="/usr/share/datasets/fashion-mnist", pad=2),
        networks=NetworkConfig(network="sndcgan", latent_dim=64, width=16),
        latent=_method(latent, ngd=LatentConfig(alpha=0.9, beta=5.0, portion=0.5, penalty=3.0)),
        game=GameConfig(batch=64),
        run=RunConfig(kimg=1000, tick=8, snap=5),
        scores=ScoreConfig(metrics=("fid10k", "is10k")),
    )


def cifar10(latent: Latent = "ngd") -> Config:
    """CIFAR-10 with the SN-DCGAN pair of Table 2.

    Source: appendix E (β 0.1, c 70 %, penalty 3.0, Adam and batch of CS-GAN, 200,000 steps) and Algorithm 1 for what the
    appendix leaves open: U(-1, 1) with clipping, simultaneous updates, one score. The hinge loss is that of section 2.2;
    CS-GAN has the cross-entropy (``--loss non-saturating``) and alternates (``--update alternating``).
    """
    return Config(
        preset="cifar10",
        data=DataConfig(data="data/cifar-10-batches-py", image_size=32),
        networks=NetworkConfig(network="sndcgan", latent_dim=128),
        latent=_method(latent, ngd=LatentConfig(alpha=0.9, beta=0.1, portion=0.7, penalty=3.0)),
        game=GameConfig(batch=64, g_lr=2e-4, d_lr=2e-4, adam_betas=(0.5, 0.999), ema_kimg=50),
        run=RunConfig(kimg=12_800, tick=16, snap=25),
    )


def dcgan64(latent: Latent = "ngd") -> Config:
    """Your own images at 64x64 with DCGAN.

    Source: Radford et al. (2015), section 3 and 4 (latent 100 from U(-1, 1), batch 128, Adam 2e-4 with beta1 0.5,
    cross-entropy); simultaneous updates as in LOGAN's Algorithm 1.
    """
    return Config(
        preset="dcgan64",
        data=DataConfig(data="data/images", image_size=64),
        networks=NetworkConfig(network="dcgan", latent_dim=100),
        latent=_method(latent, ngd=LatentConfig(alpha=0.9, beta=5.0, portion=0.5, penalty=3.0)),
        game=GameConfig(loss="non-saturating", batch=128, ema_kimg=20),
        run=RunConfig(kimg=5000, tick=8, snap=25),
    )


def images64(latent: Latent = "none") -> Config:
    """Your own photographs at 64x64 on a laptop: faces among emoji after some five minutes of a CPU core, and an hour in all.

    Source: this project, by trial (docs/results/images64). DCGAN of width 24 with spectral norm in D, in turns, hinge loss,
    batches of 16 and rates of 4e-4: per image shown, G learns faster by many small steps than by few large ones. Images are
    mirrored. The latent step is off: it took 2.5 times as long per image, and what it gave was not worth that.
    """
    return Config(
        preset="images64",
        data=DataConfig(data="data/images", image_size=64, mirror=True),
        networks=NetworkConfig(network="dcgan", latent_dim=100, width=24, activation="leaky-relu", spectral_norm=True),
        latent=_method(latent, ngd=LatentConfig(alpha=0.9, beta=0.1, portion=0.5, penalty=3.0)),
        game=GameConfig(update="alternating", batch=16, g_lr=4e-4, d_lr=4e-4, ema_kimg=5),
        run=RunConfig(kimg=600, tick=2, snap=10),
    )


PRESETS: dict[str, Callable[..., Config]] = {
    f.__name__: f for f in (digits, ring, grid, fashion, cifar10, dcgan64, images64)
} | LARGE
"""Called without an argument they have their own latent method."""


WHERE_DATA_ARE = {
    "fashion": "install Debian's package dataset-fashion-mnist, or pass `data` FOLDER with the four idx files of (Fashion-)MNIST",
    "cifar10": "pass `data` with cifar-10-python.tar.gz or cifar-10-binary.tar.gz (https://www.cs.toronto.edu/~kriz/cifar.html), "
    "their unpacked folder, or a folder of images",
    "dcgan64": "pass `data` with a folder or a zip of your images",
    "images64": "pass `data` with a folder or a zip of your images",
    "emoji128": "pass `data` with a zip or a folder that has a folder of images per class",
} | {
    name: "make it with: logan data prepare FOLDER-OR-TAR-OF-IMAGENET data/imagenet128.zip; or pass `data`"
    for name in LARGE
    if name.startswith("imagenet128")
}
"""How to get what a preset's default ``data`` names, for those that do not come with the package."""


def check_data(config: Config) -> None:
    """Say where a preset's data come from, if they are not there.

    Raises:
        InputError: with the advice.
    """
    data = config.data.data
    if (
        config.preset in WHERE_DATA_ARE
        and (os.sep in data or data == PRESETS[config.preset]().data.data)
        and not Path(data).expanduser().exists()
    ):
        raise InputError(f"no data at {data}: {WHERE_DATA_ARE[config.preset]}", "data")


def get(name: str, latent: str | None = None) -> Config:
    """The preset of that name with that latent method (None: its own).

    Raises:
        InputError: for an unknown preset or method.
    """
    if name not in PRESETS:
        hint = did_you_mean(name, list(PRESETS))
        raise InputError(f"unknown preset {name!r}{hint}; presets: {', '.join(PRESETS)}", "preset")
    if latent is not None and latent not in LATENT_METHODS:
        hint = did_you_mean(latent, list(LATENT_METHODS))
        raise InputError(f"unknown latent method {latent!r}{hint}; `latent` takes {', '.join(LATENT_METHODS)}")
    config = PRESETS[name]() if latent is None else PRESETS[name](latent)
    return _as_cs_gan(config) if latent == "cs" else config


def _as_cs_gan(config: Config) -> Config:
    """CS-GAN's prior N(0, 1), uniform on the sphere once it is normalised, and its three steps at evaluation too."""
    scores = replace(config.scores, metric_latent_steps=_CS.latent_steps)
    return replace(config, networks=replace(config.networks, prior="normal"), scores=scores)


# The paper's α = 1e-4 for gradient descent belongs to BigGAN-deep, whose gradients are large (section 5.3). CS-GAN's code
# starts its learned step size at 0.01, for networks of the size of these presets'.
_GD = LatentConfig(latent="gd", alpha=0.01, portion=0.5, penalty=3.0)
_CS = LatentConfig(latent="cs", latent_steps=3, penalty=3.0)  # main.py:52-56 of CS-GAN's code
_GD_MIXTURES = LatentConfig(latent="gd", alpha=0.1, portion=0.5, penalty=0.1)


def _method(latent: Latent, *, ngd: LatentConfig, gd: LatentConfig = _GD) -> LatentConfig:
    return {"ngd": ngd, "gd": gd, "cs": _CS, "none": LatentConfig(latent="none")}[latent]
