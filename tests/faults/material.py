"""What the parts share: where figures go, a folder of images, the machine."""

from __future__ import annotations

import json
import os
import platform
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from logan import sealed
from logan.data import open_data
from logan.files import write_text
from logan.metrics.classifier import Classifier, ClassifierDetector, save_classifier
from logan.training import state
from tests.training.small import assert_same_run, without_times

RESULTS = Path(__file__).parents[2] / "docs" / "results" / "trust"


def digits_folder(path: Path, n: int | None = None) -> Path:
    """The first ``n`` embedded digits as PNGs in class folders."""
    data = open_data("digits")
    for i, (image, label) in enumerate(zip(*data.batch(torch.arange(n or len(data))), strict=True)):
        target = path / str(int(label))
        target.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0].numpy()).save(target / f"{i:04d}.png")
    return path


def quick_classifier(path: Path) -> Path:
    """For --detector-weights: it has learnt nothing, which takes no time, and gives a score all the same."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        save_classifier(path, ClassifierDetector(Classifier(1, 8, 10), (1, 8), 0.5))
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


def state_of(run: Path) -> dict[str, Any]:
    """The saved state of a run; raises if a bit of it is wrong."""
    path = run / state.FILE_NAME
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
    return torch.load(path, weights_only=True)


def unreadable_files(folder: Path) -> list[str]:
    """The files under a folder that are not whole, other than those that are called unfinished."""
    found = []
    for path in folder.rglob("*.*"):
        if path.suffix in READERS:
            try:
                READERS[path.suffix](path)
            except FileNotFoundError:  # a program goes on there
                continue
            except Exception as error:
                found.append(f"{path.name}: {error!r}"[:300])
    return found


def _read_image(path: Path) -> None:
    with Image.open(path) as image:
        image.load()


READERS: dict[str, Callable[[Path], Any]] = {
    ".pt": lambda path: state_of(path.parent),
    ".safetensors": sealed.read,
    ".png": _read_image,
    ".json": lambda path: json.loads(path.read_text()),
}


def what_differs(whole: Path, run: Path) -> str | None:
    """In what a finished run is not the other, bit for bit, times apart; None if in nothing."""
    try:
        assert_same_run(whole, run)
        for name in ["best.json", *sorted(path.name for path in whole.glob("metric-*.jsonl"))]:
            assert _records(whole / name) == _records(run / name), name
    except (AssertionError, OSError) as error:
        return str(error)[:2000]
    return None


def _records(path: Path) -> Any:
    lines = [json.loads(path.read_text())] if path.suffix == ".json" else map(json.loads, path.open())
    return without_times([{k: v for k, v in r.items() if k not in ("timestamp", "total_time")} for r in lines])
