"""Small data, detectors and results for the tests of scores."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from logan.cli.main import main
from logan.compare.runs import Entry, Result
from logan.config import presets
from logan.data import InMemory
from logan.metrics.classifier import Classifier, ClassifierDetector, save_classifier

SHORT = "--batch 50 --kimg 1 --tick 1 --snap 1 --engine plain --threads 1".split()
DIGITS = [*"--network dcgan --width 8 --latent-dim 8 --spectral-norm True --metrics fid50 is50".split(), *SHORT]
RING = [*"--preset ring --width 8 --metrics modes100".split(), *SHORT]


class PixelDetector:
    """Features are the first eight pixels, logits the next three; counts the images that it was shown."""

    name, size = "pixels", 8

    def __init__(self, sha256: str = "ab" * 32) -> None:
        self.sha256, self.shown = sha256, 0

    def to(self, device):
        return self

    def __call__(self, images):
        self.shown += len(images)
        flat = images.flatten(1).float() / 255
        return flat[:, :8], flat[:, 8:11]


def noise(n: int = 40, seed: int = 0, size: int = 8, channels: int = 1) -> np.ndarray:
    """Random pixels, uint8 (n, channels, size, size)."""
    return np.random.default_rng(seed).integers(0, 256, (n, channels, size, size), dtype=np.uint8)


def dataset(n: int = 40, seed: int = 0, classes: int = 2, size: int = 8) -> InMemory:
    """Random grey images; the labels go round."""
    labels = torch.arange(n) % classes if classes else None
    return InMemory(torch.from_numpy(noise(n, seed, size)), labels, "noise")


def as_floats(images: torch.Tensor) -> torch.Tensor:
    """What a generator would have to draw to get these pixels."""
    return images.float() / 127.5 - 1


def folder_of_images(path: Path, n: int = 40, seed: int = 0, classes: int = 2) -> Path:
    """Random colour images of 8x8 in class folders; without them if there is one class."""
    for i, pixels in enumerate(noise(n, seed, 8, 3)):
        target = path / str(i % classes) if classes > 1 else path
        target.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.transpose(1, 2, 0)).save(target / f"{i:03d}.png")
    return path


def idx_folder(path: Path, train: int = 40, test: int = 0) -> Path:
    """Grey 8x8 images as MNIST has them, in two classes; without a test split if ``test`` is 0."""
    path.mkdir(exist_ok=True)
    for prefix, n, seed in (("train", train, 0), ("t10k", test, 1)):
        if n:
            (path / f"{prefix}-images-idx3-ubyte").write_bytes(_idx(noise(n, seed)[:, 0]))
            (path / f"{prefix}-labels-idx1-ubyte").write_bytes(_idx(np.arange(n, dtype=np.uint8) % 2))
    return path


def _idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def classifier(channels: int = 1, size: int = 8, classes: int = 2) -> ClassifierDetector:
    """One with random weights: as good as any for tests."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        return ClassifierDetector(Classifier(channels, size, classes), (channels, size), 0.5)


def classifier_file(path: Path, channels: int = 1) -> Path:
    """Its file, for --detector-weights."""
    save_classifier(path, classifier(channels))
    return path


def never(*args, **kwargs):
    """In the place of what must not be called."""
    raise AssertionError("this must not be called")


def fails(capsys, *args: object) -> str:
    """Run with bad input: exit status 2, nothing on standard output, one line on standard error, which is returned."""
    capsys.readouterr()
    assert main([str(a) for a in args]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("logan: error: ")
    return lines[0]


def runs(*args: object) -> None:
    """Run, and succeed."""
    assert main([str(a) for a in args]) == 0


def result(label: str, scores: Sequence[dict[str, float | None]], seed: int = 0, run: Path = Path("nowhere")) -> Result:
    """A run with hand-made scores: a snapshot every 1,000 images, 10 steps and 0.5 seconds."""
    digits = presets.get("digits")
    entry = Entry(label, replace(digits, run=replace(digits.run, seed=seed)))
    where = [{"images": 1000 * i, "steps": 10 * i, "seconds": 0.5 * i} for i in range(1, len(scores) + 1)]
    return Result(entry, run, [w | {"scores": s} for w, s in zip(where, scores, strict=True)])
