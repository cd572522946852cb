"""Run folders with untrained networks: exports of those are like exports of others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch

from logan import networks
from logan.config import Config
from logan.cs_gan import give_step_size
from logan.sampling import snapshot
from logan.training import folder

from ..training.small import config as small_config

SCORES = {
    "metric": "fid10k", "results": {"fid10k": 12.5}, "detector": "classifier", "detector_sha256": "ab" * 32, "n_real": 1797,
    "n_fake": 10_000, "real_key": "key", "protocol": "training", "split": "train", "seed": 2, "latent_steps": 0, "trunc": 1.0,
}  # fmt: skip


def make_run(path: Path, *, seed: int = 0, images: int = 4000, settings: Config | None = None, **architecture) -> Path:
    """A folder as training leaves it, of one snapshot whose every number is random."""
    asked = {"name": "mlp", "image_size": 8, "image_channels": 1, "latent_dim": 8, "num_classes": 0, "width": 8}
    asked = asked | {"depth": None, "activation": None, "spectral_norm": True} | architecture
    settings = settings or small_config()
    settings = replace(
        settings,
        data=replace(settings.data, conditional=asked["num_classes"] > 0),
        networks=replace(settings.networks, network=asked["name"], latent_dim=asked["latent_dim"]),
    )
    path.mkdir(parents=True, exist_ok=True)
    generator, discriminator = randomised(seed, **asked)
    if settings.latent.latent == "cs":
        give_step_size(generator)
    names = [f"class {i}" for i in range(asked["num_classes"])]
    info = snapshot.Snapshot(asked, settings, images, names)
    snapshot.save(path / snapshot.file_name(images), info, generator, discriminator)
    folder.write_options(path, settings)
    ticks = [{"tick": k, "kimg": float(k), "steps": 20 * k, "d_loss": 1.0} for k in range(6)]
    (path / folder.STATS).write_text("".join(json.dumps(tick) + "\n" for tick in ticks))
    lines = [
        SCORES | {"images": 2000, "in_training": True, "results": {"fid10k": 99.0}},
        SCORES | {"images": 4000, "in_training": True},
        SCORES | {"images": 4000, "in_training": False, "protocol": "C", "results": {"fid10k": 13.25}},
        SCORES | {"images": 4000, "in_training": False, "protocol": "A", "results": {"fid10k": None}},
        SCORES | {"images": 6000, "in_training": True, "results": {"fid10k": 7.0}},
    ]
    (path / "metric-fid10k.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def randomised(seed: int, **architecture):
    """Networks none of whose weights or statistics is what it began with: attention counts, gains differ, norms are folded."""
    torch.manual_seed(seed)
    pair = networks.create(**architecture)
    with torch.no_grad():
        for network in pair:
            for name, value in (*network.named_parameters(), *network.named_buffers()):
                if name.endswith("running_var"):
                    value.uniform_(0.5, 2)
                elif value.is_floating_point() and "parametrizations" not in name:
                    value.add_(0.1 * torch.randn_like(value))
            network.eval()
    return pair
