"""``logan export RUN --to FOLDER``: a folder, or a page on the Hugging Face Hub, for others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro

from logan.cli.choosing import choose_for, say
from logan.cli.command import Command
from logan.cli.parsing import parse

DESCRIPTION = """Share a trained generator: a folder, or hub:USER/NAME on the Hugging Face Hub, with the weights, a model card,
samples, settings, scores and the sha256 of every file. Nothing in it is code."""


@dataclass(frozen=True)
class ExportArguments:
    """What ``logan export`` takes."""

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """A run folder, a network-snapshot-....safetensors, an export, or hub:USER/NAME."""
    to: str
    """A new folder, or hub:USER/NAME (extra: hub)."""
    snapshot: str = "auto"
    """Of a run folder: best (by the scores of training), latest, a number of kimg, or auto: the best if there is one, else the
    latest."""
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


COMMAND = Command(
    "export",
    ExportArguments,
    DESCRIPTION,
    examples=(
        ("export runs/00003-digits-ngd --to digits --licence mit --onnx", "a folder with the weights, and as ONNX"),
        ("export runs/00003-digits-ngd --to hub:USER/digits --licence mit", "a page on the Hugging Face Hub"),
    ),
)


def main(args: Sequence[str]) -> int:
    """Run the command."""
    given = parse(COMMAND, args)
    from logan.sharing import Wording, export
    from logan.training.watch import Watch

    wording = Wording(given.title, given.licence, given.dataset, given.description)
    choice = choose_for(given.run, given.snapshot)
    watch = Watch(1)
    where = export(
        choice.path, given.to, wording=wording, with_onnx=given.onnx, data=given.data, private=given.private, seed=given.seed,
        say=watch.say,
    )  # fmt: skip
    if given.licence is None:
        watch.say("no --licence: the card says that none was stated, and nobody may do much with it")
    say(choice)
    print(where)
    return 0
