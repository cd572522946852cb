"""One image file: from its bytes to 8-bit grey or RGB, and from there to a square of the wanted size."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from logan.errors import InputError

from .dataset import BrokenImage

GREY_MODES = {"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F"}
PIL_MODES = {1: "L", 3: "RGB"}


class Header(NamedTuple):
    width: int
    height: int
    grey: bool


def read_header(data: bytes, name: str) -> Header:
    """Size and kind of an image without decoding it, after the checks that its format has (PNG: all checksums).

    Raises:
        BrokenImage: not an image, or its checks fail.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            header = Header(image.width, image.height, image.mode in GREY_MODES)
            image.verify()
            return header
    except Exception as error:
        raise _broken(name, error) from error


def decode(data: bytes, name: str) -> Image.Image:
    """An image file as 8-bit grey ("L") or colour ("RGB").

    Any mode that Pillow reads: palettes, 1-bit, CMYK, … EXIF orientation is applied. Transparent pixels are put over
    white. 16-bit grey is scaled to 8 bits (65535 becomes 255, rounded), not
    cut off; of 16-bit colour PIL keeps the high byte. Of an animation, the first frame.

    Args:
        data: the contents of the file.
        name: its name, for messages.

    Raises:
        BrokenImage: it cannot be decoded, or holds 32-bit values, whose range nobody knows.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            ImageOps.exif_transpose(image, in_place=True)  # the form that copies nothing where there is nothing to turn
            return _eight_bits(image, name)
    except BrokenImage:
        raise
    except Exception as error:  # decoders raise anything on bad data: OSError, SyntaxError, struct.error, …
        raise _broken(name, error) from error


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
        image = _in_mode(image, PIL_MODES[self.channels])
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


def _eight_bits(image: Image.Image, name: str) -> Image.Image:
    if image.mode.startswith("I"):
        return _from_sixteen_bits(image, name)
    if image.mode == "F":
        raise BrokenImage(f"{name}: holds floating-point pixels; save it with 8 or 16 bits")
    grey = image.mode in GREY_MODES
    if image.has_transparency_data:
        return _over_white(image.convert("LA" if grey else "RGBA"))
    return _in_mode(image, "L" if grey else "RGB")


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)  # convert() would copy


def _from_sixteen_bits(image: Image.Image, name: str) -> Image.Image:
    values = np.asarray(image).astype(np.int64)  # Pillow gives 16-bit files as "I;16", older versions as "I"
    if values.min() < 0 or values.max() > 65535:
        raise BrokenImage(f"{name}: holds 32-bit pixels; save it with 8 or 16 bits")
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))  # 65535 / 257 = 255, + 128 rounds


def _over_white(image: Image.Image) -> Image.Image:
    colour, alpha = image.convert(image.mode[:-1]), image.getchannel("A")
    white = Image.new(colour.mode, image.size, "white")
    white.paste(colour, mask=alpha)
    return white


def _broken(name: str, error: Exception) -> BrokenImage:
    # an unidentified image's own message shows the address of a buffer
    reason = "not an image that Pillow can read" if isinstance(error, UnidentifiedImageError) else str(error)
    return BrokenImage(f"{name}: broken image ({' '.join(reason.split()) or type(error).__name__})")
