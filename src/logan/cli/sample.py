"""``logan sample RUN``: draw images from a trained generator."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from torch import Tensor

from logan.cli.arguments import free_folder, free_place
from logan.cli.choosing import choose_for, class_of, say
from logan.cli.command import Command
from logan.cli.guiding import PREFIX, GuideArguments, guidance, said, settings_given
from logan.cli.parsing import parse
from logan.errors import InputError
from logan.files import write_atomically
from logan.report.animation import save_frames
from logan.report.pictures import save_picture, to_uint8
from logan.sampling import Model, load
from logan.sampling.download import is_hub

DESCRIPTION = """Draw images from a trained generator.

--out decides the form: NAME.png is one grid, NAME.npz an array (arr_0: uint8 images (n, H, W, C), or float points (n, 2)),
any other name a folder with a PNG per image."""


LONGEST = 60
"""Characters of a list of classes in a file's name."""


@dataclass(frozen=True)
class SampleArguments(GuideArguments):
    """What ``logan sample`` takes."""

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """A run folder, a network-snapshot-....safetensors, an export, or hub:USER/NAME."""
    snapshot: str = "auto"
    """Of a run folder: best (by the scores of training), latest, a number of kimg, or auto: the best if there is one, else the
    latest."""
    n: int = 64
    """How many images."""
    seed: int = 0
    """The same seed gives the same images."""
    trunc: float = 1.0
    """Truncation s: latents are s times z (normal prior: drawn within 2s); smaller is less varied and often better."""
    labels: tuple[str, ...] | None = None
    """Classes to draw, in turn, by number or name; all at random by default."""
    latent_steps: int = 0
    """Steps of latent optimisation before generating, with the run's own settings (appendix E: 10)."""
    batch: int = 64
    """Images per pass."""
    out: str | None = None
    """NAME.png, NAME.npz or a folder; by default a grid in the run folder, whose name says what differs from the defaults."""
    force: bool = False
    """Replace what --out names: a file, or a folder that this command made."""
    data: str | None = None
    """Where the run's images are now, for --calibrate."""
    device: str = "auto"
    """auto, cpu, cuda ..."""


COMMAND = Command(
    "sample",
    SampleArguments,
    DESCRIPTION,
    examples=(
        ("sample runs/00000-digits-ngd", "a grid of 64 images, in the run folder"),
        (
            "sample runs/00000-digits-ngd --n 500 --trunc 0.7 --out faces",
            "500 PNGs in a folder, less varied and often better",
        ),
        (
            "sample runs/00000-digits-ngd --guide transport --guide-steps 5",
            "with D's help: latents for which it says that the images are good",
        ),
    ),
    common=(
        *("snapshot", "n", "seed", "trunc", "labels", "latent-steps", "guide", "guide-steps", "guide-step-size"),
        *("calibrate", "out", "force", "device"),
    ),
)


def main(args: Sequence[str]) -> int:
    """Run the command."""
    given = parse(COMMAND, args)
    choice = choose_for(given.run, given.snapshot)
    source = choice.path
    model = load(source, given.device)
    own = model.num_classes, model.info.class_names
    labels = None if given.labels is None else [class_of(word, *own, setting="labels") for word in given.labels]
    if given.out is None:
        out = (Path() if is_hub(given.run) else source.parent) / default_name(given, model.info.images, labels)
    else:
        out = Path(given.out).expanduser()
        if out.suffix:
            free_place(given.out, "out", given.force)
    if given.data is not None and not given.calibrate:
        raise InputError("--data is for --calibrate; leave it out")
    write = _writer(out, model, given.force)
    model.check_sampling(given.seed, given.trunc, given.latent_steps, given.batch)
    ready = guidance(
        model, given, data=given.data, batch=given.batch, say=_say, trunc=given.trunc, labels=labels,
        latent_steps=given.latent_steps,
    )  # fmt: skip
    images = torch.cat(list(model.batches(
        given.n, seed=given.seed, trunc=given.trunc, labels=labels, latent_steps=given.latent_steps, batch=given.batch,
        guidance=ready,
    )))  # fmt: skip
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write(images)
    except OSError as error:
        raise InputError(f"--out {out} cannot be written ({error.strerror or error}); choose another place") from None
    say(choice)
    if ready is not None:
        _say(said(ready))
    print(out)
    return 0


def default_name(given: SampleArguments, images: int, labels: Sequence[int] | None) -> str:
    """A grid's, so that no two that differ have the same: ``samples000600-seed0-trunc0.7.png``."""
    parts = [f"samples{images // 1000:06d}", f"seed{given.seed}"]
    plain = SampleArguments("")
    if given.n != plain.n:
        parts.append(f"n{given.n}")
    if given.trunc != plain.trunc:
        parts.append(f"trunc{given.trunc!r}")
    if given.latent_steps != plain.latent_steps:
        parts.append(f"steps{given.latent_steps}")
    if given.guide is not None:
        parts.append(_name_of_guide(given))
    if labels is not None:
        listed = ",".join(map(str, labels))
        parts.append(f"labels{listed if len(listed) <= LONGEST else hashlib.sha256(listed.encode()).hexdigest()[:12]}")
    return "-".join(parts) + ".png"


def _name_of_guide(given: SampleArguments) -> str:
    """``langevin-steps50-calibrated``: what was typed, in a form that a file may be called."""
    settings = (
        f"{flag.removeprefix(PREFIX).replace('_', '-')}{value}" for flag, value in settings_given(given).items()
    )
    return "-".join([str(given.guide), *settings, *(["calibrated"] if given.calibrate else [])])


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _writer(out: Path, model: Model, force: bool) -> Callable[[Tensor], None]:
    """What writes images to ``out``, by its form; refuses, before anything is generated, what cannot be written."""
    points = model.info.architecture["image_size"] == 1
    form = out.suffix.lower()
    if form == ".png":
        return lambda images: save_picture(out, images)
    if form == ".npz":
        return lambda images: write_atomically(
            out, lambda partial: _save_npz(partial, images.flatten(1) if points else to_uint8(images))
        )
    if form:
        raise InputError(f"--out {out}: {form} is not a form that can be written; use NAME.png, NAME.npz or a folder")
    if points:
        raise InputError("--out FOLDER is for images; use NAME.npz for the points of a 2-D mixture")
    old = free_folder(out, "logan sample", force)
    return lambda images: save_frames(out, images, old)


def _save_npz(path: Path, array: Tensor) -> None:
    with open(path, "wb") as f:  # given a name, numpy would add .npz to it
        np.savez_compressed(f, array.numpy())
