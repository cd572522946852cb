"""Brings a set that is in memory to another size, border and number of channels."""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor

from logan.errors import InputError

from .dataset import InMemory
from .images import Fit


def fit(dataset: InMemory, image_size: int | None, channels: int | None, pad: int) -> InMemory:
    """The set with images of ``image_size`` (border included; None: as they are) and ``channels`` (None: as they are).

    Args:
        dataset: images (N, 1 or 3, S, S).
        image_size: the new side in pixels; smaller images come from an antialiased reduction.
        channels: 1 takes the luminance, 3 repeats grey.
        pad: width of a black border on each side, in pixels.

    Raises:
        InputError: the images are smaller than asked for.
    """
    native = dataset.image_size
    size = native + 2 * pad if image_size is None else image_size
    inner = size - 2 * pad
    if inner > native:
        border = f"`pad` {pad + (inner - native) // 2}, or " if (inner - native) % 2 == 0 else ""
        raise InputError(
            f"{dataset.name}: its images of {native}×{native} pixels are smaller than the network's size ({inner}): "
            f"pass {border}`image_size` {native + 2 * pad}"
        )
    images = _with_channels(dataset.images, channels or dataset.channels)
    if inner < native:
        images = _reduced(images, inner)
    if pad:
        images = torch.nn.functional.pad(images, (pad, pad, pad, pad))
    return InMemory(
        images, dataset.labels, dataset.name, dataset.class_names, notices=dataset.notices, broken=dataset.broken
    )


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
    return torch.stack([shrink(_picture(image), "image") for image in images])


def _picture(image: Tensor) -> Image.Image:
    return Image.fromarray((image[0] if len(image) == 1 else image.permute(1, 2, 0)).contiguous().numpy())
