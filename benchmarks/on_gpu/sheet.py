"""The file of a part, written anew with every figure, so that whatever ends the part loses nothing before."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RUNNING, DONE, NOT_PLAYED, FAILED = "running", "done", "not played", "failed"


class NotPlayedError(Exception):
    """The part cannot be played on this machine; the message says what is missing."""


class Sheet:
    """The figures of one part.

    Args:
        path: where they are written.
        asked: what ``benchmarks/gpu.py`` was asked for.
        seconds: until the part is stopped.
    """

    def __init__(self, path: Path, asked: Mapping[str, Any], seconds: float) -> None:
        self.path, self.asked = path, dict(asked)
        self.seconds, self._end = seconds, time.monotonic() + seconds
        self.figures: dict[str, Any] = {"status": RUNNING}
        self.save()

    @property
    def tiny(self) -> bool:
        """Whether this is a trial on a CPU."""
        return bool(self.asked.get("tiny"))

    @property
    def out(self) -> Path:
        """The folder of all results."""
        return Path(self.asked["out"])

    @property
    def work(self) -> Path:
        """A folder for what nobody keeps."""
        return Path(self.asked["work"])

    def left(self) -> float:
        """Seconds until the part is stopped."""
        return self._end - time.monotonic()

    def put(self, **figures: Any) -> None:
        """Write down figures by name."""
        self.figures |= figures
        self.save()

    def add(self, name: str, row: Any) -> None:
        """Write down one more row of a table."""
        self.figures.setdefault(name, []).append(row)
        self.save()

    def save(self) -> None:
        """Write the file, in one move."""
        write(self.path, self.figures)


def write(path: Path, value: Any) -> None:
    """``value`` as JSON, in one move; numbers that are not finite become null."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(finite(value), indent=1, ensure_ascii=False, default=str) + "\n", encoding="utf-8")
    os.replace(partial, path)


def read(path: Path) -> dict[str, Any]:
    """What a part has written so far; nothing if it has not come that far."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def finite(value: Any) -> Any:
    """The same with None for each float that JSON cannot say, and floats in six digits."""
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): finite(v) for k, v in value.items()}
    return [finite(v) for v in value] if isinstance(value, list | tuple) else value
