"""A finite set of images: in memory, or decoded on demand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from logan.errors import InputError


class BrokenImage(InputError):
    """An image file that cannot be decoded, or whose pixels have no known range."""


class Dataset(Protocol):
    """What training needs of a set of square images, all of one size.

    ``image_size`` is in pixels; ``num_classes`` is 0 and ``class_names`` empty if there are no labels. ``notices`` are
    lines that a person should see once (which split was taken, …); ``broken`` names the files that were left out.
    """

    name: str
    image_size: int
    channels: int
    num_classes: int
    class_names: list[str]
    notices: list[str]
    broken: list[str]

    def __len__(self) -> int: ...

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor | None]:
        """Images uint8 (B, C, H, W) and labels int64 (B,), or None, for ``indices`` int64 (B,)."""
        ...


class _Described:
    """The descriptive half of a dataset."""

    def __init__(
        self,
        name: str,
        shape: tuple[int, int],
        labels: Tensor | None,
        class_names: Sequence[str] | None,
        notices: Sequence[str],
        broken: Sequence[str],
    ):
        if labels is None:
            class_names = []
        elif class_names is None:
            class_names = [str(k) for k in range(int(labels.max()) + 1)]
        self.name = name
        self.channels, self.image_size = shape
        self.class_names = list(class_names)
        self.num_classes = len(self.class_names)
        self.notices = list(notices)
        self.broken = list(broken)
        if labels is not None and (int(labels.min()) < 0 or int(labels.max()) >= self.num_classes):
            raise InputError(
                f"{name}: labels go from {int(labels.min())} to {int(labels.max())}, "
                f"but there are {self.num_classes} classes: labels count from 0"
            )


class InMemory(_Described):
    """Images held as uint8, on any device.

    Args:
        images: uint8 (N, C, S, S), N ≥ 1.
        labels: integers (N,) in 0 … K−1, or None.
        name: what to call the set in logs.
        class_names: K names; the numbers themselves if None.
        notices: lines for people.
        broken: files that were left out.

    Raises:
        InputError: wrong shape or dtype, no image, or labels out of range.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor | None = None,
        name: str = "images",
        class_names: Sequence[str] | None = None,
        *,
        notices: Sequence[str] = (),
        broken: Sequence[str] = (),
    ):
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[2] != images.shape[3] or not len(images):
            raise InputError(
                f"{name}: images must be uint8 of shape (N, C, S, S) with N ≥ 1, "
                f"not {images.dtype} of shape {tuple(images.shape)}"
            )
        if labels is not None and (labels.shape != images.shape[:1] or labels.is_floating_point()):
            raise InputError(
                f"{name}: {len(images)} images need as many integer labels, "
                f"not {labels.dtype} of shape {tuple(labels.shape)}"
            )
        shape = (images.shape[1], images.shape[2])
        super().__init__(name, shape, labels, class_names, notices, broken)
        self.images = images
        self.labels = None if labels is None else labels.to(images.device, torch.int64)

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor | None]:
        """Images uint8 (B, C, S, S) and labels int64 (B,) or None, on the device of the set."""
        indices = indices.to(self.images.device)
        return self.images[indices], None if self.labels is None else self.labels[indices]

    def to(self, device: str | torch.device) -> InMemory:
        """The same set on ``device``."""
        return self.with_images(self.images.to(device))

    def with_images(self, images: Tensor) -> InMemory:
        """The same set with other ``images`` (N, C, S, S), on their device."""
        return InMemory(images, self.labels, self.name, self.class_names, notices=self.notices, broken=self.broken)


class Streamed(_Described):
    """Images decoded on demand, on the CPU; for sets that are larger than memory.

    Also a map-style ``torch.utils.data.Dataset``: ``streamed[i]`` is (uint8 (C, S, S), label), the label −1 if there
    are none.

    Args:
        read: i ↦ image i, uint8 (C, S, S); picklable, so that worker processes can have it.
        length: how many images there are.
        shape: (C, S).
        labels: integers (N,) in 0 … K−1, or None.
        name: what to call the set in logs.
        class_names: K names; the numbers themselves if None.
        skip_broken: put the next good image in the place of one that turns out to be broken.
        notices: lines for people.
        broken: files that were left out.
    """

    def __init__(
        self,
        read: Callable[[int], Tensor],
        length: int,
        shape: tuple[int, int],
        labels: Tensor | None = None,
        name: str = "images",
        class_names: Sequence[str] | None = None,
        *,
        skip_broken: bool = False,
        notices: Sequence[str] = (),
        broken: Sequence[str] = (),
    ):
        super().__init__(name, shape, labels, class_names, notices, broken)
        self.read, self.length, self.labels, self.skip_broken = read, length, labels, skip_broken

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if not 0 <= index < self.length:
            raise IndexError(index)
        for candidate in range(index, index + self.length):
            i = candidate % self.length
            try:
                return self.read(i), -1 if self.labels is None else int(self.labels[i])
            except BrokenImage:
                if not self.skip_broken:
                    raise
        raise InputError(f"{self.name}: not one image can be decoded")

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor | None]:
        """Images uint8 (B, C, S, S) and labels int64 (B,) or None, decoded now."""
        images, labels = zip(*(self[i] for i in indices.tolist()), strict=True)
        return torch.stack(images), None if self.labels is None else torch.tensor(labels)
