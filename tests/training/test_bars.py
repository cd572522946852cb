"""What a person sees of a run: rate, bar and time left, whatever the terminal's width."""

import io
import re

import pytest
from rich.console import Console

from logan.training import watch
from logan.training.bars import FREE, Bars, duration, fields, rate
from logan.training.board import Board

LOSSES = "D loss 1.234 G loss -0.567 ‖Δz‖ 0.123 fid10k 1234.56 is10k 12.34"


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def drawn(width, *runs, encoding="utf-8", each=5.0):
    """The lines that a terminal of this width shows of runs (label, total, images per second, more) after some steps."""
    clock = Clock()
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding, errors="replace")
    bar = Bars(Console(file=out, width=width, force_terminal=True, color_system=None, legacy_windows=False), live=True)
    bar.get_time = clock
    tasks = [bar.add_task(label, total=total, **fields("kimg", more)) for label, total, _, more in runs]
    for step in range(1, 8):
        clock.now = step * each
        for task, (_, _, speed, _) in zip(tasks, runs, strict=True):
            bar.update(task, completed=clock.now * speed)
    for task in bar.tasks:
        task.get_time = clock
    bar.console.print(bar.get_renderable())
    out.flush()
    text = raw.getvalue().decode(encoding)
    return [line.rstrip() for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).splitlines()]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
@pytest.mark.parametrize(("total", "speed"), [(600_000, 4321.0), (10_000_000, 16.4), (200_000_000, 0.3)])
@pytest.mark.parametrize("more", ["", LOSSES])
def test_rate_bar_and_time_left_are_there_at_every_width(width, total, speed, more):
    line, *below = drawn(width, ("", total, speed, more))
    assert rate(speed) in line
    assert re.search(r"left \d", line)
    assert duration((total - 35 * speed) / speed) in line
    bar = re.match("[━╸╺ ]+", line)
    assert len(bar[0]) >= 5
    assert re.search(r"\d%", line)
    assert len(line) <= width - FREE  # else ^C goes to a new line, and the bar is drawn again
    assert bool(below) == bool(more)
    if more:
        assert below[0][:20] == LOSSES[:20]
        assert len(below) == 1
        assert len(below[0]) <= width - FREE
    if width >= 80:
        assert f"of {total // 1000:,} kimg" in line


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_several_runs_each_on_a_line(width):
    lines = drawn(width, ("ngd seed 0", 600_000, 400.0, LOSSES), ("none, with another name", 600_000, 50.0, ""))
    assert len(lines) == 2
    for line, speed in zip(lines, (400.0, 50.0), strict=True):
        assert rate(speed) in line
        assert re.search(r"left \dh|left \d+m", line)
        assert len(line) <= width - FREE
    assert lines[0].startswith("ng")
    assert (LOSSES in lines[0]) == (width == 200)


def test_on_a_terminal_of_ascii():
    (line,) = drawn(80, ("", 600_000, 10_000.0, ""), encoding="ascii")
    assert line.startswith("-----")
    assert "10,000 img/s" in line


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0s"), (59.9, "59s"), (60, "1m 00s"), (754, "12m 34s"), (3600, "1h 00m"), (11_520, "3h 12m"), (86_399, "23h 59m"),
     (86_400, "1d 0h"), (6797 * 60, "4d 17h"), (40_000_000, "462d 23h"), (-5, "0s")],
)  # fmt: skip
def test_durations(seconds, said):
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("speed", "said"), [(1234.5, "1,234 img/s"), (16.4, "16 img/s"), (2.46, "2.5 img/s"), (0.0314, "0.031 img/s")]
)
def test_slow_rates_keep_their_digits(speed, said):
    assert rate(speed) == said


def test_a_line_of_the_log_says_days(capsys):
    told = watch.Watch(10**7)
    told.tick({"tick": 1, "kimg": 64.0, "images_per_second": 16.2, "seconds_left": 6797 * 60.0})
    assert "16 img/s  left 4d 17h" in capsys.readouterr().err


def test_a_board_shows_what_a_watch_does():
    board = Board()
    run = watch.Watch(1000, board=board, label="ngd")
    run.live = True
    with run:
        run.advance(500)
        run.tick({"d_loss": 1.0, "tick": 1})
        assert board.bar.tasks[0].fields["more"] == "D loss 1.000"
        assert board.bar.tasks[0].percentage == 50
    assert not board.bar.tasks
