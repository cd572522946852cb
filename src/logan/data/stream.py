"""The endless stream of real batches that training reads."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from logan.errors import InputError

from .dataset import Dataset, InMemory
from .mixtures import Mixture
from .supply import Batch, HeldImages, Points, SentImages, Supply

SHARE_OF_FREE_MEMORY = 0.5
"""Of a GPU's: a set that takes more is not held there, but sent batch by batch."""


def batches(
    data: Dataset | Mixture,
    *,
    batch: int,
    seed: int,
    start: int = 0,
    device: str | torch.device = "cpu",
    mirror: bool = False,
    workers: int = 0,
    own: slice = slice(None),
) -> Iterator[Batch]:
    """Batches without end: images float32 (B, C, H, W) in [−1, 1] and labels int64 (B,) or None, on ``device``.

    What comes is a pure function of (seed, position), where position is the number of images that came before. So an
    exact resume saves one number: ``start``. Each epoch is a permutation of the set; a batch may cross into the next.

    Args:
        data: a set of images, or a mixture.
        batch: images per batch.
        seed: of the order, the mirroring, and the points of a mixture.
        start: position to begin at, in images.
        device: where batches shall be; an :class:`InMemory` set is moved there once, as uint8.
        mirror: flip each image left to right with probability 1/2.
        workers: processes that decode a :class:`Streamed` set ahead of time; they change no batch.
        own: which of each batch come: those of one rank of several, which together see what one would.

    Raises:
        InputError: the batch is larger than the set, or a number is out of range.
    """
    return _one_by_one(supply(data, batch, seed, start, device, mirror, workers, own), torch.device(device))


def _one_by_one(supplied: Supply, device: torch.device) -> Iterator[Batch]:
    while True:
        yield supplied.batch([x[0].to(device, non_blocking=True) for x in supplied.decide(1)])


def supply(
    data: Dataset | Mixture,
    batch: int,
    seed: int,
    start: int,
    device: str | torch.device,
    mirror: bool,
    workers: int,
    own: slice = slice(None),
) -> Supply:
    """The stream of :func:`batches` in two halves; the arguments are the same."""
    if batch < 1 or start < 0 or workers < 0:
        raise InputError(
            f"`batch` must be at least 1, start and workers at least 0, not {batch}, {start} and {workers}"
        )
    where = (batch, seed, start, own)
    if isinstance(data, Mixture):
        return Points(data, *where)
    check_batch(data, batch)
    device = torch.device(device)
    if isinstance(data, InMemory) and _has_room(device, data.images):
        return HeldImages(data.to(device), mirror, *where)
    return SentImages(data, mirror, workers, device.type == "cuda", *where)


def check_batch(data: Dataset | Mixture, batch: int) -> None:
    """Refuse a batch (InputError) that is larger than the set."""
    if not isinstance(data, Mixture) and batch > len(data):
        raise InputError(
            f"{data.name}: the batch of {batch} is larger than the set of {len(data)}: pass a smaller `batch`"
        )


def _has_room(device: torch.device, images: torch.Tensor) -> bool:
    if device.type != "cuda" or images.device.type == "cuda":
        return True
    return images.nbytes <= SHARE_OF_FREE_MEMORY * torch.cuda.mem_get_info(device)[0]
