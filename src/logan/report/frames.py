"""Pictures made small enough for a page that holds a hundred of them: WebP in data URIs, each within a bound."""

from __future__ import annotations

import base64
import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, features

from logan.report.material import Picture
from logan.report.pictures import GAP

MOST_FRAMES = 100
"""Pictures of samples in a page, of all its runs together."""
MOST_BYTES = 60_000
"""Of one picture: a hundred take 8 MB as text."""
SIDE = 640
"""Pixels that a picture is wide or high at most."""
MOST_PIXELS = 2**26
"""Of a file that is decoded at all; one that says it has more may be meant to fill the memory."""
_LOSSY = (
    (82, 1.0, 1.0),
    (70, 1.0, 0.75),
    (55, 1.0, 0.55),
    (55, 0.75, 0.33),
    (45, 0.5, 0.14),
    (35, 0.35, 0.06),
    (30, 0.2, 0.02),
)
"""Quality, scale, and about which part of the first one's bytes that takes: tried in turn until a picture is small enough."""
_HOPELESS = 6
"""Times the bound that a picture takes when it is packed in a hurry, beyond which nobody needs to try without loss."""


@dataclass(frozen=True)
class Frame:
    """An encoded picture.

    Attributes:
        source: a data URI.
        width, height: of the picture that was encoded, in pixels: its shape, whatever scale it was kept at.
        kimg: thousands of images after which it was drawn.
        crisp: its images are so small that they were enlarged; a browser should not smooth them.
    """

    source: str
    width: int
    height: int
    kimg: float = 0.0
    crisp: bool = False


class Encoder:
    """Encodes pictures, and remembers what it has made of files that have not changed since."""

    def __init__(self) -> None:
        self._made: dict[Path, tuple[tuple[int, int], Frame | None]] = {}

    def frames(self, pictures: Sequence[Picture], most: int = MOST_FRAMES, keep: float | None = None) -> list[Frame]:
        """Frames of ``most`` pictures at most, evenly chosen; those that cannot be read are left out.

        Args:
            pictures: in order.
            most: how many, at least 2.
            keep: a kimg whose picture stays: the best snapshot's.
        """
        found = [self.frame(picture) for picture in thinned(pictures, most, keep)]
        return [frame for frame in found if frame is not None]

    def frame(self, picture: Picture) -> Frame | None:
        """One; None if the file is not a picture, or too large to be one of ours."""
        try:
            stat = picture.path.stat()
            state = stat.st_size, stat.st_mtime_ns
            known = self._made.get(picture.path)
            if known is None or known[0] != state:
                with Image.open(picture.path, formats=["PNG"]) as image:
                    made = encode(image, picture.kimg) if image.width * image.height <= MOST_PIXELS else None
                known = self._made[picture.path] = state, made
            return known[1]
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # Pillow's, of damaged files
            return None


def thinned(pictures: Sequence[Picture], most: int, keep: float | None = None) -> list[Picture]:
    """``most`` of them at most, evenly spaced, the first and the last among them, and the one at ``keep`` kimg."""
    n = len(pictures)
    if n <= most:
        return list(pictures)
    chosen = [round(i * (n - 1) / (most - 1)) for i in range(most)]
    best = next((i for i, picture in enumerate(pictures) if picture.kimg == keep), None)
    if best is not None and best not in chosen:
        nearest = min(range(1, most - 1), key=lambda i: abs(chosen[i] - best), default=None)
        if nearest is not None:
            chosen[nearest] = best
    return [pictures[i] for i in sorted(chosen)]


def encode(picture: Image.Image, kimg: float = 0.0, most: int = MOST_BYTES) -> Frame:
    """A picture as a data URI: without loss where that is small enough, as of few large pixels, else with as little as needed."""
    image = picture.convert("L" if picture.mode in ("1", "L", "I;16", "I") else "RGB")
    width, height = image.size
    data, kind = next((made for made in _attempts(image, most) if len(made[0]) <= most), (b"", "image/png"))
    return Frame(f"data:{kind};base64,{base64.b64encode(data).decode()}", width, height, kimg, _is_enlarged(image))


def _is_enlarged(image: Image.Image) -> bool:
    """Whether a grid's images were enlarged three times or more: behind the border, the first three rows are the same."""
    rows = [image.crop((0, y, image.width, y + 1)).tobytes() for y in (GAP, GAP + 1, GAP + 2)]
    return image.height > GAP + 2 and rows[0] == rows[1] == rows[2] and len(set(rows[0])) > 1


def _attempts(image: Image.Image, most: int) -> Iterator[tuple[bytes, str]]:
    webp = features.check("webp")
    if max(image.size) <= 2 * SIDE and len(zlib.compress(image.tobytes(), 1)) < _HOPELESS * most:
        yield (
            _saved(image, "WEBP", lossless=True, quality=60, method=2) if webp else _saved(image, "PNG", optimize=True)
        )
    within = image.copy()
    within.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    needed = 1.0
    for quality, scale, part in _LOSSY:
        if part > needed and (quality, scale, part) != _LOSSY[-1]:
            continue
        width, height = (max(1, round(side * scale)) for side in within.size)
        small = within if scale == 1 else within.resize((width, height), Image.Resampling.LANCZOS)
        data, kind = (
            _saved(small, "WEBP", quality=quality, method=2) if webp else _saved(small, "JPEG", quality=quality)
        )
        yield data, kind
        needed = part * most / len(data)


def _saved(image: Image.Image, form: str, **how: Any) -> tuple[bytes, str]:
    out = io.BytesIO()
    image.save(out, form, **how)
    return out.getvalue(), f"image/{form.lower()}"
