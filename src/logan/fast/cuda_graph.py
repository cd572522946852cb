"""Launch a recording's kernels all at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from logan.side_effects.places import values_restored


class CudaGraph:
    """A recording's function of CUDA tensors, captured at the first call and replayed at every call.

    What a call returns is overwritten by the next call.

    Args:
        function: of tensors, to a sequence of tensors and None.
        kept: how many of its first arguments are read and written where they are (weights and buffers); the others are
            copied to where the graph reads them. If one of the first has moved, the graph is captured anew.
    """

    def __init__(self, function: Callable[..., Any], kept: int) -> None:
        self.function = function
        self.kept = kept
        self._addresses: list[int] = []

    def __call__(self, *arguments: Tensor) -> Any:
        """The function's results."""
        if self._addresses != [a.data_ptr() for a in arguments[: self.kept]]:
            self._capture(arguments)
        for mine, given in zip(self._inputs, arguments[self.kept :], strict=True):
            mine.copy_(given, non_blocking=True)
        self._graph.replay()
        return self._results

    def _capture(self, arguments: tuple[Tensor, ...]) -> None:
        state = list(arguments[: self.kept])
        self._inputs = [a.clone() for a in arguments[self.kept :]]
        self._graph = torch.cuda.CUDAGraph()
        side, main = torch.cuda.Stream(), torch.cuda.current_stream()
        with values_restored(state):
            side.wait_stream(main)
            with torch.cuda.stream(side):  # libraries choose their kernels at the first calls
                for _ in range(2):
                    self.function(*state, *self._inputs)
            main.wait_stream(side)
        with torch.cuda.graph(self._graph):
            self._results = self.function(*state, *self._inputs)
        self._addresses = [a.data_ptr() for a in state]
