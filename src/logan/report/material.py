"""What a run folder tells of a run, read leniently: what is missing or damaged is named, and the rest is shown.

The folder may be a stranger's, unfinished, of an older version or damaged. Nothing here raises because of what is in it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from logan.config import Config
from logan.errors import InputError, first_line
from logan.files import read_json, read_lines
from logan.sampling.measured_by import Detectors, measured_by

OPTIONS, STATS, BEST, ENVIRONMENT = "training_options.json", "stats.jsonl", "best.json", "environment.json"
MOST_TICKS = 200_000
"""Lines of a log that are looked at; the last ones of a longer one."""


@dataclass(frozen=True)
class Picture:
    """A picture of samples that the run has drawn, and after how many thousands of images."""

    kimg: float
    path: Path


@dataclass(frozen=True)
class Material:
    """What there is of a run.

    Attributes:
        name: of its folder.
        path: as it was given.
        settings: as they stand in ``training_options.json``, by group; empty where that cannot be read.
        config: the same, where this version understands them.
        version: of logan that wrote them.
        stats: the lines of the log, in order; numbers, and ``metrics``, ``probe``, ``alarms`` and ``back``.
        pictures: by kimg.
        reals: the picture of real images.
        best: what ``best.json`` says.
        environment: what ``environment.json`` says.
        missing: what is not there or cannot be read, in sentences.
        detectors: by which its scores were taken.
        reached: thousands of images that it has seen, where more is known than the log, which ends with the last tick.
    """

    name: str
    path: Path
    settings: dict[str, Any] = field(default_factory=dict)
    config: Config | None = None
    version: str = ""
    stats: list[dict[str, Any]] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    reals: Path | None = None
    best: dict[str, Any] | None = None
    environment: dict[str, Any] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    detectors: Detectors = field(default_factory=dict)
    reached: float = 0.0

    @property
    def kimg(self) -> float:
        """How far it has come."""
        return max(self.reached, self.stats[-1]["kimg"] if self.stats else 0.0)

    @property
    def planned(self) -> float | None:
        """Its length in thousands of images, if that is known."""
        group = self.settings.get("run")
        value = group.get("kimg") if isinstance(group, dict) else None
        return float(value) if isinstance(value, int | float) and _is_number(value) else None

    @property
    def finished(self) -> bool:
        """Whether it came to its end."""
        return self.planned is not None and self.kimg >= self.planned > 0


def read(path: Path) -> Material:
    """What there is in a run folder.

    Raises:
        InputError: if it is no folder, or holds nothing of a run.
    """
    if not path.is_dir():
        what = "is not a folder" if path.exists() else "does not exist"
        raise InputError(f"{path} {what}; pass a run folder, such as runs/00000-digits-ngd")
    missing: list[str] = []
    settings, config, version = _settings(path, missing)
    stats = _stats(path, missing)
    pictures = _pictures(path)
    reals = path / "reals.png"
    if not settings and not stats and not pictures:
        raise InputError(f"{path} is not a run folder: it holds no {OPTIONS}, no {STATS} and no fakes….png")
    if not pictures:
        missing.append(
            "There are no pictures of samples (fakes….png): they are drawn at the start and at every snapshot."
        )
    best = _optional(path / BEST, missing)
    environment = _optional(path / ENVIRONMENT, missing) or {}
    return Material(
        path.resolve().name, path, settings, config, version, stats, pictures, reals if reals.is_file() else None,
        best, environment, missing, measured_by(path),
    )  # fmt: skip


def _settings(path: Path, missing: list[str]) -> tuple[dict[str, Any], Config | None, str]:
    if not (path / OPTIONS).exists():
        missing.append(f"There is no {OPTIONS}: what the settings were is not known.")
        return {}, None, ""
    try:
        values = read_json(path / OPTIONS, "start a new run")
    except InputError as error:
        missing.append(f"The settings cannot be read: {first_line(error)}.")
        return {}, None, ""
    version = values.pop("logan", "")
    values.pop("backs", None)
    config = None
    try:
        config = Config.from_dict(values)
    except (InputError, TypeError) as error:
        missing.append(f"The settings are not those of this version of logan: {first_line(error)}.")
    return values, config, version if isinstance(version, str) else ""


def _stats(path: Path, missing: list[str]) -> list[dict[str, Any]]:
    if not (path / STATS).exists():
        missing.append(f"There is no {STATS}: no tick of the log was written yet.")
        return []
    try:
        lines = read_lines(path / STATS)[-MOST_TICKS:]
    except OSError as error:
        missing.append(f"{STATS} cannot be read ({error.strerror}).")
        return []
    ticks = [_tick(line) for line in lines if _is_number(line.get("kimg")) and line["kimg"] >= 0]
    if not ticks:
        missing.append(f"{STATS} holds no line of a log.")
    return sorted(ticks, key=lambda tick: tick["kimg"])


def _tick(line: dict[str, Any]) -> dict[str, Any]:
    """Of a line what is of the kind that a page takes it for."""
    apart = ("metrics", "probe", "alarms", "back")
    tick: dict[str, Any] = {k: v for k, v in line.items() if _is_number(v) and k not in apart}
    if isinstance(metrics := line.get("metrics"), dict):
        tick["metrics"] = {k: v for k, v in metrics.items() if _is_number(v)}
    for name in ("probe", "alarms"):
        tick[name] = [x for x in line.get(name) or () if isinstance(x, dict)] if _is_list(line.get(name)) else []
    if isinstance(back := line.get("back"), dict):
        tick["back"] = {k: v for k, v in back.items() if _is_number(v)}
    return tick


def _pictures(path: Path) -> list[Picture]:
    found = [
        Picture(float(match[1]), file)
        for file in path.glob("fakes*.png")
        if (match := re.fullmatch(r"fakes(\d{1,12})\.png", file.name)) and file.is_file()
    ]
    first = path / "fakes_init.png"
    return ([Picture(0.0, first)] if first.is_file() else []) + sorted(found, key=lambda picture: picture.kimg)


def _optional(path: Path, missing: list[str]) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        return read_json(path, "remove it")
    except InputError as error:
        missing.append(f"{path.name} cannot be read: {first_line(error)}.")
        return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def lead(tick: dict[str, Any], moved: float = 1.0) -> float | None:
    """D's lead in a line of the log, mean D(x) − mean D(G(z)): before the latents are moved.

    Args:
        tick: of the log.
        moved: the share of the latents that the latent step moves.
    """
    real, fake, gain = tick.get("real_score"), tick.get("fake_score"), tick.get("score_gain", 0.0)
    return None if real is None or fake is None else real - fake + moved * gain


def share_moved(settings: dict[str, Any]) -> float:
    """The share of all latents that a run's latent step moves: ``latent_share`` in every ``latent_every``-th step."""
    group = settings.get("latent")
    group = group if isinstance(group, dict) else {}
    share, every = group.get("latent_share", 1.0), group.get("latent_every", 1)
    return share / every if _is_number(share) and _is_number(every) and every > 0 else 1.0


def scores_of(stats: Sequence[dict[str, Any]]) -> dict[str, list[tuple[float, float]]]:
    """(kimg, value) of every score in a log, by name, in the order in which they first came."""
    found: dict[str, list[tuple[float, float]]] = {}
    for tick in stats:
        for name, value in tick.get("metrics", {}).items():
            found.setdefault(name, []).append((tick["kimg"], value))
    return found
