"""Run folders with a snapshot of random weights: as good as trained ones where only files and shapes matter, and there at once."""

from dataclasses import replace
from pathlib import Path

import torch

from logan import networks, presets
from logan.cs_gan import give_step_size
from logan.sampling import snapshot


def run_folder(
    folder: Path, latent: str = "none", *, preset: str = "digits", prior="uniform", conditional=False, pad=0, seed=0
) -> Path:
    """Of digits (8×8, or more with a border) or a mixture: an mlp with a latent of eight dimensions."""
    config = presets.get(preset, latent)
    config = replace(
        config,
        networks=replace(config.networks, network="mlp", latent_dim=8, prior=prior, width=32, depth=1),
        data=replace(config.data, conditional=conditional, pad=pad),
    )
    points = preset != "digits"
    architecture = {
        "name": "mlp", "image_size": 1 if points else 8 + 2 * pad, "image_channels": 2 if points else 1, "latent_dim": 8,
        "num_classes": 10 if conditional else 0, "width": 32, "depth": 1, "activation": None, "spectral_norm": None,
    }  # fmt: skip
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        pair = networks.create(**architecture)
    if latent == "cs":
        give_step_size(pair[0])
    names = [str(k) for k in range(10)] if conditional else []
    folder.mkdir(exist_ok=True, parents=True)
    snapshot.save(folder / snapshot.file_name(1000), snapshot.Snapshot(architecture, config, 1000, names), *pair)
    return folder
