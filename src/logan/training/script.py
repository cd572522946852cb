"""What the host decides of the next steps, laid out on the device ahead of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from logan.training.averaging import AveragedGenerator
from logan.training.setup import Parts

BYTES = 4 * 2**20
"""Of decisions laid out at a time."""
FEWEST, MOST = 2, 256
"""Steps laid out at a time."""


class Script:
    """For each of the next steps the weight of the average, and which real images come; read at a counter on the device.

    So a CUDA graph, which always reads the same memory, plays another step at each replay, and may play several.

    Args:
        parts: of a run.
        average: whose weight depends on how many images were seen.
        position: images seen so far.
        images: real images that a step takes.
    """

    def __init__(self, parts: Parts, average: AveragedGenerator, position: int, images: int) -> None:
        self._parts, self._average, self._images = parts, average, images
        self._supply = parts.supply(position)
        self._rows = self._decide(1)
        self.length = max(FEWEST, min(MOST, BYTES // sum(x.nbytes for x in self._rows)))
        """Steps that are laid out at a time."""
        shapes = [(self.length, *x.shape[1:]) for x in self._rows]
        where = parts.device
        self._buffers = [torch.empty(s, dtype=x.dtype, device=where) for s, x in zip(shapes, self._rows, strict=True)]
        self.counter = torch.zeros(1, dtype=torch.int64, device=where)
        """The step that is read next, counted from the first that is laid out."""
        self._left = 1
        self._lay_out()

    def have(self, steps: int) -> None:
        """See that so many steps, no more than ``length``, are laid out."""
        if self._left < steps:
            self._lay_out()

    def passed(self, steps: int) -> None:
        """So many steps have been read, and the counter was moved by them."""
        self._left -= steps

    @torch.no_grad()
    def read(self) -> tuple[Tensor, list[Sequence[Tensor]]]:
        """The weight () of the average, and the step's batches, each to be made by ``parts.real_batch``."""
        weight, *decided = (buffer.index_select(0, self.counter)[0] for buffer in self._buffers)
        return weight, [list(batch) for batch in zip(*decided, strict=True)]

    def batch(self, decided: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
        """Images and labels of one of the step's batches."""
        return self._parts.real_batch(self._supply, decided)

    @torch.no_grad()
    def advance(self) -> None:
        """To the next step."""
        self.counter.add_(1)

    @torch.no_grad()
    def _lay_out(self) -> None:
        """What is left first, then what follows."""
        left, more = self._left, self._decide(self.length - self._left)
        self._rows = [torch.cat([old[len(old) - left :], new]) for old, new in zip(self._rows, more, strict=True)]
        for buffer, rows in zip(self._buffers, self._rows, strict=True):
            buffer.copy_(rows.pin_memory() if buffer.is_cuda else rows, non_blocking=True)
        self.counter.zero_()
        self._left = self.length

    def _decide(self, steps: int) -> list[Tensor]:
        start, images = self._supply.position, self._images
        weights = [self._average.weight(images, start + (i + 1) * images) for i in range(steps)]
        batches = images // self._parts.config.game.batch
        decided = self._supply.decide(steps * batches)
        return [torch.tensor(weights, dtype=torch.float64), *(x.unflatten(0, (steps, batches)) for x in decided)]
