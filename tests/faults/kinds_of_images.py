"""Images of every format that is named, as a folder of one of them, opened or prepared."""

from __future__ import annotations

import functools
import io
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from PIL import Image

from logan.data import open_data
from logan.data.formats import SUFFIXES, SUFFIXES_OF, load_decoders
from logan.data.prepare import prepare
from logan.errors import InputError

from .containers import damaged_png
from .kinds import Kind, Seed, write


class Promised(AssertionError):
    """Something that was promised of good input does not hold."""


def picture(mode: str = "RGB", side: int = 16, shift: int = 0) -> Image.Image:
    """A small one of everything that a format may hold."""
    levels = (np.add.outer(np.arange(side) * 11, np.arange(side) * 5) + shift) % 256
    if mode == "I;16":
        return Image.fromarray((levels * 257).astype(np.uint16))
    colour = Image.fromarray(np.stack([levels, levels.T, 255 - levels], -1).astype(np.uint8))
    if mode in ("RGBA", "LA"):
        colour.putalpha(Image.fromarray(levels.astype(np.uint8)))
    return colour.convert(mode)


def encoded(suffix: str, mode: str, kind: str, **options: Any) -> bytes:
    """A picture as a file."""
    load_decoders()
    file = io.BytesIO()
    frames = (
        {"save_all": True, "append_images": [picture(mode, shift=40 * i) for i in (1, 2)]}
        if options.pop("moving", 0)
        else {}
    )
    picture(mode).save(file, kind, **options, **frames)
    return file.getvalue()


EXIF = Image.Exif()
EXIF[0x0112] = 6
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "PNG": [
        *({"mode": mode} for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
        *({"mode": "P", "transparency": 3}, {"mode": "L", "transparency": 7}, {"mode": "RGB", "exif": EXIF, "dpi": (9, 9)}),
        {"mode": "RGB", "moving": True},
    ],
    "JPEG": [{"mode": m} | o for m in ("L", "RGB", "CMYK") for o in ({}, {"progressive": True}, {"exif": EXIF, "subsampling": 2})],
    "WEBP": [{"mode": "RGB"}, {"mode": "RGBA", "lossless": True}, {"mode": "RGBA", "moving": True}, {"mode": "RGB", "exif": EXIF}],
    "GIF": [{"mode": "L"}, {"mode": "P", "transparency": 2}, {"mode": "P", "moving": True}, {"mode": "RGB", "interlace": 1}],
    "BMP": [{"mode": mode} for mode in ("1", "L", "P", "RGB", "RGBA")],
    "TIFF": [
        *({"mode": m, "compression": c} for m in ("L", "RGB") for c in ("raw", "tiff_lzw", "packbits", "jpeg", "tiff_deflate")),
        *({"mode": "1", "compression": f"group{k}"} for k in (3, 4)),
        *({"mode": mode} for mode in ("I;16", "F", "P", "RGBA", "CMYK", "LAB")),
        *({"mode": "RGB", "moving": True}, {"mode": "I;16", "compression": "tiff_lzw"}, {"mode": "RGB", "compression": "zstd"}),
    ],
    "PPM": [{"mode": mode} for mode in ("1", "L", "RGB", "I;16", "F")],
    "AVIF": [{"mode": "RGB"}, {"mode": "RGBA"}, {"mode": "RGB", "moving": True}],
    "JPEG2000": [{"mode": "L"}, {"mode": "RGB"}, {"mode": "RGBA", "irreversible": True}, {"mode": "RGB", "no_jp2": True}],
    "TGA": [{"mode": m, "compression": c} for m in ("L", "LA", "P", "RGB", "RGBA") for c in (None, "tga_rle")],
}  # fmt: skip
TEXTS = (
    b"P1\n# a note\n4 4\n" + b"1 0 1 0 " * 4, b"P2\n4 4\n15\n" + b"1 2 3 4 " * 4, b"P3\n2 2\n255\n" + b"1 2 3 " * 4,
    b"P5\n4 4\n100\n" + bytes(range(16)), b"P7\nWIDTH 2\nHEIGHT 2\nDEPTH 1\nMAXVAL 255\nTUPLTYPE GRAYSCALE\nENDHDR\nabcd",
)  # fmt: skip


def seeds_of(kind: str, folder: Path) -> list[Seed]:
    """Good files of a format; in a build of Pillow that lacks a way to compress, without that."""
    suffix, seeds = SUFFIXES_OF[kind][0], []
    for options in OPTIONS[kind]:
        given = dict(options)
        try:
            data = encoded(suffix, given.pop("mode"), kind, **given)
        except (OSError, KeyError, ValueError):
            continue
        damages = (functools.partial(damaged_png, data),) if kind == "PNG" else ()
        seeds.append(Seed("x" + suffix, data, damages))
    seeds += [Seed("x.pnm", data) for data in TEXTS] if kind == "PPM" else []
    return seeds


def read(folder: Path, name: str, data: bytes, rng: Random) -> Any:
    """A folder with the image in it, opened as training opens it or prepared; now and then it has the name of another format."""
    if rng.random() < 0.1:
        name = "x" + rng.choice(SUFFIXES)
    write(folder / "set" / name, data)
    return opened(folder, folder / "set", rng)


def opened(folder: Path, path: Path, rng: Random) -> Any:
    """What is in a set of images; two times in ten it is prepared first, and what was prepared must open."""
    what, channels = rng.random(), rng.choice((1, 3))
    if what < 0.8:
        options: dict[str, Any] = {"image_size": rng.choice((8, 8, 8, None)), "channels": rng.choice((channels, None))}
        return contents(
            open_data(str(path), **options, skip_broken=rng.random() < 0.2, memory_limit=rng.choice((2**31, 0)))
        )
    made = folder / ("made.npy" if what < 0.9 else "made.zip")
    prepare(str(path), made, size=8, channels=channels, enlarge=True)
    try:
        return contents(open_data(str(made)))
    except InputError as error:
        raise Promised(f"what was prepared cannot be opened: {error}") from error


def contents(data: Any) -> Any:
    """All images of a set, and what is said of them."""
    return data.batch(torch.arange(min(len(data), 64))), data.class_names, data.image_size


KINDS = [Kind(name, functools.partial(seeds_of, name), read) for name in SUFFIXES_OF]
