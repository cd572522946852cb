"""What a kind of file is here: good ones, ways to damage them, and how the project reads it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from .mutations import mutated

Damage = Callable[[Random], bytes]


@dataclass(frozen=True)
class Seed:
    """A good file.

    Attributes:
        name: of the file.
        data: its contents.
        damages: ways to make a damaged one whose outer checksums are right.
        exact: it has checksums: one damaged without these is refused, or gives what the good one gives.
    """

    name: str
    data: bytes
    damages: tuple[Damage, ...] = ()
    exact: bool = False


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        name: of it.
        seeds: makes the good ones in a folder, always the same.
        read: (folder, name, contents, rng) ↦ what was read; the file is yet to be written to the folder, which is empty.
    """

    name: str
    seeds: Callable[[Path], list[Seed]]
    read: Callable[[Path, str, bytes, Random], Any]


@dataclass(frozen=True)
class Input:
    """A damaged file: the number of the seed that it was made of, its name, its contents, whether checksums were made anew."""

    seed: int
    name: str
    data: bytes
    resealed: bool
    rng: Random


def make(kind: Kind, seeds: list[Seed], number: int) -> Input:
    """Input ``number`` of a kind: the same at every call."""
    rng = Random(f"{kind.name} {number}")
    at = rng.randrange(len(seeds))
    seed = seeds[at]
    if seed.damages and rng.random() < 0.6:
        return Input(at, seed.name, rng.choice(seed.damages)(rng), True, rng)
    others = [other.data for other in seeds]
    return Input(at, seed.name, mutated(seed.data, rng, others), False, rng)


def digest(value: Any) -> str:
    """Of nested containers, tensors and arrays; equal for equal ones."""
    hashed = hashlib.sha256()

    def add(x: Any) -> None:
        if hasattr(x, "detach"):  # a tensor
            x = x.detach().cpu().numpy()
        if isinstance(x, np.ndarray):
            hashed.update(f"{x.dtype} {x.shape}".encode() + np.ascontiguousarray(x).tobytes())
        elif isinstance(x, dict):
            for key in sorted(x, key=repr):
                hashed.update(repr(key).encode("utf-8", "surrogatepass"))
                add(x[key])
        elif isinstance(x, list | tuple):
            hashed.update(f"{len(x)}".encode())
            for one in x:
                add(one)
        else:
            hashed.update(repr(x).encode("utf-8", "surrogatepass"))

    add(value)
    return hashed.hexdigest()


def write(path: Path, data: bytes) -> Path:
    """Write a file and the folders around it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
