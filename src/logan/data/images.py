"""One image file: from its bytes to 8-bit grey or RGB, and from there to a square of the wanted size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from logan.errors import InputError

from .bounds import MOST_BYTES, MOST_JPEG2000_PIXELS, MOST_PIXELS, MOST_SLOW_PIXELS, in_units, room
from .dataset import BrokenImage
from .eight_bits import in_eight_bits, in_mode, is_grey
from .formats import no_image, open_image
from .jpeg import MOST_SCANS, START, has_too_many_scans
from .png import SIGNATURE, Png, read_png

PIL_MODES = {1: "L", 3: "RGB"}
SMALLER = "; make it smaller, or leave it out"
ORIENTATION = 0x0112
TURNS = dict(
    enumerate(
        (
            Image.Transpose.FLIP_LEFT_RIGHT,
            Image.Transpose.ROTATE_180,
            Image.Transpose.FLIP_TOP_BOTTOM,
            Image.Transpose.TRANSPOSE,
            Image.Transpose.ROTATE_270,
            Image.Transpose.TRANSVERSE,
            Image.Transpose.ROTATE_90,
        ),
        start=2,
    )
)
"""What makes an image upright, by its EXIF orientation."""


class Header(NamedTuple):
    width: int
    height: int
    grey: bool


def read_header(data: bytes, name: str) -> Header:
    """Size and kind of an image without decoding it, after the checks that its format has (PNG: all checksums).

    Raises:
        BrokenImage: not an image, larger than is read (:mod:`logan.data.bounds`), or its checks fail.
    """
    with _opened(data, name) as (image, png):
        return Header(image.width, image.height, is_grey(image, png))


def decode(data: bytes, name: str) -> Image.Image:
    """An image file as 8-bit grey ("L") or colour ("RGB").

    Any mode that Pillow reads: palettes, 1-bit, CMYK, … EXIF orientation is applied. Transparent pixels are put over
    white. 9 to 16 bits of grey are scaled to 8 (65535 becomes 255, rounded), not
    cut off; of 16-bit colour PIL keeps the high byte. Of an animation, the first frame.

    Args:
        data: the contents of the file.
        name: its name, for messages.

    Raises:
        BrokenImage: it cannot be decoded, its checks fail, it is larger than is read (:mod:`logan.data.bounds`), or it holds
            32-bit values, whose range nobody knows.
    """
    with _opened(data, name) as (image, png), room(4 * image.width * image.height):
        image.load()
        eight = in_eight_bits(image, png, name)
        turned = TURNS.get(image.getexif().get(ORIENTATION, 1))
        return eight if turned is None else eight.transpose(turned)


@contextmanager
def _opened(data: bytes, name: str) -> Iterator[tuple[Image.Image, Png | None]]:
    """The image, whose header alone was read, and what a PNG says of itself. Whatever goes wrong with it is a BrokenImage."""
    try:
        if len(data) > MOST_BYTES:
            raise BrokenImage(
                f"{name}: {in_units(len(data))}, and an image file may have {in_units(MOST_BYTES)}; make it smaller"
            )
        if data.startswith(START) and has_too_many_scans(data):
            raise BrokenImage(f"{name}: a JPEG of more than {MOST_SCANS} scans; save it anew, or leave it out")
        png = read_png(data) if data.startswith(SIGNATURE) else None
        if png is not None:
            check_pixels(png.width, png.height, name)
        with open_image(data if png is None else png.data, name) as image:
            check_pixels(image.width, image.height, name)
            if image.format == "JPEG2000":
                check_pixels(image.width, image.height, name, MOST_JPEG2000_PIXELS)
            if _is_slow(image):
                check_pixels(image.width, image.height, name, MOST_SLOW_PIXELS, "; save it as PNG, or make it smaller")
            yield image, png
    except (BrokenImage, MemoryError):  # that this machine is full is no fault of the image's
        raise
    except Image.DecompressionBombError:  # Pillow's own bound, twice as high, which it looks at first
        raise BrokenImage(f"{name}: more than the {MOST_PIXELS:,} pixels that an image may have{SMALLER}") from None
    except Exception as error:  # decoders raise anything on bad data: OSError, SyntaxError, struct.error, …
        raise _broken(name, error) from error


def check_pixels(width: int, height: int, name: str, most: int = MOST_PIXELS, advice: str = SMALLER) -> None:
    """Raises BrokenImage for more pixels than are decoded."""
    if width * height > most:
        raise BrokenImage(f"{name}: {width}×{height} pixels, and an image may have {most:,}{advice}")


@dataclass(frozen=True)
class Fit:
    """Makes any image a square tensor: centre crop, antialiased resize, then a black border.

    The crop and the filter (Lanczos, whose support grows with the reduction, so it does not alias) are those of
    StyleGAN's ``dataset_tool.py --transform=center-crop``; sharper than a box filter at the same lack of aliasing.
    Pillow's faster approximations (JPEG draft mode, ``reducing_gap``) are not used, so pixels do not depend on them.

    Args:
        image_size: side of the result in pixels, border included.
        channels: 1 (ITU-R 601 luminance of a colour image) or 3 (three copies of a grey one).
        pad: width of the border on each side, in pixels.
        enlarge: take smaller images too, and enlarge them.
    """

    image_size: int
    channels: int
    pad: int = 0
    enlarge: bool = False

    @property
    def inner(self) -> int:
        """The side without the border."""
        return self.image_size - 2 * self.pad

    def check_side(self, width: int, height: int, name: str) -> None:
        """Raises InputError if an image is too small: pixels are not invented unasked."""
        if min(width, height) < self.inner and not self.enlarge:
            raise InputError(
                f"{name} is {width}×{height} pixels, smaller than the size asked for ({self.inner}): "
                f"pass a smaller `image_size` (at most {min(width, height) + 2 * self.pad}), or larger images"
            )

    def __call__(self, image: Image.Image, name: str) -> Tensor:
        """uint8 (channels, image_size, image_size). Raises InputError if the image is too small."""
        self.check_side(image.width, image.height, name)
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = in_mode(image, PIL_MODES[self.channels])
        if image.width != image.height:
            image = image.crop((left, top, left + side, top + side))
        if side != self.inner:
            image = image.resize((self.inner, self.inner), Image.Resampling.LANCZOS)
        if self.pad:
            image = ImageOps.expand(image, self.pad, fill=0)
        pixels = np.array(image).reshape(self.image_size, self.image_size, self.channels)  # H, W, C
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))  # torch's copy would start threads


@dataclass(frozen=True)
class Wanted:
    """What is asked of a set of images: side in pixels, border included, channels, and width of the border; None: theirs."""

    image_size: int | None = None
    channels: int | None = None
    pad: int = 0

    def fit(self, side: int, channels: int) -> Fit:
        """For images of that side and those channels."""
        return Fit(self.image_size or side + 2 * self.pad, self.channels or channels, self.pad)


def picture(pixels: np.ndarray) -> Image.Image:
    """uint8 (1 or 3, S, S) as Pillow has it."""
    return Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def _is_slow(image: Image.Image) -> bool:
    """Whether Pillow's decoder is one that goes number by number: a PPM as text, or with levels to other than 255 or 65535."""
    return any(tile[0] in ("ppm", "ppm_plain") for tile in getattr(image, "tile", ()))


def _broken(name: str, error: Exception) -> BrokenImage:
    # an unidentified image's own message shows the address of a buffer
    reason = no_image(name) if isinstance(error, UnidentifiedImageError) else str(error)
    return BrokenImage(f"{name}: broken image ({' '.join(reason.split())[:200] or type(error).__name__})")
