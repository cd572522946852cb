"""``logan export RUN --to FOLDER``: a folder, or a page on the Hugging Face Hub, for others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from logan.cli.parsing import parse
from logan.errors import InputError
from logan.evaluation import records
from logan.sampling import snapshot

DESCRIPTION = """Share a trained generator: a folder, or hub:USER/NAME on the Hugging Face Hub, with the weights, a model card,
samples, settings, scores and the sha256 of every file. Nothing in it is code.

logan export runs/00003-digits-ngd --to digits --licence mit --onnx
logan export runs/00003-digits-ngd --to hub:USER/digits --licence mit"""


@dataclass(frozen=True)
class ExportArguments:
    """What ``logan export`` takes."""

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """A run folder, a network-snapshot-....safetensors, an export, or hub:USER/NAME."""
    to: str
    """A new folder, or hub:USER/NAME (extra: hub)."""
    snapshots: Literal["latest", "best"] = "latest"
    """Which of a run folder's snapshots."""
    onnx: bool = False
    """G and D as ONNX too (extra: onnx)."""
    licence: str | None = None
    """Of the weights, as the Hub calls it: mit, apache-2.0, cc-by-4.0, other ..."""
    title: str | None = None
    """The model's name on its card; by default data, size and network."""
    description: str | None = None
    """What its card says first."""
    dataset: str | None = None
    """What the Hub calls the training data, as in ylecun/mnist."""
    data: str | None = None
    """Where the real images are now, if not where the run was trained: they are counted."""
    seed: int = 0
    """Of the samples on the card."""
    private: bool = False
    """A new repository on the Hub is seen by you alone."""


def main(args: Sequence[str]) -> int:
    """Run the command."""
    given = parse(ExportArguments, args, prog="logan export", description=DESCRIPTION)
    from logan.sharing import Wording, export
    from logan.training.watch import Watch

    wording = Wording(given.title, given.licence, given.dataset, given.description)
    source = _snapshot(given)
    watch = Watch(1)
    if given.licence is None:
        watch.say("no --licence: the card says that none was stated, and nobody may do much with it")
    where = export(
        source, given.to, wording=wording, with_onnx=given.onnx, data=given.data, private=given.private, seed=given.seed,
        say=watch.say,
    )  # fmt: skip
    print(where)
    return 0


def _snapshot(given: ExportArguments) -> Path:
    if given.snapshots == "latest":
        return snapshot.find(given.run)
    best = Path(given.run) / records.BEST_SNAPSHOT
    if not best.exists():
        raise InputError(f"{given.run} has no {best.name}: nothing was measured in training; leave out --snapshots")
    return best
