"""CUDA graphs: what was noted once is launched as a whole."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from logan.side_effects import same_random_numbers_next
from logan.side_effects.places import values_restored

T = TypeVar("T")


class Graph(Protocol):
    """What is noted once and then played as often as one likes.

    Everything that the host computed while it was noted is the same at every play; random numbers are drawn anew.
    """

    def capture(self, function: Callable[[], T]) -> T:
        """Note what ``function`` asks of the device, without doing it. What it returns has its numbers after a replay."""
        ...

    def replay(self) -> None:
        """Do all of it, in the present stream."""
        ...


def can_capture(device: torch.device) -> bool:
    """Whether the device has graphs."""
    return device.type == "cuda"


def new_graph(device: torch.device, generators: Sequence[torch.Generator] = (), beside: Graph | None = None) -> Graph:
    """A graph to be captured: the one place where they are made.

    Args:
        device: where the work is done.
        generators: from which it draws random numbers, besides the device's own.
        beside: a graph that is never played at the same time as this one: they share memory.
    """
    return DeviceGraph(device, generators, beside)


_underway = 0


def capturing() -> bool:
    """Whether a function is being noted: nothing may be read from the device meanwhile, and nothing happens."""
    return _underway > 0


def capture(graph: Graph, function: Callable[[], T]) -> T:
    """``graph.capture(function)``, of which :func:`capturing` knows."""
    global _underway
    _underway += 1
    try:
        return graph.capture(function)
    finally:
        _underway -= 1


class DeviceGraph:
    """A graph of a CUDA device.

    torch leaves a generator that takes part in a failed capture in a state in which it refuses to draw until the process
    ends ("Offset increment outside graph capture"). So a graph is captured with states of its own in the generators' places;
    at a replay these are set to where the generators are, and the generators to where the replay left them.

    Each capture has cuBLAS's workspace to itself, in its own memory: torch keeps one per stream, and two graphs that were
    captured in one stream and are played in two at the same time would write into each other's.
    """

    def __init__(self, device: torch.device, generators: Sequence[torch.Generator], beside: Graph | None) -> None:
        self.device = torch.device("cuda", torch.cuda.current_device() if device.index is None else device.index)
        self._generators = [torch.cuda.default_generators[self.device.index], *generators]
        shared = beside if isinstance(beside, DeviceGraph) else None
        self._pool: Any = torch.cuda.graph_pool_handle() if shared is None else shared._pool
        # torch's allocator gives what was freed in a stream to that stream alone
        self._side: torch.cuda.Stream = torch.cuda.Stream(self.device) if shared is None else shared._side

    def capture(self, function: Callable[[], T]) -> T:
        """See :class:`Graph`.

        Raises:
            Exception: whatever torch or the driver raises where something cannot be captured; the process can go on.
        """
        self._graph = torch.cuda.CUDAGraph()
        self._own = [generator.clone_state() for generator in self._generators]
        try:
            with torch.cuda.device(self.device), self._own_states(), _own_workspaces(), _stream_stays(self.device):
                for generator in self._generators[1:]:
                    self._graph.register_generator_state(generator)
                # A thread that loads data may use the device meanwhile.
                mode = "thread_local"
                with torch.cuda.graph(self._graph, self._pool, self._side, capture_error_mode=mode):
                    return function()
        except BaseException:
            with contextlib.suppress(
                Exception
            ):  # torch's allocator otherwise believes that it goes on, and keeps its memory
                names = (
                    "_cuda_endAllocateToPool",
                    "_cuda_endAllocateCurrentStreamToPool",
                )  # older torch has the second
                next(vars(torch._C)[n] for n in names if n in vars(torch._C))(self.device.index, self._pool)
                torch._C._cuda_releasePool(self.device.index, self._pool)
            raise

    def replay(self) -> None:
        """See :class:`Graph`."""
        for generator, own in zip(self._generators, self._own, strict=True):
            own.set_state(generator.get_state())
        self._graph.replay()
        for generator, own in zip(self._generators, self._own, strict=True):
            generator.set_state(own.get_state())

    @contextlib.contextmanager
    def _own_states(self) -> Iterator[None]:
        before = [generator.graphsafe_get_state() for generator in self._generators]
        try:
            for generator, own in zip(self._generators, self._own, strict=True):
                generator.graphsafe_set_state(own)
            yield
        finally:
            for generator, state in zip(self._generators, before, strict=True):
                generator.graphsafe_set_state(state)


@contextlib.contextmanager
def _stream_stays(device: torch.device) -> Iterator[None]:
    """``torch.cuda.graph`` leaves its stream the present one where the capture could not be ended."""
    before = torch.cuda.current_stream(device)
    try:
        yield
    finally:
        torch.cuda.set_stream(before)


@contextlib.contextmanager
def _own_workspaces() -> Iterator[None]:
    torch._C._cuda_clearCublasWorkspaces()
    try:
        yield
    finally:
        torch._C._cuda_clearCublasWorkspaces()


class CudaGraph:
    """A recording's function of tensors, captured at the first call and replayed at every call.

    What a call returns is overwritten by the next call. Inside another capture the function itself is called.

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
        if capturing():
            return self.function(*arguments)
        if self._addresses != [a.data_ptr() for a in arguments[: self.kept]]:
            self._capture(arguments)
        for mine, given in zip(self._inputs, arguments[self.kept :], strict=True):
            mine.copy_(given, non_blocking=True)
        self._graph.replay()
        return self._results

    def _capture(self, arguments: tuple[Tensor, ...]) -> None:
        state = list(arguments[: self.kept])
        self._inputs = [a.clone() for a in arguments[self.kept :]]
        with values_restored(state), same_random_numbers_next(*(a.device for a in arguments)):
            for _ in range(2):  # libraries choose their kernels at the first calls
                self.function(*state, *self._inputs)
        self._graph = new_graph(arguments[0].device)
        self._results = capture(self._graph, lambda: self.function(*state, *self._inputs))
        self._addresses = [a.data_ptr() for a in state]
