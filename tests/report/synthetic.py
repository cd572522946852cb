"""Run folders that no run has made: what a page is made of, in a moment, and of any kind."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from logan import networks
from logan.config import presets
from logan.files import append_line, write_json
from logan.sampling import snapshot


def small(preset="digits", latent="ngd", **run):
    """A preset with networks of a few units."""
    base = presets.get(preset, latent)
    return replace(
        base,
        networks=replace(base.networks, width=8, latent_dim=8, depth=2 if base.networks.network == "mlp" else None),
        run=replace(base.run, kimg=40, **run),
    )


def folder(
    path: Path,
    config=None,
    *,
    snapshots=3,
    side=82,
    texture="smooth",
    alarms=(),
    scores=("fid1k",),
    detectors=("classifier",),
) -> Path:
    """A run folder with options, log, pictures, scores by ``detectors`` in turn, ``best.json``, and no networks."""
    config = small() if config is None else config
    path.mkdir(parents=True, exist_ok=True)
    write_json(path / "training_options.json", {"logan": "0.1.0"} | config.to_dict())
    source = np.random.default_rng(0)
    every = config.run.kimg / snapshots
    for i in range(snapshots + 1):
        coarse = source.integers(0, 256, (side // 8 if texture == "smooth" else side,) * 2 + (3,), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
        picture.save(path / (f"fakes{round(i * every):06d}.png" if i else "fakes_init.png"))
    picture.save(path / "reals.png")
    for tick in range(40):
        kimg = (tick + 1) * config.run.kimg / 40
        line = {
            "tick": tick, "kimg": kimg, "steps": 10 * tick + 10, "d_loss": 1 + math.sin(tick), "g_loss": 0.5, "real_score": 1.0,
            "fake_score": -1.0, "score_gain": 0.1, "grad_z_squared": 10.0**-tick, "delta_z": 0.2, "images_per_second": 100.0,
            "seconds": tick + 1.0, "seconds_left": 1.0,
        }  # fmt: skip
        if tick % 10 == 9:
            line["metrics"] = dict.fromkeys(scores, 100.0 - tick)
            line["diversity"] = 0.9
        if tick == 20 and alarms:
            line["alarms"] = list(alarms)
        append_line(path / "stats.jsonl", line)
    for i, detector in enumerate(detectors):
        results = {name: 61.0 for name in scores if not name.startswith("modes")}
        record = {"detector": detector, "detector_sha256": f"{i + 10:x}" * 64, "images": 1000 * i, "in_training": True}
        append_line(path / "metric-scores.jsonl", record | {"results": results})
    if scores:
        kept = {
            "by": scores[0],
            "images": config.run.kimg * 1000,
            "kimg": float(config.run.kimg),
            "scores": {scores[0]: 61.0},
        }
        write_json(path / "best.json", kept | {"measure": [None, None, None]})
    return path


def add_networks(path: Path, config=None, *, classes=0, size=8, channels=1, names=()) -> Path:
    """A snapshot of networks that have learnt nothing."""
    config = small() if config is None else config
    n = config.networks
    shape = {
        "name": n.network, "image_size": size, "image_channels": channels, "latent_dim": n.latent_dim, "num_classes": classes,
        "width": n.width, "depth": n.depth, "activation": n.activation, "spectral_norm": n.spectral_norm,
    }  # fmt: skip
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        pair = networks.create(**shape)
        if config.latent.latent == "cs":
            from logan.cs_gan import give_step_size

            give_step_size(pair[0])
    images = config.run.kimg * 1000
    snapshot.save(path / snapshot.file_name(images), snapshot.Snapshot(shape, config, images, list(names)), *pair)
    return path


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in (path / "stats.jsonl").read_text().splitlines()]
