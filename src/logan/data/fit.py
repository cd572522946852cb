"""Brings a set that is in memory to another size, border and number of channels."""

from __future__ import annotations

import torch
from torch import Tensor

from logan.errors import InputError

from .dataset import InMemory
from .images import Fit, Wanted, picture


def fit(dataset: InMemory, wanted: Wanted) -> InMemory:
    """The set with images (N, C, S, S) as they are ``wanted``: smaller ones by an antialiased reduction, C = 1 by the luminance.

    Raises:
        InputError: the images are smaller than asked for.
    """
    native, pad = dataset.image_size, wanted.pad
    fit = wanted.fit(native, dataset.channels)
    if fit.inner > native:
        excess = fit.inner - native
        border = f"`pad` {pad + excess // 2}, or " if excess % 2 == 0 else ""
        raise InputError(
            f"{dataset.name}: its images of {native}×{native} pixels are smaller than the network's size ({fit.inner}): "
            f"pass {border}`image_size` {native + 2 * pad}"
        )
    images = _with_channels(dataset.images, fit.channels)
    if fit.inner < native:
        images = _reduced(images, fit.inner)
    return dataset.with_images(torch.nn.functional.pad(images, (pad, pad, pad, pad)) if pad else images)


def _with_channels(images: Tensor, channels: int) -> Tensor:
    if images.shape[1] == channels:
        return images
    if channels == 3:
        return images.repeat(1, 3, 1, 1)
    return torch.cat([_luminance(part) for part in images.split(4096)])  # in parts: int32 takes four times the memory


def _luminance(images: Tensor) -> Tensor:
    """ITU-R 601 luminance (N, 1, S, S), with the fixed-point weights that Pillow uses."""
    red, green, blue = images.int().unbind(1)
    return ((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16).to(torch.uint8)[:, None]


def _reduced(images: Tensor, size: int) -> Tensor:
    shrink = Fit(size, images.shape[1])
    return torch.stack([shrink(picture(image.numpy()), "image") for image in images])
