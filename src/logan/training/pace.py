"""How many steps a launch should play, and how far the host may run ahead of the device."""

from __future__ import annotations

import time
from collections import deque

import torch

from logan.devices import synchronize

LAUNCH = 5e-4
"""Seconds that the device should take for a launch, at least: the host needs some 100 µs for one."""
MOST = 64
"""Steps per launch."""
AHEAD = 0.5
"""Seconds of work that may wait for the device: so long a run may take to stop, and to let others have their turn."""
FIRST, LAST = 4, 12
"""The launches that are timed, of one step each: between these two."""


class Pace:
    """Told of every launch; knows after some how long a step takes, and waits where too many are on their way.

    Args:
        device: where the work is done.
    """

    def __init__(self, device: torch.device) -> None:
        self.per_launch = 1
        """Steps that a launch should play: a power of two."""
        self._device = device
        self._launches = 0
        self._waiting: deque[torch.cuda.Event] = deque()
        self._most_waiting = LAST

    def launched(self, steps: int) -> None:
        """A launch of so many steps has been made."""
        self._launches += 1
        if self._launches == FIRST:
            synchronize(self._device)
            self._began, self._steps = time.perf_counter(), 0
        elif FIRST < self._launches <= LAST:
            self._steps += steps
            if self._launches == LAST:
                synchronize(self._device)
                self.set(max(time.perf_counter() - self._began, 1e-9) / self._steps)
        if self._device.type == "cuda":
            self._wait()

    def set(self, seconds: float) -> None:
        """A step takes so many seconds."""
        while self.per_launch < MOST and self.per_launch * seconds < LAUNCH:
            self.per_launch *= 2
        self._most_waiting = max(2, int(AHEAD / (self.per_launch * seconds)))

    def _wait(self) -> None:
        event = torch.cuda.Event()
        event.record()
        self._waiting.append(event)
        while len(self._waiting) > self._most_waiting:
            self._waiting.popleft().synchronize()
