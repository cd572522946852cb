"""A run's pictures over time, side by side: the same latents at each of some snapshots; or those of several runs.

python benchmarks/over_time.py runs/00000-images64-none --kimg 10 30 60 120 --out docs/images/images64-emoji.png
python benchmarks/over_time.py runs/00000-a runs/00001-b --kimg 10 --out tried.png
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


def panels(run: Path, kimg: list[int] | None, name: str) -> list[tuple[str, Path]]:
    """Pictures at ``kimg`` thousand images (None: all there are), each with a line to be written above it."""
    taken = sorted(int(m[1]) for p in run.glob("fakes*.png") if (m := re.fullmatch(r"fakes(\d+)\.png", p.name)))
    return [(f"{name}{k} kimg", run / f"fakes{k:06d}.png") for k in (kimg or taken)]


def sheet(shown: list[tuple[str, Path]], size: int, columns: int, rows: int) -> Image.Image:
    """The upper left corners of grids of images of ``size`` pixels, with what stands above them."""
    width, height = (n * (size + GAP) + GAP for n in (columns, rows))
    whole = Image.new("RGB", (len(shown) * (width + 3 * GAP) - 3 * GAP, height + LABEL), "white")
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(16)
    for i, (label, path) in enumerate(shown):
        left = i * (width + 3 * GAP)
        draw.text((left + width / 2, LABEL / 2), label, fill="black", anchor="mm", font=font)
        with Image.open(path) as picture:
            whole.paste(picture.convert("RGB").crop((0, 0, width, height)), (left, LABEL))
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--kimg", type=int, nargs="*", help="of which snapshots; all by default")
    parser.add_argument("--columns", type=int, default=4)
    parser.add_argument("--rows", type=int, default=6)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    size = read_options(given.runs[0]).data.image_size
    if size is None:
        parser.error("these runs took their images' own size; they need --image-size")
    several = len(given.runs) > 1
    shown = [p for run in given.runs for p in panels(run, given.kimg, f"{run.name[6:]}, " if several else "")]
    shown.append(("real", given.runs[0] / "reals.png"))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    sheet(shown, size, given.columns, given.rows).save(given.out)


if __name__ == "__main__":
    main()
