"""A small run of ``logan train`` on images of noise, and how close two such runs of one and of two ranks are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

SMALL = ["--preset", "digits", "--network", "dcgan", "--width", "4", "--batch", "32", "--kimg", "1", "--tick", "1",
         "--snap", "1", "--metrics", "none", "--engine", "plain", "--threads", "1", "--spectral-norm", "True"]  # fmt: skip


def images_of_noise(folder: Path) -> list[str]:
    """Flags for data in eight classes. Where pixels are constant some gradients are rounding errors, of which Adam makes steps."""
    noise = np.random.default_rng(0).integers(0, 256, (8, 16, 8, 8, 3), dtype=np.uint8)
    for i, images in enumerate(noise):
        (folder / "data" / str(i)).mkdir(parents=True)
        for j, image in enumerate(images):
            Image.fromarray(image).save(folder / "data" / str(i) / f"{j}.png")
    return ["--data", str(folder / "data"), "--conditional", "--mirror"]


def ticks(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]


def assert_close(one: Path, two: Path) -> None:
    """The same files, numbers that are logged, and weights."""
    assert sorted(p.name for p in two.glob("[!.]*")) == sorted(p.name for p in one.glob("[!.]*"))
    for a, b in zip(ticks(one), ticks(two), strict=True):
        for name in ("d_loss", "g_loss", "delta_z", "penalty", "real_score"):
            assert a[name] == pytest.approx(b[name], rel=1e-3, abs=1e-4), name
    weights, others = (load_file(max(run.glob("network-snapshot-*.safetensors"))) for run in (one, two))
    for name, value in weights.items():
        torch.testing.assert_close(value, others[name], rtol=1e-2, atol=1e-3, msg=name)
