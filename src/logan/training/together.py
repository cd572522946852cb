"""Several runs at once in one process, in turns, each of which is the run that it would be alone.

On a GPU every run has a stream of its own: a turn only asks for work, so the work of all of them is done at the same time. On a CPU
nothing is gained by it.
"""

from __future__ import annotations

import os
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.backends import cudnn

from logan.devices import CUBLAS_WORKSPACE, choose_device
from logan.distributed import World
from logan.errors import first_line
from logan.interrupts import Stop, interrupts
from logan.training import random_states
from logan.training.begin import Request
from logan.training.board import Board
from logan.training.loop import running

_FILL: Any = torch.utils.deterministic

TURN = 0.02
"""Seconds of a turn, if no step takes longer."""
MOST = 8
"""Runs at a time, where memory decides: more share a GPU without becoming faster together."""
MARGIN = 1.5
"""Times what the largest run so far took of a GPU's memory must be free for another one: scoring takes more than training."""
SETTLED = 40
"""Steps or launches after which a run has taken what it takes: it has recorded, compiled and captured."""


def train_together(requests: Sequence[Request], at_most: int | None = None, quiet: bool = False) -> list[Path]:
    """Train all of them, some at a time; a run that fails does not stop the others.

    Args:
        requests: what :func:`logan.train` would be asked for, with a label for people.
        at_most: how many at a time; None for as many as the memory of their GPU permits, up to 8.
        quiet: show nothing.

    Returns:
        The run folders, in the order of the requests.

    Raises:
        KeyboardInterrupt: after saving the states of all runs that had begun, if they were interrupted.
        Exception: the first that a run raised, once all others are finished.
    """
    if not requests:
        return []
    if any(request.config.run.deterministic for request in requests):
        os.environ.setdefault(CUBLAS_WORKSPACE, ":4096:8")  # before the first run lets CUDA start
    board = Board(quiet)
    waiting = deque(enumerate(replace(request, board=board) for request in requests))
    playing: deque[tuple[int, _Player]] = deque()
    paths: dict[int, Path] = {}
    failures: list[Exception] = []
    device = choose_device(requests[0].config.run.device)
    room, before = _Room(at_most, lambda: _free_memory(device)), _Surroundings(device)
    interrupted = False
    with interrupts(held=True) as stop, board:
        while playing or (waiting and not stop.requested):
            if waiting and not stop.requested and room.for_another([player for _, player in playing]):
                number, request = waiting.popleft()
                playing.appendleft((number, _Player(request, stop)))
            number, player = playing.popleft()
            try:
                board.speaker = player.label
                player.turn()
                playing.append((number, player))
            except StopIteration as end:
                paths[number] = end.value
            except KeyboardInterrupt:
                interrupted = True
                if stop.twice:
                    raise
            except Exception as error:
                traceback.clear_frames(error.__traceback__)  # which would keep the run's tensors
                failures.append(error)
                board.say(f"stopped by an error, the others go on: {first_line(error)}", player.label)
            finally:
                before.put()
    if interrupted or stop.requested:
        raise KeyboardInterrupt
    if failures:
        raise failures[0]
    return [paths[i] for i in range(len(requests))]


class _Surroundings:
    """What of the process belongs to whom has the turn: random numbers, threads, and how kernels are chosen."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.take()

    def take(self) -> None:
        self._numbers, self._threads = random_states.take(self._device), torch.get_num_threads()
        self._cudnn = cudnn.benchmark, cudnn.deterministic
        self._mode, self._fill = torch.get_deterministic_debug_mode(), _FILL.fill_uninitialized_memory

    def put(self) -> None:
        random_states.put(self._numbers, self._device)
        cudnn.benchmark, cudnn.deterministic = self._cudnn
        _FILL.fill_uninitialized_memory = self._fill
        if torch.get_deterministic_debug_mode() != self._mode:
            torch.set_deterministic_debug_mode(self._mode)
        if torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)


class _Player:
    """A run that takes turns; its first begins it."""

    def __init__(self, request: Request, stop: Stop) -> None:
        self.label = request.label
        self.steps = 0
        device = choose_device(request.config.run.device)
        self._turns: Generator[None, None, Path] = running(request, stop, World())
        self._surroundings = _Surroundings(device)
        self._stream: AbstractContextManager[object] = nullcontext()
        if device.type == "cuda":
            self._stream = torch.cuda.stream(torch.cuda.Stream(device))

    def turn(self) -> None:
        """Play for a while.

        Raises:
            StopIteration: at the end of the run, with its folder.
        """
        self._surroundings.put()
        try:
            with self._stream:
                until = time.monotonic() + TURN
                while self.steps == 0 or time.monotonic() < until:
                    next(self._turns)
                    self.steps += 1
        finally:
            self._surroundings.take()


class _Room:
    """Whether another run may begin.

    Args:
        at_most: how many at a time; None lets memory decide.
        free: tells how many bytes are free.
    """

    def __init__(self, at_most: int | None, free: Callable[[], float]) -> None:
        self._at_most, self._free = at_most, free
        self._before: float | None = None
        self._largest = 0.0

    def for_another(self, playing: Sequence[_Player]) -> bool:
        """Beside those that are playing."""
        if self._at_most is not None:
            return len(playing) < self._at_most
        if any(player.steps < SETTLED for player in playing):
            return False
        free = self._free()
        if self._before is not None:
            self._largest = max(self._largest, self._before - free)
        if playing and (len(playing) >= MOST or MARGIN * self._largest > free):
            return False
        self._before = free
        return True


def _free_memory(device: torch.device) -> float:
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0.0
