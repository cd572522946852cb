"""Latents in files, as ``logan project`` writes them and ``logan interpolate --between`` reads those of anybody."""

from __future__ import annotations

import functools
import io
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

from logan.config import presets
from logan.sampling import latent_files

from .containers import damaged_zip
from .kinds import Kind, Seed, write
from .kinds_of_images import Promised


def _members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def seeds(folder: Path) -> list[Seed]:
    z = torch.linspace(-0.9, 0.9, presets.get("digits").networks.latent_dim)
    latent_files.write(folder / "a.npz", z, 3, snapshot_sha256="ab" * 32, settings="{}", distance_pixels=0.5)
    theirs = io.BytesIO()
    np.savez_compressed(theirs, z=z.double().numpy()[None], names=np.array(["a", "b"]))
    found = []
    for data in ((folder / "a.npz").read_bytes(), theirs.getvalue()):
        found.append(Seed("a.npz", data, (functools.partial(damaged_zip, _members(data)),)))
    return found


def read(folder: Path, name: str, data: bytes, rng: Random) -> Any:
    kept = latent_files.read(write(folder / name, data))
    z = latent_files.fitted(kept, presets.get("digits"), name, lambda line: None)
    if not bool(z.isfinite().all()) or float(z.abs().max()) > 1:
        raise Promised("a latent that the prior does not have")
    return z, kept.label, kept.snapshot


KINDS = [Kind("latent", seeds, read)]
