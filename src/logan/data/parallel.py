"""Work on many files at once, results in order. Threads: Pillow and zlib let go of Python's lock."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")
Progress = Callable[[Iterable[Any], str, int], Iterable[Any]]
"""progress(iterable, description, total) gives back the iterable, and may show how far it has come."""

CHUNK = 64  # a task per file would make the queue the bottleneck
AHEAD = 3  # chunks per thread, running or waiting to be taken


def in_order(
    work: Callable[[int], Result],
    count: int,
    description: str,
    progress: Progress | None = None,
    threads: int | None = None,
) -> Generator[Result, None, None]:
    """work(0), work(1), …, work(count − 1), computed by ``threads`` threads, by default one per core.

    The threads stay at most ``AHEAD`` chunks each ahead of who takes the results, so that a slow disk does not fill the memory.
    """
    threads = threads or os.cpu_count() or 1
    pool = ThreadPoolExecutor(threads)
    try:
        results = _windowed(pool, work, count, AHEAD * threads)
        yield from results if progress is None else progress(results, description, count)
    finally:
        pool.shutdown(cancel_futures=True)  # else Ctrl-C would wait for the whole queue


def _windowed(pool: ThreadPoolExecutor, work: Callable[[int], Result], count: int, window: int) -> Iterator[Result]:
    def chunk(start: int) -> list[Result]:
        return [work(i) for i in range(start, min(start + CHUNK, count))]

    waiting: deque[Future[list[Result]]] = deque()
    for start in range(0, count, CHUNK):
        if len(waiting) == window:
            yield from waiting.popleft().result()
        waiting.append(pool.submit(chunk, start))
    while waiting:
        yield from waiting.popleft().result()
