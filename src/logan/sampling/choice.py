"""Which of a run's snapshots is meant: the best by the score that training measured, where it measured one, else the latest.

A GAN may end past its best. Who trains with StyleGAN or EDM looks through the scores and takes the snapshot of the lowest FID, as
LOGAN's authors do (section 5.2); here that is what one gets without asking, and it is said.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from logan.errors import InputError
from logan.files import read_json
from logan.foreign import Fields, damaged
from logan.sampling import download, manifest, snapshot
from logan.sampling.measured_by import best_score

BEST = "best.json"
BEST_SNAPSHOT = "network-best.safetensors"
"""A copy of the snapshot that ``best.json`` is about."""
AUTO = "auto"


@dataclass(frozen=True)
class Choice:
    """A snapshot's file.

    Attributes:
        path: where it is.
        why: what it is, and what else there is, for a person; empty where a file was named.
    """

    path: Path
    why: str = ""


def choose(run: str | Path, which: str | int = AUTO) -> Choice:
    """The snapshot of a run folder, or the file that ``run`` is.

    Args:
        run: a run folder, a ``network-….safetensors``, an export, or ``hub:user/name``.
        which: ``best`` by the scores of training; ``latest``; the thousands of images at which it was taken, such as 440; or
            ``auto``: the best if there is one, else the latest.

    Raises:
        InputError: if there is none of the kind.
    """
    path, which = Path(run), str(which)
    if which not in (AUTO, "best", "latest") and not re.fullmatch(r"\d{1,12}", which):
        raise InputError(f"`snapshot` is auto, best, latest, or a number of kimg such as 200, not {which!r}")
    if download.is_hub(run) or manifest.is_export(path) or not path.is_dir():
        file = snapshot.find(run)
        if which != AUTO:
            raise InputError(f"`snapshot` {which} is for run folders, and {run} is one snapshot; leave it out")
        return Choice(file)
    latest = snapshot.find(path)
    if which == "latest":
        return Choice(latest)
    if latest.name == snapshot.STOPPED:
        if which == AUTO:
            return Choice(latest, f"{path.name}: as it was when it was stopped, before its first snapshot")
        raise InputError(f"{path} was stopped before its first snapshot; `snapshot` latest is of that moment")
    if which not in (AUTO, "best"):
        return Choice(_at(path, int(which)))
    there = (path / BEST).exists() and (path / BEST_SNAPSHOT).exists()
    if which == "best" and not there:
        raise InputError(
            f"{path} has no {BEST_SNAPSHOT}: nothing was measured in training; name one of its snapshots, or `snapshot` latest"
        )
    if not there:
        return Choice(latest, f"{path.name}: the latest snapshot, {_kimg(latest)} kimg (training measured no score)")
    try:
        best = read_best(path)
    except InputError as error:
        if which == "best":
            raise
        return Choice(latest, f"{path.name}: the latest snapshot, {_kimg(latest)} kimg ({error})")
    kimg = best["images"] // 1000
    what = f"{path.name}: the best snapshot, {kimg} kimg, {best_score(path, best)} in training"
    other = (
        "which is the latest" if _kimg(latest) == kimg else f"not the latest, {_kimg(latest)} kimg: `snapshot` latest"
    )
    own = path / snapshot.file_name(best["images"])  # some people delete all but the copy
    return Choice(own if which == AUTO and own.exists() else path / BEST_SNAPSHOT, f"{what}, {other}")


def _at(run: Path, kimg: int) -> Path:
    path = run / snapshot.file_name(kimg * 1000)
    if not path.exists():
        there = sorted(_kimg(p) for p in run.glob(snapshot.PATTERN))
        nearest = min(there, key=lambda k: abs(k - kimg))
        raise InputError(f"{run} has no snapshot of {kimg} kimg; the nearest is of {nearest}: `snapshot` {nearest}")
    return path


def _kimg(path: Path) -> int:
    digits = path.stem.rpartition("-")[2]
    return int(digits) if digits.isdecimal() else 0


def read_best(run: Path) -> dict[str, Any]:
    """What ``best.json`` says: ``by``, ``images``, ``scores``, ``measure``.

    Raises:
        InputError: if it is damaged.
    """
    advice = "remove it: it is made again at the next snapshot"
    old = read_json(run / BEST, advice)
    f = Fields(old, str(run / BEST), advice)
    f.integer("images", least=0)
    f.items("measure", default=())
    if f.numbers("scores").get(f.word("by")) is None:
        damaged(f.what, "no score that was best", advice)
    return old
