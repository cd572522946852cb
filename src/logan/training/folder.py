"""Run folders: ``runs/00003-digits-ngd/`` with options, log, pictures, snapshots and state."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from logan import __version__
from logan.config import Config
from logan.errors import InputError
from logan.files import read_json, read_lines, write_json, write_lines
from logan.foreign import Fields
from logan.unfinished import remove_abandoned

OPTIONS = "training_options.json"
STATS = "stats.jsonl"
NOT_NUMBERS = ("metrics", "probe", "alarms", "notices", "back", "gradients_not_finite")
"""What a line of it may hold beside numbers."""


def create(outdir: str | Path, name: str) -> Path:
    """A new numbered folder under ``outdir``.

    Raises:
        InputError: if ``outdir`` cannot be written.
    """
    outdir = Path(outdir).expanduser()
    try:
        outdir.mkdir(parents=True, exist_ok=True)
        while True:
            run = next_path(outdir, name)
            with contextlib.suppress(FileExistsError):  # another run took the number since the look
                run.mkdir()
                return run
    except OSError as error:
        raise InputError(f"`outdir` {outdir} cannot be written ({error.strerror}); choose another folder") from None


def run_name(config: Config, desc: str | None) -> str:
    """What follows a run folder's number: ``desc``, else PRESET-LATENT, or the preset alone where it ends with the method.

    Raises:
        InputError: if ``desc`` cannot follow it.
    """
    if desc is None:
        latent = config.latent.latent
        return config.preset if config.preset.endswith(f"-{latent}") else f"{config.preset}-{latent}"
    if not re.fullmatch(r"[\w.+-]{1,100}", desc):
        raise InputError(f"`desc` {desc[:40]!r} must be 1 to 100 letters, digits, '-', '_', '+' and '.'")
    return desc


def next_path(outdir: Path, name: str) -> Path:
    """The folder that a new run takes: its number is one more than the highest in ``outdir``."""
    numbers = [int(m.group(1)) for p in outdir.glob("*") if (m := re.match(r"(\d{5,})(-|$)", p.name))]
    return outdir / f"{max(numbers, default=-1) + 1:05d}-{name}"


def write_options(run: Path, config: Config, backs: Sequence[dict[str, Any]] = ()) -> None:
    """Write ``training_options.json``; with what a run has done by itself, going back, if it did."""
    write_json(run / OPTIONS, {"logan": __version__} | config.to_dict() | ({"backs": list(backs)} if backs else {}))


def read_options(run: Path) -> Config:
    """The config of an existing run.

    Raises:
        InputError: if the folder is not a run folder, or its options cannot be read.
    """
    path = run / OPTIONS
    if not path.exists():
        raise InputError(f"{run} is not a run folder: it has no {OPTIONS}")
    values = read_json(path, "start a new run, or resume from one of its snapshots")
    for name in ("logan", "backs"):
        values.pop(name, None)
    if isinstance(values.get("scores"), dict):
        values["scores"].setdefault("score_every", 1)  # of a run that began before there was this setting
    return Config.from_dict(values, complete=True)


def read_stats(run: Path) -> list[dict[str, Any]]:
    """The lines of ``stats.jsonl``, one per tick; a line that was cut short or damaged is left out."""
    return ticks_in(run / STATS)


def ticks_in(path: Path) -> list[dict[str, Any]]:
    """Of a log that lies elsewhere, the same."""
    return [record for record in read_lines(path) if _is_tick(record)]


def _is_tick(values: dict[str, Any]) -> bool:
    """Whether a line has what others read of it, of the kinds that they take it for."""
    try:
        f = Fields(values, "a line")
        f.integer("tick", least=0)
        f.number("kimg", least=0)
        f.integer("steps", least=0)
        f.numbers("metrics", default=None)
        f.numbers_but(*NOT_NUMBERS)
        f.words("gradients_not_finite", most=2, default=())
        back = f.group("back", default=None)
        if back is not None:
            back.numbers_but()
        said = all(isinstance(each, dict) for name in ("alarms", "notices") for each in f.items(name, default=()))
        return said and all(map(_is_look, f.items("probe", default=())))
    except InputError:
        return False


def _is_look(value: object) -> bool:
    """Whether it is what a probe saw: numbers and lists of them by name, None for what was not finite."""
    return isinstance(value, dict) and all(x is None or isinstance(x, int | float | list) for x in value.values())


def tidy(run: Path, ticks: int) -> None:
    """Drop what an interrupted run wrote after the state, at ``ticks``, that it goes on from, and was in the middle of
    writing; what another command is writing there stays."""
    write_lines(run / STATS, (record for record in read_stats(run) if record["tick"] < ticks))
    remove_abandoned(run)
