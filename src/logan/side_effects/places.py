"""What networks keep between passes: where it is, and how other things stand there for a while.

There are two ways to leave no trace. :class:`Replaced` puts *other tensors* into the places of modules and the originals back:
the graph of an earlier pass stays valid, and a copy may live on in the graph of this one. :class:`Values` puts *other numbers*
into the same tensors: for what holds on to the tensors themselves, such as an optimiser or a CUDA graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

Place = tuple[dict[str, Any], str]
"""Where a module keeps something: a dictionary of its, and the name in it."""


class Replaced(AbstractContextManager["Replaced"]):
    """Things put into places through it, and what stood there before put back at the end, last first."""

    def __init__(self) -> None:
        self._before: list[tuple[dict[str, Any], str, Any]] = []

    def put(self, place: Place, thing: Any) -> None:
        """Let ``thing`` stand in a place."""
        owner, name = place
        self._before.append((owner, name, owner[name]))
        owner[name] = thing

    def put_copies(self, part: nn.Module) -> None:
        """Give one module, and none of its children, copies of its state.

        State means buffers (running statistics, spectral-norm vectors, counters) and frozen parameters that are vectors (some
        spectral-norm implementations keep theirs as those).
        """
        for name, buffer in list(part._buffers.items()):
            if buffer is not None and not nn.parameter.is_lazy(buffer):
                self.put((part._buffers, name), buffer.clone())
        for name, parameter in list(part._parameters.items()):
            if parameter is not None and not parameter.requires_grad and _is_vector(parameter):
                self.put((part._parameters, name), parameter.detach().clone())  # a Parameter would hide from a tracer

    def set_mode(self, part: nn.Module, training: bool) -> None:
        """Put one module, and none of its children, into training or evaluation mode."""
        self.put((part.__dict__, "training"), training)

    def __exit__(self, *exception: object) -> None:
        while self._before:
            owner, name, thing = self._before.pop()
            owner[name] = thing


class Values:
    """The numbers that tensors have now."""

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        self.tensors = list(tensors)
        self.copies = [t.detach().clone() for t in self.tensors]

    @torch.no_grad()
    def put_back(self) -> None:
        """Into the same tensors."""
        for tensor, copy in zip(self.tensors, self.copies, strict=True):
            tensor.copy_(copy)


@contextmanager
def values_restored(tensors: Iterable[Tensor]) -> Iterator[None]:
    """Put tensors' numbers back at the end: a trial run must not move buffers."""
    before = Values(tensors)
    try:
        yield
    finally:
        before.put_back()


def _is_vector(parameter: nn.Parameter) -> bool:
    return not nn.parameter.is_lazy(parameter) and parameter.numel() == max(parameter.shape, default=0)
