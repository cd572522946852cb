"""Pictures one after the other: as GIF, WebP or MP4, as a strip, or each as a file."""

from __future__ import annotations

import importlib
import itertools
import math
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from PIL import Image, features
from torch import Tensor

from logan.errors import InputError, first_line, not_installed
from logan.files import explained, write_atomically
from logan.report.pictures import as_pil, save_picture, to_uint8

FORMS = {".gif": 50, ".webp": 100, ".mp4": 120, ".png": 120, "": 120}
"""Names' ends (none: a folder), and the most frames per second: a GIF counts hundredths of a second, and browsers take less than
two for ten."""
SIDE = 192
"""Smallest side, in pixels, of a moving picture; smaller ones are enlarged without smoothing."""
STRIP = 12
"""Most pictures of a row of a strip."""
MOST_TO_LOOK_AT = 64
"""Frames whose colours a GIF's palette is made of."""


def check_form(path: Path, fps: float) -> str:
    """How a path's name ends, in small letters; empty for a folder.

    Raises:
        InputError: for a form that cannot be written, here or at all, or not at that rate.
    """
    form = path.suffix.lower()
    if form not in FORMS:
        names = ", ".join(f"NAME{end}" for end in FORMS if end)
        raise InputError(
            f"`out` {path}: {form} is not a form that can be written; use {names}, or a folder for the frames"
        )
    most = FORMS[form]
    if not 1 <= fps <= most:
        raise InputError(f"`fps` must be >= 1 and <= {most}{f' for {form}' * bool(form)}, not {fps:g}")
    if form == ".webp" and not features.check("webp"):
        raise InputError(f"`out` {path}: this Pillow was built without WebP; use NAME.gif, or install Pillow from PyPI")
    if form == ".mp4":
        _ffmpeg()
    return form


def save(path: Path, images: Tensor, fps: float) -> None:
    """Write images (n, C, H, W) in [−1, 1], in one move: moving pictures that begin anew when they end, or a strip.

    GIF and WebP show a frame that equals the one before it as one that lasts longer.

    Raises:
        InputError: for a form that cannot be written; see :func:`check_form`.
    """
    form = check_form(path, fps)
    images = images.clamp(-1, 1).nan_to_num(0)
    if form == ".png":
        save_picture(path, images, columns=min(len(images), STRIP))
    elif form == ".gif":
        frames, lasting = in_palette(images), durations(len(images), fps, 10)
        write_atomically(path, lambda partial: _save_all(partial, frames, "GIF", lasting, disposal=1))
    elif form == ".webp":
        pictures = [enlarged(as_pil(p).convert("RGB")) for p in to_uint8(images)]
        how = {"lossless": True} if pictures[0].width > images.shape[3] else {"quality": 90}
        lasting = durations(len(images), fps, 1)
        write_atomically(path, lambda partial: _save_all(partial, pictures, "WEBP", lasting, method=4, **how))
    elif form == ".mp4":
        write_atomically(path, lambda partial: _save_mp4(partial, images, fps))
    else:
        raise InputError(f"`out` {path} is a folder's name; save_frames writes such")


def save_frames(folder: Path, images: Tensor, old: Sequence[Path] = ()) -> None:
    """Write each image as ``000000.png`` …, all of them or none, in the place of ``old`` ones."""
    there = folder.exists()
    for path in old:
        path.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    try:
        for i, pixels in enumerate(to_uint8(images)):
            written.append(folder / f"{i:06d}.png")
            with explained(written[-1]):
                as_pil(pixels).save(written[-1])
    except BaseException:
        with suppress(OSError):
            for path in written:
                path.unlink(missing_ok=True)
            if not there:
                folder.rmdir()
        raise


def durations(n: int, fps: float, unit: int) -> list[int]:
    """Milliseconds that each of n frames lasts, in whole ``unit``s, so that their sum is never more than one unit off n/fps.

    Example:
        >>> durations(4, 24, 10)
        [40, 40, 40, 50]
    """
    ends = [round(1000 * k / fps / unit) for k in range(n + 1)]
    return [unit * (b - a) for a, b in itertools.pairwise(ends)]


def enlarged(picture: Image.Image, even: bool = False) -> Image.Image:
    """At least :data:`SIDE` pixels wide and high, by a whole factor, each pixel a square; ``even`` sides for video."""
    times = max(1, math.ceil(SIDE / min(picture.size)))
    if even and times * picture.width % 2 + times * picture.height % 2:
        times += times % 2
    return picture.resize((times * picture.width, times * picture.height), Image.Resampling.NEAREST)


def in_palette(images: Tensor) -> list[Image.Image]:
    """Pictures as a GIF has them: grey ones as they are; of colours 256, the same for all frames, since a palette of its own for
    each makes them flicker. Colours in between are dithered, before the pictures are enlarged."""
    pixels = to_uint8(images)
    pictures = [as_pil(one) for one in pixels]
    if pictures[0].mode == "L":
        return [enlarged(picture) for picture in pictures]
    below_each_other = pixels[:: math.ceil(len(pixels) / MOST_TO_LOOK_AT)].flatten(0, 1)
    palette = as_pil(below_each_other).quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1)
    return [enlarged(picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)) for picture in pictures]


def _save_all(path: Path, pictures: Sequence[Image.Image], form: str, lasting: list[int], **how: Any) -> None:
    rest = list(pictures[1:])
    pictures[0].save(path, format=form, save_all=True, append_images=rest, duration=lasting, loop=0, **how)


def _ffmpeg() -> Any:
    """The package with ffmpeg in it.

    Raises:
        InputError: if it is not installed.
    """
    try:
        return importlib.import_module("imageio_ffmpeg")
    except ImportError:
        raise not_installed("`out` NAME.mp4", "imageio-ffmpeg", "video") from None


def _save_mp4(path: Path, images: Tensor, fps: float) -> None:
    """H.264 as every player has it: 4:2:0, sides even."""
    pictures = [enlarged(as_pil(pixels).convert("RGB"), even=True) for pixels in to_uint8(images)]
    try:
        writer = _ffmpeg().write_frames(
            str(path), pictures[0].size, fps=fps, codec="libx264", pix_fmt_out="yuv420p", macro_block_size=2, quality=8,
            ffmpeg_log_level="error", output_params=["-f", "mp4"],
        )  # fmt: skip
        try:
            writer.send(None)
            for picture in pictures:
                writer.send(picture.tobytes())
        finally:
            writer.close()
    except (OSError, RuntimeError) as error:  # ffmpeg's own complaint, or none to be found
        raise InputError(f"ffmpeg could not write the video ({first_line(error)}); use NAME.webp or NAME.gif") from None
