"""What code in the pages speaks of: runs and data by their names, and the networks of a reader."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

import logan
from logan import networks, presets
from logan.config import NetworkConfig
from logan.sampling import snapshot
from logan.sampling.snapshot import Snapshot
from logan.training import folder


def photographs(path: Path, count: int = 8, size: int = 64) -> None:
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(count):
            data = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (size, size, 3), np.uint8)).save(data, format="PNG")
            archive.writestr(f"{i}.png", data.getvalue())


def run(path: Path, preset: str, latent: str | None = None) -> None:
    """A run folder with a snapshot of narrow networks that nobody trained."""
    config = presets.get(preset, latent)
    n = config.networks
    config = replace(config, networks=NetworkConfig(network=n.network, latent_dim=n.latent_dim, prior=n.prior, width=4))
    size, channels = {"digits": (8, 1), "dcgan64": (64, 3)}[preset]
    given = {"image_size": size, "image_channels": channels, "latent_dim": n.latent_dim, "num_classes": 0, "width": 4}
    architecture = {"name": n.network, **given}
    generator, discriminator = networks.create(n.network, **given)
    path.mkdir(parents=True)
    folder.write_options(path, config)
    for images in (200_000, 500_000):
        file = path / snapshot.file_name(images)
        snapshot.save(file, Snapshot(architecture, config, images, []), generator, discriminator)


def lay_out(where: Path) -> None:
    """The files that pages name."""
    for name, preset, latent in (
        ("00000-digits-ngd", "digits", "ngd"),
        ("00003-digits-ngd", "digits", "ngd"),
        ("00004-digits-none", "digits", "none"),
        ("00001-dcgan64-ngd", "dcgan64", "ngd"),
    ):
        run(where / "runs" / name, preset, latent)
    photographs(where / "photos.zip")


class Flat(nn.Module):
    """Small networks of a reader: latents of any length to images of any size, or images to scores."""

    def __init__(self, inside: int, outside: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(inside, 8), nn.Tanh(), nn.Linear(8, int(np.prod(outside))))
        self.outside = outside

    def forward(self, x: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        return self.layers(x).view(len(x), *self.outside)


def names() -> dict[str, object]:
    """What a reader has before the first line of an example."""
    torch.manual_seed(0)
    generator, discriminator, net = Flat(128, (3, 8, 8)), Flat(192, ()), Flat(192, (10,))
    images, labels = torch.rand(64, 3, 8, 8) * 2 - 1, torch.randint(10, (64,))
    adam = lambda module: torch.optim.Adam(module.parameters(), lr=1e-4)  # noqa: E731
    transformer = nn.TransformerEncoderLayer(8, 2, dim_feedforward=8, dropout=0.0, batch_first=True)
    return {
        "__name__": "page",
        "logan": logan,
        "torch": torch,
        "nn": nn,
        "F": nn.functional,
        "G": generator,
        "D": discriminator,
        "net": net,
        "transformer": transformer,
        "x": torch.randn(2, 3, 8, requires_grad=True),
        "z": torch.rand(64, 128) * 2 - 1,
        "real": images,
        "labels": labels,
        "step": logan.LatentStep(),
        "g_optimiser": adam(generator),
        "d_optimiser": adam(discriminator),
        "optimiser": adam(net),
    }
