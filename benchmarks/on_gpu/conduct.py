"""Play parts one after another, each in a process of its own that is stopped at its limit."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from on_gpu.parts import Part, limits
from on_gpu.sheet import DONE, FAILED, NOT_PLAYED, RUNNING, read, write

HERE = Path(__file__).resolve().parents[1]
RESERVE = 3.0
"""Seconds kept for the report."""
LOOK = 0.1
"""Seconds from one look at a process to the next."""
LOG_BYTES = 100_000
"""Of what a part prints, the last so many are kept."""
NOTICES = re.compile(r"warning: |\bplaying |does not work here", re.I)
INTERRUPTED = "interrupted"


class Child:
    """A process that has loaded a part's module and waits.

    Attributes:
        figures: what the part has found, once it is over.
    """

    def __init__(self, part: Part, folder: Path, environment: Mapping[str, str]) -> None:
        self.part = part
        self.figures: dict[str, Any] = {}
        self.file, self.log = folder / f"{part.name}.json", folder / f"{part.name}.log"
        self.file.unlink(missing_ok=True)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "on_gpu.child", part.module], stdin=subprocess.PIPE, stdout=log,
                stderr=subprocess.STDOUT, env=dict(environment), start_new_session=True,
            )  # fmt: skip

    def play(self, asked: Mapping[str, Any], seconds: float, look: Callable[[float], None]) -> None:
        """Let it play for so many seconds at most; ``figures`` is then what it has written, with how it ended."""
        started = time.monotonic()
        self._say({"file": str(self.file), "asked": asked, "seconds": seconds})
        stopped = INTERRUPTED
        try:
            while self.process.poll() is None and time.monotonic() - started < seconds:
                time.sleep(LOOK)
                look(time.monotonic() - started)
            stopped = f"stopped at its limit of {seconds:.0f} s" if self.process.poll() is None else ""
        finally:  # if it was interrupted, what it has written counts all the same
            self.end()
            self.figures = self._finish(stopped, time.monotonic() - started)

    def leave_out(self, reason: str) -> None:
        """Do not let it play."""
        self.end()
        self.figures = {"part": self.part.name, "status": NOT_PLAYED, "reason": reason}
        write(self.file, self.figures)
        self.log.unlink(missing_ok=True)

    def _say(self, told: Mapping[str, Any]) -> None:
        assert self.process.stdin is not None
        try:
            with self.process.stdin as pipe:
                pipe.write(json.dumps(told).encode() + b"\n")
        except BrokenPipeError:  # it has died before its turn, and its log says why
            pass

    def end(self) -> None:
        """Stop the process, and all that it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _finish(self, stopped: str, took: float) -> dict[str, Any]:
        text = _tail(self.log)
        figures = read(self.file) or {"status": RUNNING}
        if figures["status"] == RUNNING:
            code = self.process.returncode
            ended = f"signal {-code}" if code < 0 else f"exit status {code}"
            figures |= {"status": stopped} if stopped else {"status": FAILED, "reason": ended}
        if figures["status"] not in (DONE, NOT_PLAYED):
            figures["last_lines"] = text.splitlines()[-15:]
        if found := list(dict.fromkeys(line.strip() for line in text.splitlines() if NOTICES.search(line))):
            figures["notices"] = found[:12]
        figures = {"part": self.part.name, "took_seconds": round(took, 1)} | figures
        write(self.file, figures)
        if not text.strip():
            self.log.unlink()
        return figures


def _tail(log: Path) -> str:
    """What a part has printed, its file cut to the end of it."""
    data = log.read_bytes()
    if len(data) > LOG_BYTES:
        data = data[-LOG_BYTES:]
        log.write_bytes(data)
    return data.decode("utf-8", "replace")


def play_all(
    parts: Sequence[Part],
    asked: Mapping[str, Any],
    minutes: float,
    environment: Mapping[str, str],
    progress: Callable[[int, float, float, float], None],
    after: Callable[[dict[str, dict[str, Any]]], None],
) -> dict[str, dict[str, Any]]:
    """What each part found, by name. ``minutes`` hold for everything, and what is not played in them says so.

    Args:
        parts: in their order.
        asked: told to each of them.
        minutes: in all.
        environment: of their processes.
        progress: called now and then with the number of the part (from 0), the seconds it has taken and may take, and the
            seconds that are left of all.
        after: called after every part with what there is.
    """
    end = time.monotonic() + 60 * minutes - RESERVE
    folder = Path(asked["out"]) / "parts"
    found: dict[str, dict[str, Any]] = {}
    most = limits(parts, minutes, bool(asked.get("tiny")))
    waiting: list[Child] = [Child(parts[0], folder, environment)] if parts else []
    child = None
    try:
        for number, part in enumerate(parts):
            child = waiting.pop()
            if number + 1 < len(parts):
                waiting.append(Child(parts[number + 1], folder, environment))
            left = end - time.monotonic()
            try:
                if left < 1:
                    child.leave_out("no time was left")
                else:
                    seconds = min(most[number], left)
                    child.play(
                        asked,
                        seconds,
                        lambda spent, i=number, s=seconds: progress(i, spent, s, end - time.monotonic()),  # type: ignore[misc]
                    )
            finally:
                found[part.name] = child.figures
                after(found)
    finally:
        for one in (child, *waiting):
            if one is not None:
                one.end()
    return found
