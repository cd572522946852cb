"""What a run remembers of its scores: ``metric-fid10k.jsonl``, and the snapshot with the lowest FID."""

from __future__ import annotations

import math
import shutil
import time
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from logan.errors import InputError
from logan.evaluation.names import lower_is_better
from logan.files import append_line, finite, read_lines, write_atomically, write_json, write_lines
from logan.foreign import Fields
from logan.regular import open_regular
from logan.sampling import snapshot
from logan.sampling.choice import BEST, BEST_SNAPSHOT, read_best


class Yardstick(NamedTuple):
    """By what a score was measured: scores compare only where all three are equal."""

    detector_sha256: str | None = None
    real_key: str | None = None
    latent_steps: int | None = None


UNKNOWN = Yardstick()
"""Of a score that the caller measured by something of its own."""


def append(run: Path, record: dict[str, Any]) -> None:
    """Add a line to ``metric-NAME.jsonl``."""
    append_line(run / f"metric-{record['metric']}.jsonl", {**record, "timestamp": round(time.time(), 3)})


def read(run: Path, metric: str) -> list[dict[str, Any]]:
    """The lines of ``metric-NAME.jsonl``; a line that was cut short or damaged is left out."""
    return [r for r in read_lines(run / f"metric-{metric}.jsonl") if is_record(r)]


def is_record(values: dict[str, Any]) -> bool:
    """Whether a line has what others read of it, of the kinds that they take it for."""
    try:
        f = Fields(values, "a line")
        f.integer("images", least=0)
        f.numbers("results")
        f.truth("in_training", default=False)
        for name in ("detector", "detector_sha256", "real_key"):
            f.word(name, default=None)
        for name in ("n_real", "n_fake", "latent_steps"):
            f.integer(name, least=0, default=None)
        f.integer("steps", least=0, default=0)
        f.number("seconds", least=0, default=0)
        guide = f.group("guide", default=None)
        if guide is not None:
            guide.word("name", most=100)
    except InputError:
        return False
    return True


def in_training(run: Path) -> list[dict[str, Any]]:
    """What training measured, metric by metric.

    Of several yardsticks (a run may be resumed with another detector) only the last one's: the others do not compare.
    """
    files = sorted(run.glob("metric-*.jsonl"))
    lines = [r for path in files for r in read(run, path.stem.removeprefix("metric-")) if r.get("in_training")]
    last = max(lines, key=lambda r: r["images"], default={})
    return [r for r in lines if yardstick_of(r) == yardstick_of(last)]


def drop_after(run: Path, images: int) -> None:
    """Forget what training measured after ``images``: a run that is resumed there will measure it again."""
    for path in run.glob("metric-*.jsonl"):
        lines = read(run, path.stem.removeprefix("metric-"))
        write_lines(path, (r for r in lines if not r.get("in_training") or r["images"] <= images))
    if (run / BEST).exists() and read_best(run)["images"] > images:
        (run / BEST).unlink()
        for seen, (scores, yardstick) in measured(run).items():
            if (run / snapshot.file_name(seen)).exists():
                keep_best(run, seen, scores, yardstick)


def measured(run: Path) -> dict[int, tuple[dict[str, float], Yardstick]]:
    """What training measured, all metrics together, by the images seen, in order; NaN where there was no number."""
    found: dict[int, tuple[dict[str, float], Yardstick]] = {}
    for r in in_training(run):
        scores = {k: math.nan if v is None else v for k, v in r["results"].items()}
        found.setdefault(r["images"], ({}, yardstick_of(r)))[0].update(scores)
    return dict(sorted(found.items()))


def yardstick_of(record: dict[str, Any]) -> Yardstick:
    """By what a record was measured."""
    return Yardstick(*(record.get(name) for name in Yardstick._fields))


def keep_best(run: Path, images: int, scores: dict[str, float], yardstick: Yardstick = UNKNOWN) -> bool:
    """Keep a copy of the snapshot at ``images`` if its leading score is the best so far.

    The leading score is the first of ``scores`` that decides: FID if there is one, as the paper selects (section 5.2:
    "computed IS from checkpoints of lowest FIDs"); for mixtures the quality times the share of modes would be a new score,
    so it is the number of modes, and among equals the quality.
    """
    name = leading(scores)
    if name is None or not math.isfinite(scores[name]):
        return False
    found = rank(name, scores)
    if (run / BEST).exists():
        old = read_best(run)
        known = {k: v for k, v in old["scores"].items() if v is not None}
        same = old["by"] == name and old.get("measure", [None, None, None]) == list(yardstick)
        if same and rank(name, known) >= found and old["images"] <= images:
            return False
    with open_regular(run / snapshot.file_name(images)) as source:
        write_atomically(run / BEST_SNAPSHOT, lambda partial: _copy(source, partial))
    where = {"by": name, "images": images, "kimg": images / 1000}
    write_json(run / BEST, where | {"scores": finite(scores), "measure": yardstick})
    return True


def _copy(source: BinaryIO, path: Path) -> None:
    with open(path, "wb") as file:
        shutil.copyfileobj(source, file, 2**20)


def leading(scores: dict[str, float]) -> str | None:
    """The score that selects a snapshot: FID, else KID, else the first."""
    order = sorted(scores, key=lambda name: (not name.startswith("fid"), not name.startswith("kid")))
    return order[0] if order else None


def rank(name: str, scores: dict[str, float]) -> tuple[float, float]:
    """The better, the larger: the leading score, and for mixtures the quality among equals."""
    sign = -1.0 if lower_is_better(name) else 1.0
    quality = next((v for k, v in scores.items() if k.startswith("quality")), 0.0)
    return sign * scores[name], quality
