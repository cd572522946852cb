"""What a run remembers of its scores: ``metric-fid10k.jsonl``, and the snapshot with the lowest FID."""

from __future__ import annotations

import json
import math
import shutil
import time
from pathlib import Path
from typing import Any, NamedTuple

from logan.errors import InputError
from logan.evaluation.names import lower_is_better
from logan.files import read_json, write_atomically, write_json
from logan.sampling import snapshot

BEST = "best.json"
BEST_SNAPSHOT = "network-best.safetensors"


class Yardstick(NamedTuple):
    """By what a score was measured: scores compare only where all three are equal."""

    detector_sha256: str | None = None
    real_key: str | None = None
    latent_steps: int | None = None


UNKNOWN = Yardstick()
"""Of a score that the caller measured by something of its own."""


def append(run: Path, record: dict[str, Any]) -> None:
    """Add a line to ``metric-NAME.jsonl``."""
    record = {**record, "timestamp": round(time.time(), 3)}
    with open(run / f"metric-{record['metric']}.jsonl", "a", encoding="utf-8") as f:
        f.write(json.dumps(record) + "\n")


def read(run: Path, metric: str) -> list[dict[str, Any]]:
    """The lines of ``metric-NAME.jsonl``; a line that was cut short or damaged is left out."""
    try:
        lines = (run / f"metric-{metric}.jsonl").read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    records = []
    for line in lines:
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return [r for r in records if isinstance(r, dict) and isinstance(r.get("results"), dict) and "images" in r]


def drop_after(run: Path, images: int) -> None:
    """Forget what training measured after ``images``: a run that is resumed there will measure it again."""
    for path in run.glob("metric-*.jsonl"):
        records = read(run, path.stem.removeprefix("metric-"))
        kept = [r for r in records if not r.get("in_training") or r.get("images", 0) <= images]
        text = "".join(json.dumps(r) + "\n" for r in kept)
        _write(path, text)
    if (run / BEST).exists() and _best(run)["images"] > images:
        (run / BEST).unlink()
        for seen, (scores, yardstick) in measured(run).items():
            if (run / snapshot.file_name(seen)).exists():
                keep_best(run, seen, scores, yardstick)


def measured(run: Path) -> dict[int, tuple[dict[str, float], Yardstick]]:
    """What training measured, all metrics together, by the images seen, in order; NaN where there was no number.

    Of several yardsticks (a run may be resumed with another detector) only the last one's: the others do not compare.
    """
    lines = [r for path in sorted(run.glob("metric-*.jsonl")) for r in read(run, path.stem.removeprefix("metric-"))]
    lines = [r for r in lines if r.get("in_training")]
    if not lines:
        return {}
    last = yardstick_of(max(lines, key=lambda r: r["images"]))
    found: dict[int, tuple[dict[str, float], Yardstick]] = {}
    for r in lines:
        if yardstick_of(r) == last:
            scores = {k: math.nan if v is None else v for k, v in r["results"].items()}
            found.setdefault(r["images"], ({}, last))[0].update(scores)
    return dict(sorted(found.items()))


def yardstick_of(record: dict[str, Any]) -> Yardstick:
    """By what a record was measured."""
    return Yardstick(*(record.get(name) for name in Yardstick._fields))


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8"))


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
        old = _best(run)
        known = {k: v for k, v in old["scores"].items() if v is not None}
        same = old["by"] == name and old.get("measure", [None, None, None]) == list(yardstick)
        if same and rank(name, known) >= found and old["images"] <= images:
            return False
    source = run / snapshot.file_name(images)
    write_atomically(run / BEST_SNAPSHOT, lambda partial: shutil.copyfile(source, partial))
    shown = {k: v if math.isfinite(v) else None for k, v in scores.items()}
    write_json(run / BEST, {"by": name, "images": images, "kimg": images / 1000, "scores": shown, "measure": yardstick})
    return True


def _best(run: Path) -> dict[str, Any]:
    advice = "remove it: it is made again at the next snapshot"
    old = read_json(run / BEST, advice)
    by, scores = old.get("by"), old.get("scores")
    if not isinstance(old.get("images"), int) or not isinstance(scores, dict) or scores.get(by) is None:
        raise InputError(f"{run / BEST} is damaged (no score that was best); {advice}")
    return old


def leading(scores: dict[str, float]) -> str | None:
    """The score that selects a snapshot: FID, else KID, else the first."""
    order = sorted(scores, key=lambda name: (not name.startswith("fid"), not name.startswith("kid")))
    return order[0] if order else None


def rank(name: str, scores: dict[str, float]) -> tuple[float, float]:
    """The better, the larger: the leading score, and for mixtures the quality among equals."""
    sign = -1.0 if lower_is_better(name) else 1.0
    quality = next((v for k, v in scores.items() if k.startswith("quality")), 0.0)
    return sign * scores[name], quality
