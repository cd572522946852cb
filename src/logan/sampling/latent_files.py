"""Latents on disk: the ``.npz`` of ``logan project``, and arrays ``z`` of anybody's.

They come from strangers as much as from this project: nothing in them is run (no pickles), and what they ask for has bounds, which
are looked at before memory is taken.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from logan.config import Config
from logan.data.npy import read_header
from logan.errors import InputError, first_line
from logan.files import write_atomically
from logan.latent import to_sphere
from logan.regular import read_regular

MOST_BYTES = 2**24
"""Of a file, and of an array in it: z of a million dimensions in float64 has half of it."""
MOST_MEMBERS = 100
ADVICE = "give the .npz of logan project, or one of np.savez(name, z=…) with z of shape (d,) or (1, d)"
SLACK = 1e-4
"""How far beyond ±1, or off the unit sphere, float32 and hands may have carried a z."""


@dataclass(frozen=True)
class KeptLatent:
    """What a file says.

    Attributes:
        z: (d,), float32, finite.
        label: the class; None if it names none.
        snapshot: sha256 of the snapshot that it was found for; empty if it does not say.
    """

    z: Tensor
    label: int | None = None
    snapshot: str = ""


def write(path: Path, z: Tensor, label: int | None, **facts: Any) -> None:
    """Write a latent (d,) and what is known of it: numbers and texts by name. In one move."""
    arrays = {"z": z.cpu().numpy(), "label": np.int64(-1 if label is None else label)}
    arrays |= {name: np.asarray(value) for name, value in facts.items()}

    def save(partial: Path) -> None:
        with open(partial, "wb") as f:  # given a name, numpy would add .npz to it
            np.savez(f, **arrays)

    write_atomically(path, save)


def read(path: Path) -> KeptLatent:
    """The latent in a file.

    Raises:
        InputError: if it cannot be read, is damaged or larger than is read, or has no ``z`` of one latent.
    """
    try:
        data = read_regular(path, MOST_BYTES, through_links=True, advice=ADVICE)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; {ADVICE}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); {ADVICE}") from None
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.namelist()
            if len(members) > MOST_MEMBERS or len(set(members)) < len(members):
                raise ValueError("too many arrays, or two of one name")
            z, label, snapshot = (_array(archive, name, members) for name in ("z", "label", "snapshot_sha256"))
    except Exception as error:  # zipfile and zlib raise many kinds on bad data
        raise InputError(f"{path} is damaged, or no .npz ({first_line(error)}); {ADVICE}") from None
    return KeptLatent(_latent(z, path), _label(label, path), _text(snapshot))


def _array(archive: zipfile.ZipFile, name: str, members: list[str]) -> np.ndarray | None:
    if f"{name}.npy" not in members:
        return None
    info = archive.getinfo(f"{name}.npy")
    if info.file_size > MOST_BYTES:
        raise ValueError(f"{name} of {info.file_size:,} bytes, and {MOST_BYTES:,} are read")
    with archive.open(info) as member:
        data = member.read(MOST_BYTES + 1)
    header = read_header(io.BytesIO(data))
    if header.end != len(data):
        raise ValueError(f"{name} is not as long as its header says")
    if header.kind[1] not in "fiuU":
        raise ValueError(f"{name} is of {header.kind}, neither numbers nor a text")
    # np.load would hand the header to Python's parser
    return np.frombuffer(data, np.dtype(header.kind), offset=header.start).reshape(header.shape)


def _latent(z: np.ndarray | None, path: Path) -> Tensor:
    def refuse(what: str) -> NoReturn:
        raise InputError(f"{path} {what}; {ADVICE}")

    if z is None:
        refuse("has no array z")
    if z.dtype.kind == "U":
        refuse("has a text for z")
    if z.ndim not in (1, 2) or (z.ndim == 2 and len(z) != 1) or not z.size:
        refuse(f"has a z of shape {z.shape}")
    with np.errstate(over="ignore"):
        found = torch.from_numpy(z.astype(np.float32).reshape(-1))
    if not bool(found.isfinite().all()):
        refuse("has a z of numbers that are not finite")
    return found


def _label(label: np.ndarray | None, path: Path) -> int | None:
    if label is None:
        return None
    if label.size != 1 or label.dtype.kind not in "iu":
        raise InputError(f"{path} has a label that is not one whole number; {ADVICE}")
    return int(label.reshape(())) if int(label.reshape(())) >= 0 else None


def _text(value: np.ndarray | None) -> str:
    return str(value) if value is not None and value.ndim == 0 and value.dtype.kind == "U" else ""


def hash_of(path: Path) -> str:
    """sha256 of a snapshot's file, by which a latent knows what it was found for."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(2**24):
            found.update(part)
    return found.hexdigest()


def fitted(kept: KeptLatent, config: Config, name: str, say: Callable[[str], None]) -> Tensor:
    """The z of a file as a latent of a run, (d,).

    Args:
        kept: what the file says.
        config: of the run.
        name: of the file, for messages.
        say: told what is done to it.

    Raises:
        InputError: of another number of dimensions, or one that the run's prior does not have.
    """
    wanted = config.networks.latent_dim
    if len(kept.z) != wanted:
        raise InputError(
            f"{name} has a z of {len(kept.z):,} dimensions, and this generator takes {wanted:,}; use its own"
        )
    if config.on_sphere():
        norm = float(kept.z.norm())
        if norm == 0:
            raise InputError(
                f"{name} has a z of 0, which is no direction, and this generator takes points of the unit sphere"
            )
        if abs(norm - 1) > SLACK:
            say(f"{name}: its z of norm {norm:.4g} is put on the unit sphere, where this generator's are")
        return to_sphere(kept.z[None])[0]
    if config.networks.prior == "uniform" and float(kept.z.abs().max()) > 1 + SLACK:
        raise InputError(
            f"{name} has a z with {float(kept.z.abs().max()):.4g} in it, and this generator's prior ends at 1: is it of another "
            f"run? Use one of this run"
        )
    return kept.z.clamp(-1, 1) if config.networks.prior == "uniform" else kept.z
