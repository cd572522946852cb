"""A photograph of anybody's as the pictures of a run are: its centred square, reduced to the run's size, with its channels."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from torch import Tensor

from logan.data.bounds import MOST_BYTES
from logan.data.images import Fit, decode
from logan.errors import InputError
from logan.regular import read_regular
from logan.sampling.snapshot import Snapshot


@dataclass(frozen=True)
class Photo:
    """One that is ready to be compared with what a generator makes.

    Attributes:
        pixels: uint8, (C, S, S).
        done: what was done to it, in a line; empty if nothing was.
    """

    pixels: Tensor
    done: str


def check_makes_pictures(info: Snapshot) -> None:
    """Refuse a generator of points, or of pictures that are neither grey nor colour (InputError)."""
    if info.architecture["image_size"] == 1:
        raise InputError(
            "this generator makes points in the plane, not pictures: there are no photographs of such; sample it instead"
        )
    channels = info.architecture["image_channels"]
    if channels not in (1, 3):
        raise InputError(f"this generator makes pictures of {channels} channels, and a picture file has 1 (grey) or 3")


def prepare(path: Path, info: Snapshot, *, enlarge: bool = False) -> Photo:
    """A picture file as the run's own data were prepared: cropped, reduced, made grey or colour, and given the run's border.

    One that has the generator's size already, such as a sample, is taken as it is, border and all.

    Args:
        path: of the file, of any form that ``--data`` takes.
        info: of the snapshot.
        enlarge: take one that is smaller than the generator's pictures, and enlarge it.

    Raises:
        InputError: it is missing, broken, or too small; or the generator makes no pictures.
    """
    check_makes_pictures(info)
    if path.is_dir():
        raise InputError(f"{path} is a folder; name the pictures in it, as in {path / '*.png'}")
    try:
        data = read_regular(path, MOST_BYTES, through_links=True, advice="make it smaller")
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; pass a picture file") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); pass a picture file") from None
    with warnings.catch_warnings():  # of Pillow, about images that have too many pixels for us as well
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        image = decode(data, str(path))
    size, channels = info.architecture["image_size"], info.architecture["image_channels"]
    pad = 0 if image.size == (size, size) else info.config.data.pad
    fit = Fit(size, channels, pad, enlarge)
    side = min(image.size)
    if side < fit.inner and not enlarge:
        raise InputError(
            f"{path} is {image.width}×{image.height} pixels, smaller than this generator's {fit.inner}×{fit.inner}: pass "
            f"`enlarge`, or a larger picture"
        )
    done = [f"cropped to its centred square of {side}"] * (image.width != image.height)
    done += [f"{'reduced' if side > fit.inner else 'enlarged'} to {fit.inner}×{fit.inner}"] * (side != fit.inner)
    done += ["made grey"] * (channels == 1 and image.mode == "RGB") + ["made colour"] * (
        channels == 3 and image.mode == "L"
    )
    done += [f"given the run's black border of {pad}"] * (pad > 0)
    said = f"{path}, {image.width}×{image.height}: {', '.join(done)}" if done else ""
    return Photo(fit(image, str(path)), said)
