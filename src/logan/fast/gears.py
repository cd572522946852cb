"""Gears above the recording: compiled, captured, or both; each is tried, and left out where it does not work."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from logan.errors import InputError, first_line
from logan.fast import EngineName
from logan.fast.cuda_graph import CudaGraph
from logan.fast.recording import Recording
from logan.fast.trial import copy_of, on_trial
from logan.files import cache_folder

log = logging.getLogger("logan.fast")
"""Told what takes long, at level INFO; what falls back is announced to the game."""
BACKEND = "inductor"
COMPILE_LIMIT = 300.0
"""Seconds that a compilation may take: what is larger is played as it was recorded."""
SECONDS_BETWEEN_LINES = 30.0

Gear = Callable[[Recording], Callable[..., Any]]


def improve(
    recording: Recording, inputs: Sequence[Tensor | None], kind: EngineName, announce: Callable[[str], None]
) -> None:
    """Shift a recording up to ``kind``, gear by gear; one that does not work here is announced, and the next is tried.

    Every gear plays the recording once, on ``inputs``, without a trace in the networks or the random numbers.
    """
    for name, gear in GEARS[kind]:
        before = recording.run
        with on_trial(recording.attributes):
            try:
                recording.run = gear(recording)
                recording(recording.attributes, *map(_copied, inputs))
            except Exception as error:  # compilers and drivers raise what they like
                recording.run = before
                reason = f"{type(error).__name__}: {first_line(error)}"
                announce(f"playing on without it, same results: {name} does not work here ({reason})")


def _compiled(recording: Recording) -> Callable[..., Any]:
    """Through ``torch.compile``, which fuses what is elementwise; the compilation happens at the first call."""
    _keep_compiled()
    options: Any = {"fallback_random": True} if BACKEND == "inductor" else None  # torch's own random numbers
    run = torch.compile(recording.run, fullgraph=True, dynamic=False, backend=BACKEND, options=options)
    compiled = False

    def first_slowly(*arguments: Tensor) -> Any:
        nonlocal compiled
        if compiled:
            return run(*arguments)
        began = time.monotonic()
        with _said_while_it_lasts(), _without_tracebacks(), _within(COMPILE_LIMIT):
            results = run(*arguments)
        compiled = True
        log.info("compiled in %.0f s", time.monotonic() - began)
        return results

    return first_slowly


def _copied(x: Tensor | None) -> Tensor | None:
    return None if x is None else copy_of(x)


def _captured(recording: Recording) -> Callable[..., Any]:
    recording.keeps_addresses = True
    return CudaGraph(recording.run, kept=len(recording.attributes.places))


GEARS: dict[str, tuple[tuple[str, Gear], ...]] = {
    "recorded": (),
    "compiled": (("compiled", _compiled),),
    "cuda-graph": (("cuda-graph", _captured),),
    "compiled-graph": (("compiled", _compiled), ("cuda-graph", _captured)),
}
"""By engine, what is done to a recording, in order."""
INSIDE: dict[str, EngineName] = {"cuda-graph": "recorded", "compiled-graph": "compiled"}
"""By engine that captures turns, the one whose turns are captured: what is played inside a larger graph."""


def _keep_compiled() -> None:
    """Keep what inductor compiles beside the other things that are computed once, not in the folder for temporary files.

    That folder is torch's own choice, which it writes into the environment when it is imported; another choice stands.
    """
    given = os.environ.get("TORCHINDUCTOR_CACHE_DIR")
    own_choice = given is None or Path(given).name.startswith("torchinductor_")
    if own_choice:
        with suppress(InputError):  # then torch's it is
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(cache_folder() / "compiled")
    os.environ.setdefault("TORCHINDUCTOR_FX_GRAPH_CACHE", "1")


@contextmanager
def _said_while_it_lasts() -> Iterator[None]:
    over, began = threading.Event(), time.monotonic()

    def say() -> None:
        while not over.wait(SECONDS_BETWEEN_LINES):
            log.info("compiling: %.0f s", time.monotonic() - began)

    thread = threading.Thread(target=say, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def _without_tracebacks() -> Iterator[None]:
    """What fails is announced in a sentence; torch's log would have pages of it."""
    handlers = [h for name in ("torch", "torch._dynamo", "torch._inductor") for h in logging.getLogger(name).handlers]

    def not_torch(record: logging.LogRecord) -> bool:
        return not record.name.startswith("torch")

    for handler in handlers:
        handler.addFilter(not_torch)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(not_torch)


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raise TimeoutError inside after so many seconds. In the main thread of a POSIX system; elsewhere there is no limit."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def too_long(number: int, frame: FrameType | None) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except _TooLong:
        raise TimeoutError(f"it took more than {seconds:.0f} s") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class _TooLong(BaseException):
    """No Exception: compilers swallow those."""
