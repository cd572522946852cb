"""LOGAN: latent optimisation for generative adversarial networks (Wu et al. 2019, arXiv 1912.00953).

``logan.LatentStep`` is the method, for a GAN of your own; ``logan.train`` and ``logan.load`` train and use ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from logan import game
    from logan.latent import LatentStep, Moved
    from logan.sampling import load
    from logan.training.loop import train

__version__ = "0.1.0"

__all__ = ["LatentStep", "Moved", "__version__", "game", "load", "train"]


def __dir__() -> list[str]:
    return __all__


_LAZY = {
    "LatentStep": "logan.latent",
    "Moved": "logan.latent",
    "load": "logan.sampling",
    "train": "logan.training.loop",
}


def __getattr__(name: str) -> Any:
    """Import only what is used: torch alone takes seconds, in which the command could not even be interrupted cleanly."""
    import importlib

    if name == "game":
        return importlib.import_module("logan.game")
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'logan' has no attribute {name!r}")
