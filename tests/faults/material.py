"""What the parts share: where figures go, a folder of images, the machine."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from logan.data import open_data
from logan.files import write_text

RESULTS = Path(__file__).parents[2] / "docs" / "results" / "trust"


def digits_folder(path: Path, n: int | None = None) -> Path:
    """The first ``n`` embedded digits as PNGs in class folders."""
    data = open_data("digits")
    for i, (image, label) in enumerate(zip(*data.batch(torch.arange(n or len(data))), strict=True)):
        target = path / str(int(label))
        target.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0].numpy()).save(target / f"{i:04d}.png")
    return path


def machine() -> str:
    """Where the figures are from."""
    return f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, torch {torch.__version__}"


def write_figures(path: Path, figures: dict[str, Any]) -> None:
    """As JSON, with a line for each figure."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in figures.items())
    write_text(path, f"{{\n{lines}\n}}\n")
    print(path)
