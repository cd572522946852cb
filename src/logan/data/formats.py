"""The formats of images that are read, and no other.

Left to itself, Pillow takes a file for whatever it looks like, whatever it is called. Some forty formats come with it; one of them
starts another program (an EPS is given to Ghostscript), and most are decoders that nobody has needed, or looked at, for years.
"""

from __future__ import annotations

import contextlib
import importlib
import io
from functools import cache

from PIL import Image

SUFFIXES_OF = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "AVIF": (".avif",),
    "JPEG2000": (".jp2", ".j2k", ".jpf", ".jpx"),
    "TGA": (".tga",),
}
SUFFIXES = tuple(suffix for suffixes in SUFFIXES_OF.values() for suffix in suffixes)
OTHER_SUFFIXES = (
    *(".heic", ".heif", ".jxl", ".jxr", ".psd", ".svg", ".ico", ".eps", ".ps", ".pdf", ".exr", ".hdr"),
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".raw", ".pcx", ".sgi", ".xbm", ".qoi"),
)
"""Of images that are not read: files that have one are left out, and said to be."""
_MODULES = {"WEBP": "WebP", "JPEG2000": "Jpeg2K"}


@cache
def _readable() -> tuple[str, ...]:
    """The formats that this Pillow has, their modules loaded: older ones have no AVIF."""
    for name in SUFFIXES_OF:
        with contextlib.suppress(ImportError):
            importlib.import_module(f"PIL.{_MODULES.get(name, name.capitalize())}ImagePlugin")
    return tuple(name for name in SUFFIXES_OF if name in Image.OPEN)


def load_decoders() -> None:
    """Now, and not from several threads at once."""
    _readable()


def no_image(name: str) -> str:
    """Why a file is none, for messages."""
    missing = [known for known in SUFFIXES_OF if known not in _readable() and name.lower().endswith(SUFFIXES_OF[known])]
    if missing:
        return f"this version of Pillow does not read {missing[0]}; pip install -U pillow"
    return f"not an image of {', '.join(_readable())}"


def open_image(data: bytes, name: str) -> Image.Image:
    """``Image.open`` for the formats above. A TGA, which nothing in it tells, must be called one.

    Raises:
        PIL.UnidentifiedImageError: it is of none of them; and what decoders raise on damaged data.
    """
    return Image.open(io.BytesIO(data), formats=_formats(name))


def looks_like_an_image(start: bytes, name: str) -> bool:
    """Whether the first 16 bytes of a file are those of one of the formats."""
    accepts = [Image.OPEN[known][1] for known in _formats(name)]
    return any(accept is None or accept(start) is True for accept in accepts)  # a text says what is not installed


def _formats(name: str) -> tuple[str, ...]:
    named_tga = name.lower().endswith(SUFFIXES_OF["TGA"])
    return tuple(known for known in _readable() if known != "TGA" or named_tga)
