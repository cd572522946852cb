"""What every pair of networks promises: the calls, their checks, and the attributes the rest of the project reads.

Networks of residual blocks are :class:`~logan.networks.checkpointing.Checkpointed` too: they have an attribute ``checkpointing``,
False unless it is set, with which blocks compute their activations again in backward passes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from logan.errors import InputError
from logan.networks.spec import Spec


class Generator(nn.Module, ABC):
    """G: z (B, latent_dim), and labels (B,) if it is conditional, to images (B, C, H, W)."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.latent_dim = spec.latent_dim
        self.num_classes = spec.num_classes
        self.image_size = spec.image_size
        self.image_channels = spec.image_channels

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (B, C, H, W) for latents z (B, latent_dim) and labels (B,).

        Raises:
            InputError: z of another shape, or labels that do not fit.
        """
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise InputError(f"z has the shape {tuple(z.shape)}; this generator takes (batch, {self.latent_dim})")
        check_labels(labels, self.num_classes, z.shape[0])
        return self.draw(z, labels)

    @abstractmethod
    def draw(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """``forward`` with checked arguments."""


class Discriminator(nn.Module, ABC):
    """D: images (B, C, H, W), and labels (B,) if it is conditional, to scores (B,)."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.num_classes = spec.num_classes
        self.image_size = spec.image_size
        self.image_channels = spec.image_channels

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Scores (B,), logits, for images (B, C, H, W) and labels (B,).

        Raises:
            InputError: images of another shape, or labels that do not fit.
        """
        wanted = (self.image_channels, self.image_size, self.image_size)
        if images.ndim != 4 or tuple(images.shape[1:]) != wanted:
            shape = ", ".join(map(str, wanted))
            raise InputError(f"images have the shape {tuple(images.shape)}; this discriminator takes (batch, {shape})")
        check_labels(labels, self.num_classes, images.shape[0])
        return self.judge(images, labels)

    @abstractmethod
    def judge(self, images: Tensor, labels: Tensor | None) -> Tensor:
        """``forward`` with checked arguments."""


def check_labels(labels: Tensor | None, num_classes: int, batch: int) -> None:
    """Raise InputError unless ``labels`` are (batch,) integers where there are classes, and None where there are not.

    The values are left to the embedding: to look at them here would make the GPU wait.
    """
    if num_classes == 0:
        if labels is not None:
            raise InputError("labels were given to an unconditional network; leave them out or set `num_classes`")
        return
    if labels is None:
        raise InputError(f"this network is conditional on {num_classes} classes and needs labels of shape (batch,)")
    if labels.shape != (batch,) or labels.dtype not in (torch.int64, torch.int32):
        raise InputError(
            f"labels have the shape {tuple(labels.shape)} and type {labels.dtype}; {batch} of torch.int64 are needed"
        )
