"""LOGAN: latent optimisation for generative adversarial networks (Wu et al. 2019, arXiv 1912.00953).

``logan.LatentStep`` is the method, for a GAN of your own; ``logan.train`` and ``logan.load`` train and use ours.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from logan import game as game
    from logan.latent import LatentStep as LatentStep
    from logan.latent import Moved as Moved
    from logan.sampling import load as load
    from logan.training.loop import train as train

__version__ = "0.1.0"

NAMES = {
    "LatentStep": "logan.latent",
    "Moved": "logan.latent",
    "load": "logan.sampling",
    "train": "logan.training.loop",
}
ROOMS = [
    "accumulation",
    "analysis",
    "bench",
    "compare",
    "config",
    "cs_gan",
    "data",
    "devices",
    "distributed",
    "dynamics",
    "errors",
    "evaluation",
    "fast",
    "files",
    "game",
    "guide",
    "latent",
    "losses",
    "metrics",
    "networks",
    "paper",
    "prior",
    "report",
    "sampling",
    "second_order",
    "sharing",
    "side_effects",
    "training",
    "turns",
]

__all__ = ["LatentStep", "Moved", "__version__", "game", "load", "train"]


def __dir__() -> list[str]:
    return sorted({*__all__, *ROOMS, "presets"})


def __getattr__(name: str) -> Any:
    """Import only what is used: torch alone takes seconds, in which the command could not even be interrupted cleanly."""
    if name in NAMES:
        return getattr(importlib.import_module(NAMES[name]), name)
    if name == "presets":
        return importlib.import_module("logan.config.presets")
    if name in ROOMS:
        return importlib.import_module(f"logan.{name}")
    raise AttributeError(f"module 'logan' has no attribute {name!r}")
