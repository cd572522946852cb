"""Figures of matplotlib, drawn without a screen and written in one move."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from logan.files import write_atomically


def new_figure(width: float, height: float, dpi: int = 110) -> Any:
    """An empty figure, of so many inches."""
    from matplotlib.figure import Figure

    return Figure((width, height), dpi, layout="constrained")


def save_figure(path: Path, figure: Any, crop: bool = False) -> None:
    """Write a figure in the form that the path's suffix names; with ``crop``, without the empty space around it."""
    how = {"bbox_inches": "tight", "pad_inches": 0.1} if crop else {}
    write_atomically(path, lambda partial: figure.savefig(partial, format=path.suffix[1:], **how))


def save_side_by_side(
    path: Path, pictures: Mapping[str, Image.Image | None], columns: int, width: float, height: float, fontsize: int
) -> None:
    """Pictures with their names above, each ``width`` by ``height`` inches; nothing but the name where there is None."""
    rows = -(-len(pictures) // columns)
    figure = new_figure(width * columns, height * rows)
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in places:
        axes.axis("off")
    for axes, (name, picture) in zip(places, pictures.items(), strict=False):
        if picture is not None:
            axes.imshow(np.asarray(picture.convert("RGB")))
        axes.set_title(name, fontsize=fontsize)
    save_figure(path, figure, crop=True)
