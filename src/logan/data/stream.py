"""The endless stream of real batches that training reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from logan.errors import InputError

from .counter import MIRROR, blocks, permutation
from .dataset import Dataset, InMemory, Streamed
from .mixtures import Mixture

Batch = tuple[Tensor, Tensor | None]


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
    if batch < 1 or start < 0 or workers < 0:
        raise InputError(
            f"`batch` must be at least 1, start and workers at least 0, not {batch}, {start} and {workers}"
        )
    if isinstance(data, Mixture):
        return _points(data, batch, seed, start, device, own)
    if batch > len(data):
        raise InputError(
            f"{data.name}: the batch of {batch} is larger than the set of {len(data)}: pass a smaller `batch`"
        )
    if isinstance(data, InMemory):
        data = data.to(device)
    return _images(data, batch, seed, start, torch.device(device), mirror, workers, own)


def _points(
    mixture: Mixture, batch: int, seed: int, position: int, device: str | torch.device, own: slice
) -> Iterator[Batch]:
    places = range(batch)[own]
    while True:
        points, labels = mixture.draw(len(places), seed, position + places.start)
        yield points.to(device), labels.to(device)
        position += batch


def _images(
    data: Dataset,
    batch: int,
    seed: int,
    position: int,
    device: torch.device,
    mirror: bool,
    workers: int,
    own: slice,
) -> Iterator[Batch]:
    first = range(batch)[own].start
    order = (whole[own] for whole in _order(len(data), batch, seed, position))
    loaded = _ahead(data, order, device, workers) if workers and isinstance(data, Streamed) else map(data.batch, order)
    for images, labels in loaded:
        images = images.to(device, non_blocking=True)
        if mirror:
            images = _mirrored(images, seed, position + first)
        # 2v − 255 is exact and symmetric, so 0 and 255 become −1 and 1 whichever way a device rounds
        yield (
            images.float().mul_(2).sub_(255).mul_(1 / 255),
            None if labels is None else labels.to(device, non_blocking=True),
        )
        position += batch


def _order(n: int, batch: int, seed: int, position: int) -> Iterator[Tensor]:
    """Indices int64 (batch,) from ``position`` on."""
    epoch, offset = divmod(position, n)
    left = permutation(n, seed, epoch)[offset:]
    while True:
        while len(left) < batch:
            epoch += 1
            left = torch.cat([left, permutation(n, seed, epoch)])
        yield left[:batch]
        left = left[batch:]


def _mirrored(images: Tensor, seed: int, position: int) -> Tensor:
    heads = blocks(seed, MIRROR, position, len(images))[:, 0] >> np.uint64(63)
    flips = torch.from_numpy(heads.astype(bool)).to(images.device)
    return torch.where(flips[:, None, None, None], images.flip(3), images)


def _ahead(data: Streamed, order: Iterator[Tensor], device: torch.device, workers: int) -> Iterator[Batch]:
    loader: DataLoader[Any] = DataLoader(
        _Whole(data),  # type: ignore[arg-type]
        batch_size=None,  # the sampler gives whole batches
        sampler=(indices.tolist() for indices in order),  # numbers: tensors would go through shared memory
        num_workers=workers,
        pin_memory=device.type == "cuda",
        generator=torch.Generator(),  # else the loader draws its seed from the program's generator and disturbs it
    )
    for result in loader:
        if isinstance(result, str):
            raise InputError(result)
        yield result


class _Whole:
    """Whole batches for a worker. Bad input comes back as its message, since the loader would add a traceback to it."""

    def __init__(self, data: Streamed):
        self.data = data

    def __getitem__(self, indices: list[int]) -> Batch | str:
        try:
            return self.data.batch(torch.tensor(indices))
        except InputError as error:
            return str(error)
