"""Work on many files at once, results in order. Threads: Pillow and zlib let go of Python's lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")
Progress = Callable[[Iterable[Any], str, int], Iterable[Any]]
"""progress(iterable, description, total) gives back the iterable, and may show how far it has come."""

CHUNK = 64  # a task per file would make the queue the bottleneck


def in_order(
    work: Callable[[int], Result],
    count: int,
    description: str,
    progress: Progress | None = None,
    threads: int | None = None,
) -> Iterator[Result]:
    """work(0), work(1), …, work(count − 1), computed by ``threads`` threads, by default one per core."""
    pool = ThreadPoolExecutor(threads or os.cpu_count())
    try:
        chunks = pool.map(
            lambda start: [work(i) for i in range(start, min(start + CHUNK, count))], range(0, count, CHUNK)
        )
        results = (result for chunk in chunks for result in chunk)
        yield from results if progress is None else progress(results, description, count)
    finally:
        pool.shutdown(cancel_futures=True)  # else Ctrl-C would wait for the whole queue
