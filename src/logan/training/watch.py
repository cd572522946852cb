"""What a person sees while a run goes on: a progress bar on a terminal, one line per tick elsewhere."""

from __future__ import annotations

import atexit
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from rich.console import Console

from logan.training.bars import Bars, duration, fields, rate
from logan.training.board import Board, Reports, print_line

T = TypeVar("T")
SECONDS_BETWEEN_LINES = 30
"""Of something that takes long, where there is no terminal for a bar."""
SHOWN = {"d_loss": "D loss", "g_loss": "G loss", "delta_z": "‖Δz‖"}


@contextmanager
def counting(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar with rate and time left for what counts images; a line now and then where there is no terminal, as for a batch job."""
    console = Console(stderr=True)
    started = said = time.monotonic()
    done = 0
    with Bars(console, console.is_terminal, transient=True) as bar:
        task = bar.add_task(description, total=total, **fields("images"))

        def advance(images: int) -> None:
            nonlocal done, said
            done += images
            bar.update(task, completed=done)
            now = time.monotonic()
            if not console.is_terminal and now - said >= SECONDS_BETWEEN_LINES:
                said, speed = now, done / max(now - started, 1e-9)
                left = f"{rate(speed)}, left {duration((total - done) / speed)}"
                console.print(f"{description}: {done:,} of {total:,}, {left}", highlight=False, soft_wrap=True)

        yield advance


def track(iterable: Iterable[T], description: str, total: int) -> Iterator[T]:
    """The same over ``iterable`` while images are read."""
    with counting(description, total) as advance:
        for item in iterable:
            yield item
            advance(1)


class Watch:
    """Progress over ``total`` images from ``start`` on.

    Args:
        total: images in the whole run.
        start: images already seen, when a run resumes.
        quiet: show nothing.
        board: where several runs are shown; None for a bar of its own.
        label: what the run is called there.
    """

    def __init__(
        self, total: int, start: int = 0, quiet: bool = False, board: Board | None = None, label: str = ""
    ) -> None:
        self.total, self.quiet, self.board, self.label = total, quiet, board, label
        self.console = Console(stderr=True, quiet=quiet) if board is None else board.console
        self.live = self.console.is_terminal and not quiet
        self.scored_by = ""
        """The detector of the scores, once there are any."""
        self._reports = Reports(self.say)
        self._bar = board.bar if board is not None else Bars(self.console, self.live)
        self.start = start

    def __enter__(self) -> Watch:
        self._task = self._bar.add_task(self.label, total=self.total, completed=self.start, **fields("kimg"))
        if self.board is None:
            self._bar.start()
            self._reports.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.board is not None:
            self._bar.remove_task(self._task)
            return
        with suppress(OSError):  # the terminal may be gone
            self._bar.stop()
        self._reports.stop()

    def say(self, message: str) -> None:
        """A line above the bar; "?" for bytes of a file's name that are no characters."""
        print_line(self.console, f"{self.label}: {message}" if self.label else message)

    def fraction_bar(self, description: str) -> Callable[[float], None]:
        """A callback that shows the fraction of something that is done.

        A bar of its own that goes away at 1; where there is no terminal, or a board for other bars, a line every half minute.
        """
        bar: Bars | None = None
        task = started = said = None

        def show(fraction: float) -> None:
            nonlocal bar, task, started, said
            now = time.monotonic()
            if bar is None or task is None or started is None or said is None:
                started = said = now
                # One bar at a time: while the run's own is there, lines.
                live = self.live and self.board is None and not self._bar.live.is_started
                bar = Bars(self.console, live, transient=True)
                task = bar.add_task(description, total=1.0, **fields())
                bar.start()
                atexit.register(bar.stop)  # gives the cursor back, if an interruption comes before the end
            bar.update(task, completed=fraction)
            if fraction >= 1:
                bar.stop()
            elif bar.disable and now - said > SECONDS_BETWEEN_LINES:
                said = now
                self.say(f"{description}: {fraction:.0%}, left {duration((now - started) * (1 / fraction - 1))}")

        return show

    def advance(self, images: int) -> None:
        """The run has now seen ``images`` images."""
        if self.live:
            self._bar.update(self._task, completed=images)

    def tick(self, record: dict[str, Any]) -> None:
        """A line of the log was written."""
        measured = " ".join(f"{k} {v:.2f}" for k, v in record.get("metrics", {}).items() if v is not None)
        measured += f" ({self.scored_by})" if measured and self.scored_by else ""
        losses = _losses(record)
        text = f"{losses} {measured}".strip()
        if self.live:
            self._bar.update(self._task, more=text if self.board is None else losses)
        else:
            self.say(
                f"tick {record['tick']:<4d} kimg {record['kimg']:<8.1f} {text}  "
                f"{rate(record['images_per_second'])}  left {duration(record['seconds_left'])}"
            )

    def between(self, losses: dict[str, float], images: int, speed: float, left: float) -> None:
        """A line while no line of the log is due, where there is no bar: ``losses`` are means since the last one."""
        text = f"between  kimg {images / 1000:<8.1f} {_losses(losses)}".rstrip()
        self.say(f"{text}  {rate(speed)}  left {duration(left)}")


def _losses(values: Mapping[str, float]) -> str:
    return " ".join(f"{short} {values[name]:.3f}" for name, short in SHOWN.items() if name in values)
