"""What a run leaves behind beside its log: pictures, snapshots, and the scores measured on them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from logan.data import Mixture
from logan.report.pictures import save_picture
from logan.sampling import draw_latents, snapshot
from logan.side_effects import same_random_numbers_next
from logan.training.averaging import AveragedGenerator, recompute_statistics
from logan.training.setup import Parts, architecture, without_gradients

Measure = Callable[[nn.Module, nn.Module], dict[str, float]]
"""The averaged generator and the discriminator, in evaluation mode, to named scores."""

Samples = tuple[Tensor, Tensor | None] | None
"""Images and labels of a picture; None on ranks that draw none."""

STATISTICS_IMAGES = 2048
"""Images over which the batch-norm statistics of the averaged generator are measured before it is used, and ten batches of
the training at least (Brock et al. 2018 took a hundred)."""
FIRST_STATISTICS_IMAGES = 256
"""For the picture of a G that has learnt nothing, for which nobody should wait."""
POINTS = 2000
"""Points in a picture of a 2-D mixture."""


def first_pictures(path: Path | None, parts: Parts, average: AveragedGenerator) -> None:
    """``reals.png``, the images that D sees first, and ``fakes_init.png``, in the folder ``path``; None writes nothing."""
    if path is not None:
        n, columns = _grid_size(parts)
        batches = -(-n * parts.world.size // parts.config.game.batch)
        with closing(parts.reals(0)) as source:
            reals = torch.cat([images.cpu() for images, _ in islice(source, batches)])[:n]
        save_picture(path / "reals.png", reals, columns=columns, centres=_centres(parts))
    save_fakes(None if path is None else path / "fakes_init.png", parts, average, FIRST_STATISTICS_IMAGES)


def save_snapshot(path: Path, parts: Parts, average: AveragedGenerator, images: int) -> None:
    """``network-snapshot-….safetensors`` and its ``.json``; call :func:`save_fakes` first, for the statistics."""
    save_snapshot_in(path / snapshot.file_name(images), parts, average, images)


def save_snapshot_in(path: Path, parts: Parts, average: AveragedGenerator, images: int) -> None:
    """The same in a file of another name."""
    names = list(parts.data.class_names) if parts.config.data.conditional else []
    description = snapshot.Snapshot(architecture(parts.config, parts.data), parts.config, images, names)
    snapshot.save(path, description, average.module, parts.discriminator)


def take_scores(measure: Measure, parts: Parts, average: AveragedGenerator) -> dict[str, float]:
    """Call ``measure`` without letting it change the run: not its networks' mode, not its random numbers."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    with same_random_numbers_next(parts.device):
        parts.discriminator.eval()
        try:
            return measure(average.module, parts.discriminator)
        finally:
            parts.discriminator.train()
            np.random.set_state(numpy_state)
            random.setstate(python_state)


@torch.no_grad()
def save_fakes(
    path: Path | None, parts: Parts, average: AveragedGenerator, statistics_images: int | None = None
) -> Samples:
    """A picture by the averaged generator, from latents that are the same all through the run; returns its images and labels.

    Measures the batch-norm statistics of the average before, on latents of the prior (not moved: as they are sampled). Every
    rank must do that, for the scores; those that do not write pass None.
    """
    config, classes = parts.config, parts.data.num_classes if parts.config.data.conditional else 0
    source = torch.Generator(parts.device).manual_seed(config.run.seed + 1)
    batch = without_gradients(config, parts.world.size)
    statistics_images = statistics_images or max(STATISTICS_IMAGES, 10 * config.game.batch)

    def statistics_inputs() -> Iterator[tuple[Tensor, Tensor | None]]:
        for _ in range(-(-statistics_images // batch)):
            y = torch.randint(classes, (batch,), generator=source, device=parts.device) if classes else None
            yield draw_latents(config, batch, source), y

    n, columns = _grid_size(parts)
    z = draw_latents(config, n, source)
    labels = torch.arange(n, device=parts.device) // columns % classes if classes else None  # a row per class
    recompute_statistics(average.module, statistics_inputs())
    if path is None:
        return None
    inputs = zip(*(x.split(batch) for x in (z, labels) if x is not None), strict=True)
    images = torch.cat([average.module(*part) for part in inputs])
    save_picture(path, images, columns=columns, centres=_centres(parts))
    return images, labels


def _grid_size(parts: Parts) -> tuple[int, int]:
    """Images in a grid and its columns: 10 x 10; ten per class for at most 20 classes; 8 x 8 of larger images."""
    if isinstance(parts.data, Mixture):
        return POINTS, 1
    if parts.config.data.conditional:
        return 10 * min(parts.data.num_classes, 20), 10
    return (100, 10) if parts.data.image_size <= 64 else (64, 8)


def _centres(parts: Parts) -> Tensor | None:
    return parts.data.centres if isinstance(parts.data, Mixture) else None
