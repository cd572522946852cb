"""The random numbers of a process that a run draws from: those of torch, of its device, of numpy and of Python."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

States = dict[str, Any]
"""What :func:`take` saw: of tensors, numbers and words, so that a file can hold it."""


def take(device: torch.device, latents: torch.Generator | None = None) -> States:
    """How all of them stand now, and the generator of a run's ``latents``, if there is one."""
    kind, keys, position, has_gauss, gauss = np.random.get_state()
    states: States = {
        "torch": torch.get_rng_state(),
        "numpy": (str(kind), torch.from_numpy(np.asarray(keys, dtype=np.int64)), position, has_gauss, gauss),
        "python": random.getstate(),
    }
    if latents is not None:
        states["latents"] = latents.get_state()
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def put(states: States, device: torch.device, latents: torch.Generator | None = None) -> None:
    """Let all of them go on from there."""
    if latents is not None:
        latents.set_state(states["latents"])
    torch.set_rng_state(states["torch"])
    kind, keys, position, has_gauss, gauss = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, gauss))
    version, words, gauss_next = states["python"]
    random.setstate((version, tuple(words), gauss_next))
    if "cuda" in states and device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)
    if "mps" in states and device.type == "mps":
        torch.mps.set_rng_state(states["mps"])


def same(a: States, b: States) -> bool:
    """Whether two of them are alike."""
    return a.keys() == b.keys() and all(_equal(a[name], b[name]) for name in a)


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(_equal, a, b))
    return a == b
