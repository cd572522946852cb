"""A run's pictures over time, side by side: the same latents at each of some snapshots.

    python benchmarks/over_time.py runs/00000-images64-none --kimg 10 50 100 200 --out docs/images/images64-emoji.png
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from logan.report.pictures import GAP
from logan.training.folder import read_options

LABEL = 22
"""Pixels of height for the line above a picture."""


def over_time(run: Path, kimg: list[int] | None, columns: int, rows: int) -> Image.Image:
    """The upper left corner of the pictures at ``kimg`` thousand images (None: all there are), and of real images."""
    taken = sorted(int(m[1]) for p in run.glob("fakes*.png") if (m := re.fullmatch(r"fakes(\d+)\.png", p.name)))
    shown = [(f"{k} kimg", run / f"fakes{k:06d}.png") for k in (kimg or taken)] + [("real", run / "reals.png")]
    size = read_options(run).data.image_size
    if size is None:
        with Image.open(run / "reals.png") as first:
            size = (first.width - GAP) // 10 - GAP
    width, height = (n * (size + GAP) + GAP for n in (columns, rows))
    sheet = Image.new("RGB", (len(shown) * (width + 3 * GAP) - 3 * GAP, height + LABEL), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(16)
    for i, (label, path) in enumerate(shown):
        left = i * (width + 3 * GAP)
        draw.text((left + width / 2, LABEL / 2), label, fill="black", anchor="mm", font=font)
        with Image.open(path) as picture:
            sheet.paste(picture.convert("RGB").crop((0, 0, width, height)), (left, LABEL))
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--kimg", type=int, nargs="*", help="of which snapshots; all by default")
    parser.add_argument("--columns", type=int, default=4)
    parser.add_argument("--rows", type=int, default=6)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    sheet = over_time(given.run, given.kimg, given.columns, given.rows)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(given.out)


if __name__ == "__main__":
    main()
