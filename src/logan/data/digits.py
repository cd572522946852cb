"""The 1,797 handwritten digits of 8×8 pixels that come with the library: a real data set for every machine."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import torch

from .dataset import InMemory


def load_digits() -> InMemory:
    """1,797 grey images, 8×8, ten classes; the file's levels 0 … 16 become 0 … 255, rounded.

    Source: UCI "Optical Recognition of Handwritten Digits" (Alpaydin & Kaynak 1998), the test part, as scikit-learn
    ships it; ``benchmarks/make_digits.py`` made the file.
    """
    with (files("logan.data") / "embedded" / "digits.npz").open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        levels, labels = arrays["images"], arrays["labels"]
    images = np.rint(levels * (255 / 16)).astype(np.uint8)
    return InMemory(torch.from_numpy(images)[:, None], torch.from_numpy(labels).long(), "digits")
