"""``logan sample RUN``: draw images from a trained generator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from torch import Tensor

from logan.cli.parsing import parse
from logan.errors import InputError, did_you_mean
from logan.files import explained, write_atomically
from logan.report.pictures import as_pil, save_picture, to_uint8
from logan.sampling import Model, load, snapshot
from logan.sampling.download import is_hub

DESCRIPTION = """Draw images from a trained generator.

--out decides the form: NAME.png is one grid, NAME.npz an array (arr_0: uint8 images (n, H, W, C), or float points (n, 2)),
any other name a folder with a PNG per image."""


@dataclass(frozen=True)
class SampleArguments:
    """What ``logan sample`` takes."""

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """A run folder (its latest snapshot), a network-snapshot-....safetensors, an export, or hub:USER/NAME."""
    n: int = 64
    """How many images."""
    seed: int = 0
    """The same seed gives the same images."""
    trunc: float = 1.0
    """Truncation s: latents are s times z (normal prior: drawn within 2s); smaller is less varied and often better."""
    labels: tuple[str, ...] | None = None
    """Classes to draw, in turn, by number or name; all at random by default."""
    latent_steps: int = 0
    """Steps of latent optimisation before generating (appendix E: 10)."""
    batch: int = 64
    """Images per pass."""
    out: str | None = None
    """NAME.png, NAME.npz or a folder; by default a grid in the run folder."""
    device: str = "auto"
    """auto, cpu, cuda ..."""


def main(args: Sequence[str]) -> int:
    """Run the command."""
    given = parse(SampleArguments, args, prog="logan sample", description=DESCRIPTION)
    source = snapshot.find(given.run)
    model = load(source, given.device)
    kimg = source.stem.rpartition("-")[2]
    default = (Path() if is_hub(given.run) else source.parent) / f"samples{kimg}-seed{given.seed}.png"
    out = default if given.out is None else Path(given.out).expanduser()
    write = _writer(out, model)
    images = model.sample(
        given.n,
        seed=given.seed,
        trunc=given.trunc,
        labels=None if given.labels is None else class_numbers(given.labels, model.info.class_names),
        latent_steps=given.latent_steps,
        batch=given.batch,
    )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write(images)
    except OSError as error:
        raise InputError(f"--out {out} cannot be written ({error.strerror or error}); choose another place") from None
    print(out)
    return 0


def class_numbers(labels: Sequence[str], names: Sequence[str]) -> list[int]:
    """Classes by number or name, as numbers.

    Raises:
        InputError: for a word that is neither.
    """
    unknown = next((label for label in labels if not label.lstrip("-").isdecimal() and label not in names), None)
    if unknown is not None:
        raise InputError(
            f"--labels {unknown!r} is neither a number nor one of this generator's classes{did_you_mean(unknown, list(names))}: "
            f"{', '.join(names[:20]) or 'it has none'}{', ...' if len(names) > 20 else ''}"
        )
    return [names.index(label) if label in names else int(label) for label in labels]


def _writer(out: Path, model: Model) -> Callable[[Tensor], None]:
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
    if out.is_dir() and any(out.iterdir()):
        raise InputError(f"--out {out} is not empty; choose another folder")
    return lambda images: _save_folder(out, images)


def _save_folder(out: Path, images: Tensor) -> None:
    """All of them, or none."""
    there = out.exists()
    out.mkdir(exist_ok=True)
    written = []
    try:
        for i, pixels in enumerate(to_uint8(images)):
            written.append(out / f"{i:06d}.png")
            with explained(written[-1]):
                as_pil(pixels).save(written[-1])
    except BaseException:
        with suppress(OSError):
            for path in written:
                path.unlink(missing_ok=True)
            if not there:
                out.rmdir()
        raise


def _save_npz(path: Path, array: Tensor) -> None:
    with open(path, "wb") as f:  # given a name, numpy would add .npz to it
        np.savez_compressed(f, array.numpy())
