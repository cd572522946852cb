"""Run folders: ``runs/00003-digits-ngd/`` with options, log, pictures, snapshots and state."""

from __future__ import annotations

import contextlib
import json
import math
import re
from pathlib import Path
from typing import Any

from logan import __version__
from logan.config import Config
from logan.errors import InputError
from logan.files import PARTIAL, read_json, write_atomically, write_json

OPTIONS = "training_options.json"
STATS = "stats.jsonl"


def create(outdir: str | Path, description: str) -> Path:
    """A new numbered folder under ``outdir``.

    Raises:
        InputError: if ``outdir`` cannot be written, or ``description`` is no file name.
    """
    check_name(description)
    outdir = Path(outdir).expanduser()
    try:
        outdir.mkdir(parents=True, exist_ok=True)
        while True:
            run = outdir / f"{next_number(outdir):05d}-{description}"
            with contextlib.suppress(FileExistsError):  # another run took the number since the look
                run.mkdir()
                return run
    except OSError as error:
        raise InputError(f"--outdir {outdir} cannot be written ({error.strerror}); choose another folder") from None


def check_name(description: str | None) -> None:
    """Refuse what cannot follow a run folder's number.

    Raises:
        InputError: naming --desc.
    """
    if description is not None and not re.fullmatch(r"[\w.+-]{1,100}", description):
        raise InputError(f"--desc {description[:40]!r} must be 1 to 100 letters, digits, '-', '_', '+' and '.'")


def default_name(config: Config) -> str:
    """PRESET-LATENT, or the preset alone where it ends with the method."""
    latent = config.latent.latent
    return config.preset if config.preset.endswith(f"-{latent}") else f"{config.preset}-{latent}"


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
    if not path.exists():
        raise InputError(f"{run} is not a run folder: it has no {OPTIONS}")
    values = read_json(path, "start a new run, or resume from one of its snapshots")
    values.pop("logan", None)
    return Config.from_dict(values, complete=True)


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
        """Add a line; a value that is not finite becomes null, which JSON can say."""
        record = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in record.items()}
        with open(self.path, "a", encoding="utf-8") as f:
            f.write(json.dumps(record) + "\n")


def read_stats(run: Path) -> list[dict[str, Any]]:
    """The lines of ``stats.jsonl``; what is no JSON object (a line cut short by an interruption) is left out."""
    records = []
    try:
        lines = (run / STATS).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    for line in lines:
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(record, dict):
            records.append(record)
    return records


def remove_partial_files(run: Path) -> None:
    """What a killed process was in the middle of writing."""
    for path in run.glob("*" + PARTIAL):
        path.unlink(missing_ok=True)
