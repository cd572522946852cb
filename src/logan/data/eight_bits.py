"""From whatever an image file holds to 8-bit grey or RGB."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image, ImageChops

from .dataset import BrokenImage
from .formats import open_image
from .png import GREY, GREY_ALPHA, Png

GREY_MODES = {"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F"}
STRIP = 2**18
"""Pixels that are worked on at a time."""
BITS_PER_SAMPLE, PHOTOMETRIC, WHITE_IS_ZERO, SAMPLE_FORMAT, UNSIGNED = 258, 262, 0, 339, 1
"""Tags of TIFF, and two of their values."""


def is_grey(image: Image.Image, png: Png | None) -> bool:
    """Whether its pixels have no colour; ``png`` is what a PNG says of itself, None for other files."""
    return image.mode in GREY_MODES or (
        png is not None and png.kind == GREY_ALPHA
    )  # Pillow makes colour of 16 bits of that


def in_eight_bits(image: Image.Image, png: Png | None, name: str) -> Image.Image:
    """The pixels of a loaded image as grey ("L") or colour ("RGB"), transparent ones over white.

    Raises:
        BrokenImage: pixels whose range is not known.
    """
    transparent = _where_transparent(image, png)
    eight = _opaque(image, png, name)
    if transparent is not None:
        eight.paste("white", mask=transparent)
    return eight


def in_mode(image: Image.Image, mode: str) -> Image.Image:
    """``image`` itself, if it is in that mode: Pillow would copy it."""
    return image if image.mode == mode else image.convert(mode)


def _opaque(image: Image.Image, png: Png | None, name: str) -> Image.Image:
    if image.mode.startswith("I"):
        return _from_sixteen_bits(image, name)
    if image.mode == "F":
        raise BrokenImage(f"{name}: holds floating-point pixels; save it with 8 or 16 bits")
    grey = is_grey(image, png)
    if image.has_transparency_data:
        return _over_white(in_mode(image, "LA" if grey else "RGBA"))
    return in_mode(image, "L" if grey else "RGB")


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """The image in parts of a few rows each, so that what is made of them on the way takes no memory worth mention."""
    rows = max(1, STRIP // image.width)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _from_sixteen_bits(image: Image.Image, name: str) -> Image.Image:
    white, inverted = _levels(image, name)
    grey = Image.new("L", image.size)
    for top, strip in _strips(image):
        values = np.asarray(strip).astype(np.int64)  # Pillow gives 16-bit files as "I;16", older versions as "I"
        if values.min() < 0 or values.max() > white:
            raise BrokenImage(f"{name}: holds pixels beyond 0 … {white}; save it with 8 or 16 bits")
        rounded = ((values * 255 + white // 2) // white).astype(np.uint8)
        grey.paste(Image.fromarray(255 - rounded if inverted else rounded), (0, top))
    return grey


def _levels(image: Image.Image, name: str) -> tuple[int, bool]:
    """The level of white, and whether 0 is white, which Pillow says of no more than 8 bits; both are a TIFF's to choose.

    Raises:
        BrokenImage: a TIFF of more than 16 bits, or of numbers with a sign: nobody knows which of them is white.
    """
    tags: Any = getattr(image, "tag_v2", {})
    bits = tags.get(BITS_PER_SAMPLE, (16,))
    if bits[0] > 16 or set(tags.get(SAMPLE_FORMAT, (UNSIGNED,))) != {UNSIGNED}:
        raise BrokenImage(f"{name}: holds numbers of {bits[0]} bits or with a sign; save it with 8 or 16 bits")
    return 2 ** (bits[0] if 8 < bits[0] < 16 else 16) - 1, tags.get(PHOTOMETRIC) == WHITE_IS_ZERO


def _over_white(image: Image.Image) -> Image.Image:
    white = Image.new(image.mode[:-1], image.size, "white")
    for top, strip in _strips(image):
        white.paste(strip.convert(white.mode), (0, top), strip.getchannel("A"))
    return white


def _where_transparent(image: Image.Image, png: Png | None) -> Image.Image | None:
    """Of a PNG with a transparent colour whose levels have more or less than 8 bits, the pixels of it; None for any other image."""
    if png is None or png.bits == 8 or not png.transparent:
        return None
    image.info.pop("transparency", None)  # Pillow would compare half of its bits, or levels of 4 bits with those of 8
    if png.bits < 8:  # grey
        level = png.transparent[0] * 255 // (2**png.bits - 1)
        return in_mode(image, "L").point([255 * (v == level) for v in range(256)])
    if png.kind == GREY:
        mask = Image.new("L", image.size)
        for top, strip in _strips(image):
            mask.paste(
                Image.fromarray(np.where(np.asarray(strip) == png.transparent[0], 255, 0).astype(np.uint8)), (0, top)
            )
        return mask
    mask = Image.new("L", image.size, 255)
    for part, shift in ((image, 8), (_low_bytes(png), 0)):
        for channel, level in enumerate(png.transparent):
            is_it = part.getchannel(channel).point([255 * (v == level >> shift & 255) for v in range(256)])
            mask = ImageChops.darker(mask, is_it)
    return mask


def _low_bytes(png: Png) -> Image.Image:
    """The bytes of 16-bit colour that Pillow throws away: it keeps them if told that the other byte comes first."""
    image = open_image(png.data, "")
    tiles = getattr(image, "tile")  # noqa: B009 (of files alone)
    image.tile = [  # type: ignore[attr-defined]
        tile._replace(args="RGB;16L") if hasattr(tile, "_replace") else (*tile[:3], "RGB;16L") for tile in tiles
    ]
    image.load()
    return image
