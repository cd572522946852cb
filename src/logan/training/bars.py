"""Progress bars that keep what matters at every width: how fast, and how long still."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.progress import Progress, Task
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

NARROWEST, WIDEST = 5, 40
"""Columns of a bar."""
FREE = 3
"""Columns at the right that nothing is drawn in: there the terminal writes ^C, and if that went to a new line, the bar would be
drawn a second time below its own remains."""
SECONDS_OF_SPEED = 120
"""Over which a rate is taken: a step may take long, and no bar should jump about."""


def duration(seconds: float) -> str:
    """A time as a person says it, in its two largest units: 4d 17h, 3h 12m, 2m 05s."""
    whole = max(0, int(seconds))
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days:,}d {hours}h"
    if hours:
        return f"{hours}h {minutes:02d}m"
    return f"{minutes}m {whole % 60:02d}s" if minutes else f"{whole}s"


def rate(per_second: float) -> str:
    """Images per second."""
    return f"{per_second:,.0f} img/s" if per_second >= 10 else f"{per_second:.2g} img/s"


class Bars(Progress):
    """A line for each task: a bar, the share that is done, the rate, the time left; more where there is room.

    Fields of a task: ``unit``, of what is counted: ``kimg``, ``images``, or empty where no number means anything to a person;
    ``more``, text that stands below (or, of one of several tasks, at the end, if there is room).
    """

    def __init__(self, console: Console, live: bool, transient: bool = False) -> None:
        self._terminal = console
        super().__init__(console=console, disable=not live, transient=transient, speed_estimate_period=SECONDS_OF_SPEED)

    def get_renderables(self) -> Iterable[RenderableType]:
        """The lines, for the width that the terminal has now."""
        width, below = max(1, self._terminal.width - FREE), len(self.tasks) == 1
        label = max((cell_len(task.description) for task in self.tasks), default=0)
        taken = max((cell_len(" ".join(_parts(task)[0])) for task in self.tasks), default=0)
        label = min(label, max(0, width - NARROWEST - taken - 2))
        for task in self.tasks:
            more = task.fields.get("more", "")
            yield _line(task, width, label, "" if below else more)
            if below and more:
                text = Text(more, no_wrap=True)
                text.truncate(width, overflow="ellipsis")
                yield text


def _line(task: Task, width: int, label: int, more: str) -> RenderableType:
    needed, extra = _parts(task)
    if more:
        extra.append(more)
    room = width - NARROWEST - 1 - (label + 1 if label else 0)
    parts = [*needed]
    for part in extra:
        if cell_len(" ".join([*parts, part])) <= room:
            parts.append(part)
    bar = max(1, min(WIDEST, NARROWEST + room - cell_len(" ".join(parts))))
    line = Table.grid(padding=(0, 1))
    for _ in range(3 if label else 2):
        line.add_column(no_wrap=True)
    cells: list[RenderableType] = [
        ProgressBar(task.total or 1, task.completed, width=bar, animation_time=task.get_time()),
        Text(" ".join(parts), no_wrap=True),
    ]
    if label:
        name = Text(task.description, no_wrap=True)
        name.truncate(label, overflow="ellipsis", pad=True)
        cells.insert(0, name)
    line.add_row(*cells)
    return line


def _parts(task: Task) -> tuple[list[str], list[str]]:
    """What must be seen, and what may be left out."""
    unit, total = task.fields.get("unit", ""), task.total or 0
    needed, extra = [f"{task.percentage:3.0f}%"], []
    speed = task.finished_speed or task.speed
    if speed:
        if unit:
            needed.append(rate(speed))
        needed.append(f"left {duration(max(0, total - task.completed) / speed)}")
    if unit == "kimg":
        extra.append(f"{task.completed / 1000:,.0f} of {total / 1000:,.0f} kimg")
    elif unit:
        extra.append(f"{task.completed:,.0f} of {total:,.0f}")
    if task.elapsed is not None:
        extra.append(f"after {duration(task.elapsed)}")
    return needed, extra


def fields(unit: str = "", more: str = "") -> dict[str, Any]:
    """The fields of a task."""
    return {"unit": unit, "more": more}
