"""The data set that settings name."""

from __future__ import annotations

from typing import Any, Literal

from logan.config.groups import DataConfig

from .dataset import InMemory, Streamed
from .mixtures import Mixture
from .open import open_data


def open_configured(
    settings: DataConfig, split: Literal["train", "test"] = "train", progress: Any = None
) -> InMemory | Streamed | Mixture:
    """The images that the settings name, at the size and with the channels that they ask for.

    Raises:
        InputError: if there are none, there is no such split, or they cannot be read.
    """
    return open_data(
        settings.data,
        image_size=settings.image_size,
        channels=settings.channels,
        pad=settings.pad,
        skip_broken=settings.skip_broken,
        progress=progress,
        split=split,
    )
