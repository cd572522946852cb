"""LOGAN: latent optimisation for generative adversarial networks (Wu et al. 2019, arXiv 1912.00953).

``logan.LatentStep`` is the method, for a GAN of your own; ``logan.train`` and ``logan.load`` train and use ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from logan.latent import LatentStep, Moved

if TYPE_CHECKING:
    from logan.sampling import load
    from logan.training.loop import train

__version__ = "0.1.0"

__all__ = ["LatentStep", "Moved", "__version__", "load", "train"]


def __dir__() -> list[str]:
    return __all__


_LAZY = {"load": "logan.sampling", "train": "logan.training.loop"}


def __getattr__(name: str) -> Any:
    """Import what needs more than torch only when it is used."""
    import importlib

    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'logan' has no attribute {name!r}")
