"""A logit for a trained discriminator: its scores of real images that it was not trained on, and of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import torch
from torch import Tensor

from logan.config import DataConfig
from logan.data import Dataset, Mixture
from logan.data.open import open_configured
from logan.errors import InputError
from logan.guide import Calibration, calibrate
from logan.sampling.model import Model
from logan.side_effects import no_side_effects, same_random_numbers_next

MOST = 5_000
"""Real images, and as many samples: two numbers are fitted, and the tenth of a nat no better known for more."""
FEW = 200
SEED = 2**40 + 19
"""Of the samples, and of a mixture's points: none that a person would choose, so that no sample is scored that was fitted on."""


def calibration_of(
    model: Model, data: str | None = None, *, batch: int = 64, say: Callable[[str], None] = lambda message: None
) -> Calibration:
    """Fit d = a·D(x) + b on held-out real images of the run's data and as many samples, by logistic regression.

    Held out are the test images of the data (a folder with train and test, CIFAR-10, idx files), at most 5,000; of a mixture,
    fresh points. Data without test images leave those that D was trained on, which it may know by heart: ``say`` is told, and
    d is then too sure.

    Args:
        model: as :func:`logan.load` returns it.
        data: where the images are now; by default where the run was trained.
        batch: images per pass.
        say: is told what should be known.

    Raises:
        InputError: the data are not there, or of another size or other classes than the run's.

    Example:
        >>> import logan, tempfile
        >>> config = logan.presets.get("ring")
        >>> short = replace(config, run=replace(config.run, kimg=1), scores=replace(config.scores, metrics=()))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model = logan.load(logan.train(short, outdir=folder, quiet=True), device="cpu")
        >>> calibration = calibration_of(model)
        >>> model.sample(16, guide=logan.guide.Langevin(steps=5), calibration=calibration).shape
        torch.Size([16, 2, 1, 1])
    """
    images, labels = _reals(model, data, say)
    n = len(images)
    used = None if labels is None else labels.tolist()
    fakes = model.batches(n, seed=SEED, labels=used, batch=batch)
    real = _scores(model, images.split(batch), labels)
    fake = _scores(model, fakes, labels)
    found = calibrate(real, fake)
    if found.scale <= 0:
        raise InputError(
            f"D ranks its own samples above real images that it was not trained on (AUC {found.auc:.2f}): it cannot guide. Are "
            f"these the run's `data`? Else it only knows its training images"
        )
    if n < FEW:
        say(f"calibrated on {n} real images alone: the line, and how well it fits, are rough below {FEW}")
    return found


def _reals(model: Model, path: str | None, say: Callable[[str], None]) -> tuple[Tensor, Tensor | None]:
    """In [−1, 1] as the networks see them, and labels where the networks take them."""
    config = model.info.config.data
    settings = config if path is None else replace(config, data=path)
    train = open_configured(settings)
    if isinstance(train, Mixture):
        images, classes = train.draw(MOST, SEED, 0)
        labels: Tensor | None = classes
        _check_fits(model, train)
    else:
        data = _held_out(settings, train, say)
        _check_fits(model, data)
        at = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))[:MOST]  # folders come class by class
        parts = [data.batch(part) for part in at.split(250)]
        images = torch.cat([x.cpu() for x, _ in parts]).float() / 127.5 - 1
        known = [y.cpu() for _, y in parts if y is not None]
        labels = torch.cat(known) if known else None
    return images, labels if model.num_classes else None


def _held_out(settings: DataConfig, train: Dataset, say: Callable[[str], None]) -> Dataset:
    try:
        test = open_configured(settings, "test")
    except InputError as error:
        say(f"calibrated on images that D was trained on, and so perhaps too sure: {error}")
        return train
    assert not isinstance(test, Mixture)
    return test


def _check_fits(model: Model, data: Dataset | Mixture) -> None:
    a = model.info.architecture
    size, channels = a["image_size"], a["image_channels"]
    if (data.image_size, data.channels) != (size, channels):
        raise InputError(
            f"{data.name} has images of {data.channels}x{data.image_size}x{data.image_size}, and this run makes "
            f"{channels}x{size}x{size}; give the data that it was trained on, `data`"
        )
    own = model.info.config.data.data
    if isinstance(data, Mixture) and data.name != own:
        raise InputError(f"{data.name} is another mixture than this run's, {own}; leave `data` out")
    if model.num_classes and list(data.class_names) != list(model.info.class_names):
        raise InputError(f"{data.name} has other classes than this run's; give the data that it was trained on, `data`")


@torch.no_grad()
def _scores(model: Model, batches: Iterable[Tensor], labels: Tensor | None) -> Tensor:
    found, first = [], 0
    with same_random_numbers_next(model.device), no_side_effects():
        for images in batches:
            given = () if labels is None else (labels[first : first + len(images)].to(model.device),)
            found.append(model.discriminator(images.to(model.device), *given).float().flatten().cpu())
            first += len(images)
    return torch.cat(found)
