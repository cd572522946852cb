"""``logan sample RUN``: draw images from a trained generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from torch import Tensor

from logan import snapshot
from logan.cli.parsing import parse
from logan.errors import InputError
from logan.files import write_atomically
from logan.report.pictures import are_points, as_pil, save_picture, to_uint8
from logan.sampling import Model, load

DESCRIPTION = """Draw images from a trained generator.

--out decides the form: NAME.png is one grid, NAME.npz an array (arr_0: uint8 images (n, H, W, C), or float points; labels
beside it), any other name a folder with a PNG per image."""


@dataclass(frozen=True)
class SampleArguments:
    """What ``logan sample`` takes."""

    run: Annotated[str, tyro.conf.Positional]
    """A run folder (its latest snapshot) or a network-snapshot-....safetensors."""
    n: int = 64
    """How many images."""
    seed: int = 0
    """The same seed gives the same images."""
    trunc: float = 1.0
    """Truncation s: latents are s times z; smaller is less varied and often better."""
    labels: tuple[int, ...] | None = None
    """Classes to draw, in turn; all at random by default."""
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
    images = model.sample(
        given.n,
        seed=given.seed,
        trunc=given.trunc,
        labels=given.labels,
        latent_steps=given.latent_steps,
        batch=given.batch,
    )
    kimg = source.stem.rpartition("-")[2]
    out = Path(given.out) if given.out else source.parent / f"samples{kimg}-seed{given.seed}.png"
    try:
        _write(out, images, model)
    except OSError as error:
        raise InputError(f"--out {out} cannot be written ({error.strerror or error}); choose another place") from None
    print(out)
    return 0


def _write(out: Path, images: Tensor, model: Model) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".png":
        save_picture(out, images)
    elif out.suffix == ".npz":
        array = images.flatten(1).numpy() if are_points(images) else to_uint8(images).numpy()
        write_atomically(out, lambda partial: _save_npz(partial, array))
    elif out.suffix:
        raise InputError(
            f"--out {out}: {out.suffix} is not a form that can be written; use NAME.png, NAME.npz or a folder"
        )
    elif are_points(images):
        raise InputError("--out FOLDER is for images; use NAME.npz for the points of a 2-D mixture")
    else:
        out.mkdir(exist_ok=True)
        for i, pixels in enumerate(to_uint8(images)):
            as_pil(pixels).save(out / f"{i:06d}.png")


def _save_npz(path: Path, array: np.ndarray) -> None:
    with open(path, "wb") as f:  # given a name, numpy would add .npz to it
        np.savez_compressed(f, array)
