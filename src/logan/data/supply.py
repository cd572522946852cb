"""Real batches in two halves: what is decided on the host, and what the device makes of it.

Which images come next, and which of them are mirrored, is a pure function of (seed, position) and is decided on the host, for as
many batches ahead as one likes. The second half is made of operations of the device alone, so that a CUDA graph can hold it.
"""

from __future__ import annotations

import atexit
import multiprocessing.util  # its own end comes after that of what is registered below  # noqa: F401
import sys
import weakref
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from logan.errors import InputError
from logan.interrupts import leave_stopping_to_the_parent, waiting

from .counter import MIRROR, blocks, permutation
from .dataset import Dataset, InMemory, Streamed
from .mixtures import Mixture

Batch = tuple[Tensor, Tensor | None]


_with_workers: weakref.WeakSet[Supply] = weakref.WeakSet()


@atexit.register
def _end_workers() -> None:
    """Of those that nobody has ended, or that are in a circle which Python has not looked for."""
    for supplied in list(_with_workers):
        supplied.end()


class Supply(ABC):
    """The batches from some position on.

    Args:
        batch: images per batch, of all ranks.
        seed: of the order, the mirroring, and the points of a mixture.
        position: images that came before.
        own: which of each batch come.
    """

    def __init__(self, batch: int, seed: int, position: int, own: slice) -> None:
        self.size, self.seed, self.position, self.own = batch, seed, position, own

    def decide(self, count: int) -> list[Tensor]:
        """What the next ``count`` batches are: tensors (count, B, …) on the CPU."""
        decided = self._decide(count)
        self.position += count * self.size
        return decided

    @abstractmethod
    def _decide(self, count: int) -> list[Tensor]: ...

    @abstractmethod
    def batch(self, decided: Sequence[Tensor]) -> Batch:
        """Images float32 (B, C, H, W) in [−1, 1] and labels int64 (B,) or None, of one batch's tensors (B, …) on the device."""

    def end(self) -> None:  # noqa: B027 (most have nothing to end)
        """Let go of processes; no batch comes after that."""

    def _flips(self, count: int) -> Tensor:
        """Whom to mirror, bool (count, B): each image with probability 1/2."""
        heads = blocks(self.seed, MIRROR, self.position, count * self.size)[:, 0] >> np.uint64(63)
        return torch.from_numpy(heads.astype(bool)).view(count, self.size)[:, self.own]


class HeldImages(Supply):
    """Of a set in the memory of the device: their numbers are decided, and the device looks them up."""

    def __init__(self, data: InMemory, mirror: bool, *where: Any) -> None:
        super().__init__(*where)
        self.data, self.mirror = data, mirror
        self._order = order(len(data), self.size, self.seed, self.position)

    def _decide(self, count: int) -> list[Tensor]:
        indices = torch.stack([next(self._order)[self.own] for _ in range(count)])
        return [indices, self._flips(count)] if self.mirror else [indices]

    def batch(self, decided: Sequence[Tensor]) -> Batch:
        """The images of those numbers."""
        images, labels = self.data.batch(decided[0])
        return _in_range(images, decided[1] if self.mirror else None), labels


class SentImages(Supply):
    """Of a set that the device does not hold: uint8 images are sent there.

    Args:
        pin: keep what ``workers`` decoded in memory from which a GPU can fetch it by itself.
    """

    def __init__(self, data: Dataset, mirror: bool, workers: int, pin: bool, *where: Any) -> None:
        super().__init__(*where)
        self.mirror, self.labelled = mirror, data.num_classes > 0
        places = _own_places(order(len(data), self.size, self.seed, self.position), self.own)
        self._loaded: Iterator[Batch] = map(data.batch, places)
        self._ahead: Generator[Batch, None, None] | None = None
        if workers and isinstance(data, Streamed):
            self._loaded = self._ahead = _ahead(data, places, pin, workers)
            _with_workers.add(self)

    def end(self) -> None:
        """End the workers: they let the SIGTERM pass with which Python would end them, and would be waited for without end."""
        if self._ahead is not None:
            self._ahead.close()

    def _decide(self, count: int) -> list[Tensor]:
        batches = [[x for x in next(self._loaded) if x is not None] for _ in range(count)]
        decided = [parts[0][None] if count == 1 else torch.stack(parts) for parts in zip(*batches, strict=True)]
        return [*decided, self._flips(count)] if self.mirror else decided

    def batch(self, decided: Sequence[Tensor]) -> Batch:
        """Those images."""
        return _in_range(decided[0], decided[-1] if self.mirror else None), decided[1] if self.labelled else None


class Points(Supply):
    """Of a mixture: the points themselves."""

    def __init__(self, mixture: Mixture, *where: Any) -> None:
        super().__init__(*where)
        self.mixture = mixture

    def _decide(self, count: int) -> list[Tensor]:
        points, labels = self.mixture.draw(count * self.size, self.seed, self.position)
        shapes = ((points, points.shape[1:]), (labels, ()))
        return [x.view(count, self.size, *shape)[:, self.own] for x, shape in shapes]

    def batch(self, decided: Sequence[Tensor]) -> Batch:
        """Those points."""
        return decided[0], decided[1]


def order(n: int, batch: int, seed: int, position: int) -> Iterator[Tensor]:
    """Indices int64 (batch,) from ``position`` on: epoch by epoch a permutation of n; a batch may cross into the next."""
    epoch, offset = divmod(position, n)
    left = permutation(n, seed, epoch)[offset:]
    while True:
        while len(left) < batch:
            epoch += 1
            left = torch.cat([left, permutation(n, seed, epoch)])
        yield left[:batch]
        left = left[batch:]


def _own_places(all_places: Iterator[Tensor], own: slice) -> Iterator[Tensor]:
    """Refers to no :class:`Supply`: in a circle, it would keep the workers alive until someone looks for circles."""
    return (whole[own] for whole in all_places)


def _in_range(images: Tensor, flips: Tensor | None) -> Tensor:
    if flips is not None:
        images = torch.where(flips[:, None, None, None], images.flip(3), images)
    # 2v − 255 is exact and symmetric, so 0 and 255 become −1 and 1 whichever way a device rounds
    return images.float().mul_(2).sub_(255).mul_(1 / 255)


def _ahead(data: Streamed, places: Iterator[Tensor], pin: bool, workers: int) -> Generator[Batch, None, None]:
    loader: DataLoader[Any] = DataLoader(
        _Whole(data),  # type: ignore[arg-type]
        batch_size=None,  # the sampler gives whole batches
        sampler=(indices.tolist() for indices in places),  # numbers: tensors would go through shared memory
        num_workers=workers,
        pin_memory=pin,
        worker_init_fn=_begin_worker,
        generator=torch.Generator(),  # else the loader draws its seed from the program's generator and disturbs it
    )
    with waiting():
        results = iter(loader)
    try:
        for result in results:
            if isinstance(result, str):
                raise InputError(result)
            yield result
    finally:
        with waiting():  # torch ends the workers in a finaliser, where Python prints an interruption and goes on
            del results


def _begin_worker(number: int) -> None:
    leave_stopping_to_the_parent()
    sys.excepthook = _tell


def _tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """All but what a stop does to a connection in between: errors of images go to the parent, which says them."""
    if not issubclass(kind, ConnectionError | EOFError):
        sys.__excepthook__(kind, error, trace)


class _Whole:
    """Whole batches for a worker. Bad input comes back as its message, since the loader would add a traceback to it."""

    def __init__(self, data: Streamed):
        self.data = data

    def __getitem__(self, indices: list[int]) -> Batch | str:
        try:
            return self.data.batch(torch.tensor(indices))
        except InputError as error:
            return str(error)
