"""By what a run knows its data again."""

from __future__ import annotations

import hashlib

import torch

from .dataset import Dataset
from .mixtures import Mixture


def fingerprint(data: Dataset | Mixture) -> str:
    """A hash by which a resumed run knows its data again: sizes, labels, and up to 256 images spread over the set."""
    digest = hashlib.sha256(f"{data.image_size} {data.channels} {data.num_classes}".encode())
    if isinstance(data, Mixture):
        digest.update(f"{data.std} {data.centres.tolist()}".encode())
        return digest.hexdigest()
    digest.update(str(len(data)).encode())
    for i in range(0, len(data), max(1, len(data) // 256)):
        image, label = data.batch(torch.tensor([i]))
        digest.update(image.cpu().numpy().tobytes())
        digest.update(b"-" if label is None else str(label.item()).encode())
    return digest.hexdigest()
