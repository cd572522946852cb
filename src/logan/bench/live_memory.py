"""Memory that code holds at any moment, read off the tensors that it makes: exact for tensors that hold no numbers, too."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode


class LiveMemory(TorchDispatchMode):
    """Counts the bytes of tensors made inside ``with`` and still alive, those that autograd keeps included.

    What kernels use for themselves while they run is not seen; neither are tensors that were there before.

    Args:
        batch: a batch size that divides no other dimension; bytes that it divides are taken to grow with the batch, and
            :meth:`most` then knows the peak of every other batch.
    """

    def __init__(self, batch: int) -> None:
        super().__init__()
        self.batch = batch
        self._known: set[int] = set()
        self._now = [0, 0]  # what is fixed, and what grows with the batch
        self._moments: set[tuple[int, int]] = {(0, 0)}

    def most(self, batch: int | None = None) -> int:
        """The most bytes at any moment, for a batch of that size; by default the one that was run."""
        size = self.batch if batch is None else batch
        return max(fixed + growing * size // self.batch for fixed, growing in self._moments)

    def moments(self) -> list[tuple[int, int]]:
        """Bytes that are fixed and bytes that grow with the batch, at all moments that are the worst for some batch."""
        worst: list[tuple[int, int]] = []
        for fixed, growing in sorted(self._moments, reverse=True):
            if not worst or growing > worst[-1][1]:
                worst.append((fixed, growing))
        return worst

    @classmethod
    def of(cls, batch: int, moments: Iterable[tuple[int, int]]) -> LiveMemory:
        """One that was counted before."""
        memory = cls(batch)
        memory._moments = {(fixed, growing) for fixed, growing in moments}
        return memory

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        for given in _storages((args, kwargs)):
            self._known.add(given._cdata)  # if it is new to us, it was made before
        result = func(*args, **kwargs)
        for storage in _storages(result):
            key = storage._cdata
            if key not in self._known:
                self._known.add(key)
                self._count(storage.nbytes(), 1)
                self._moments.add((self._now[0], self._now[1]))
                weakref.finalize(storage, self._gone, key, storage.nbytes()).atexit = False
        return result

    def _count(self, size: int, sign: int) -> None:
        self._now[size % self.batch == 0] += sign * size

    def _gone(self, key: int, size: int) -> None:
        self._known.discard(key)
        self._count(size, -1)


def _storages(values: Any) -> list[torch.UntypedStorage]:
    return [x.untyped_storage() for x in pytree.tree_leaves(values) if isinstance(x, Tensor)]
