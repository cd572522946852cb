"""Rows of images as people look at them in a page, and points of 2-D mixtures as small drawings."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from logan.report.frames import Frame, encode
from logan.report.markup import Markup, tag, void
from logan.report.pictures import grid

MOST_BYTES = 40_000
SIDE = 220
"""Of a drawing of points."""


def strip(images: Tensor, columns: int | None = None) -> Frame:
    """Images (n, C, H, W) in [−1, 1] side by side, ``columns`` to a row; one row if None."""
    return encode(grid(images.clamp(-1, 1).nan_to_num(0), columns or len(images)), most=MOST_BYTES)


def picture(frame: Frame, alt: str, **attributes: object) -> Markup:
    """The element that shows a frame, in a box of the frame's shape before it is decoded."""
    how = "crisp" if frame.crisp else None
    shape = {"width": frame.width, "height": frame.height}
    return void("img", src=frame.source, **shape, alt=alt, class_=how, decoding="async", **attributes)


def as_images(pixels: Tensor) -> Tensor:
    """uint8 to [−1, 1]."""
    return pixels.float() / 127.5 - 1


def reach_of(*points: Tensor) -> float:
    """Half the side of a square around the origin that holds them all, with a border."""
    largest = max((p.abs().nan_to_num(0).max().item() for p in points if p.numel()), default=1.0)
    return 1.15 * largest or 1.0


def scatter(
    points: Tensor,
    reach: float,
    alt: str,
    *,
    ends: Tensor | None = None,
    paths: Sequence[Tensor] = (),
) -> Markup:
    """Points (n, 2) in the plane.

    Args:
        points: where the dots are.
        reach: the drawing is of [−reach, reach]².
        alt: what it shows, in words.
        ends: (n, 2), to which a line goes from each point.
        paths: (m, 2) each, drawn as a line with marks at its ends.
    """

    def px(value: float) -> str:
        return f"{SIDE / 2 * (1 + value / reach):.1f}"

    def at(p: Tensor) -> str:
        return f"{px(p[0].item())} {px(-p[1].item())}"

    whole = points.isfinite().all(1) if ends is None else (points + ends).isfinite().all(1)
    points, ends = points[whole], None if ends is None else ends[whole]
    paths = [path[path.isfinite().all(1)] for path in paths]
    dots = "".join(f"M{at(p)}h0" for p in points)
    drawn = [void("path", class_="dots", d=dots or "M0 0")]
    if ends is not None:
        lines = "".join(f"M{at(a)}L{at(b)}" for a, b in zip(points, ends, strict=True))
        drawn = [
            void("path", class_="moves", d=lines),
            *drawn,
            void("path", class_="dots ends", d="".join(f"M{at(p)}h0" for p in ends)),
        ]
    for i, path in enumerate(paths):
        if not len(path):
            continue
        drawn.append(void("path", class_=f"line s{i}", d="M" + "L".join(map(at, path))))
        drawn.append(void("path", class_=f"dots big s{i}", d=f"M{at(path[0])}h0M{at(path[-1])}h0"))
    return tag("svg", *drawn, class_="points", viewBox=f"0 0 {SIDE} {SIDE}", role="img", aria_label=alt)
