"""Run folders: ``runs/00003-digits-ngd/`` with options, log, pictures, snapshots and state."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import Any

from logan import __version__
from logan.config import Config
from logan.errors import InputError
from logan.files import PARTIAL, write_atomically, write_json

OPTIONS = "training_options.json"
STATS = "stats.jsonl"


def create(outdir: str | Path, description: str) -> Path:
    """A new numbered folder under ``outdir``.

    Raises:
        InputError: if ``outdir`` cannot be written, or ``description`` is no file name.
    """
    if not re.fullmatch(r"[\w.+-]+", description):
        raise InputError(f"--desc {description!r} must consist of letters, digits, '-', '_', '+' and '.'")
    outdir = Path(outdir)
    try:
        outdir.mkdir(parents=True, exist_ok=True)
        while True:
            run = outdir / f"{next_number(outdir):05d}-{description}"
            with contextlib.suppress(FileExistsError):  # another run took the number since the look
                run.mkdir()
                return run
    except OSError as error:
        raise InputError(f"--outdir {outdir} cannot be written ({error.strerror}); choose another folder") from None


def next_number(outdir: Path) -> int:
    """One more than the highest number in ``outdir``."""
    if not outdir.is_dir():
        return 0
    numbers = [int(m.group(1)) for p in outdir.iterdir() if (m := re.match(r"(\d{5,})(-|$)", p.name))]
    return max(numbers, default=-1) + 1


def write_options(run: Path, config: Config) -> None:
    """Write ``training_options.json``."""
    write_json(run / OPTIONS, {"logan": __version__} | config.to_dict())


def read_options(run: Path) -> Config:
    """The config of an existing run.

    Raises:
        InputError: if the folder is not a run folder, or its options cannot be read.
    """
    path = run / OPTIONS
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        values.pop("logan", None)
        return Config.from_dict(values)
    except OSError:
        raise InputError(f"{run} is not a run folder: it has no {OPTIONS}") from None
    except (json.JSONDecodeError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged ({error}); start a new run, or resume from one of its snapshots") from None


class StatsLog:
    """``stats.jsonl``: one JSON object per tick.

    Opened at ``ticks`` it drops what an interrupted run wrote after the state that it resumes from, so that the log of a
    resumed run has each tick once.
    """

    def __init__(self, run: Path, ticks: int) -> None:
        self.path = run / STATS
        kept = [record for record in read_stats(run) if record.get("tick", 0) < ticks]
        text = "".join(json.dumps(record) + "\n" for record in kept)
        write_atomically(self.path, lambda partial: partial.write_text(text, encoding="utf-8"))

    def append(self, record: dict[str, Any]) -> None:
        """Add a line."""
        with open(self.path, "a", encoding="utf-8") as f:
            f.write(json.dumps(record) + "\n")


def read_stats(run: Path) -> list[dict[str, Any]]:
    """The lines of ``stats.jsonl``; a last line cut short by an interruption is left out."""
    records = []
    try:
        lines = (run / STATS).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    for line in lines:
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records


def remove_partial_files(run: Path) -> None:
    """What a killed process was in the middle of writing."""
    for path in run.glob("*" + PARTIAL):
        path.unlink(missing_ok=True)
