"""What a caller asks of a network."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from torch import nn

from logan.errors import InputError, did_you_mean
from logan.networks.activations import ACTIVATIONS


@dataclass(frozen=True, kw_only=True)
class Spec:
    """One request for a pair of networks, as :func:`logan.networks.create` explains it.

    Raises:
        InputError: a number below its minimum, or an unknown activation.
    """

    name: str
    image_size: int
    image_channels: int
    latent_dim: int
    num_classes: int
    width: int | None
    activation: str | None
    spectral_norm: bool | None
    depth: int | None

    def __post_init__(self) -> None:
        for option in ("image_size", "image_channels", "latent_dim", "width", "depth"):
            value = getattr(self, option)
            if value is not None and value < 1:
                raise InputError(f"`{option}` is {value}; it must be at least 1")
        if self.num_classes < 0:
            raise InputError(f"`num_classes` is {self.num_classes}; it must be 0 (no labels) or more")
        if self.activation is not None and self.activation not in ACTIVATIONS:
            hint, known = did_you_mean(self.activation, list(ACTIVATIONS)), ", ".join(ACTIVATIONS)
            raise InputError(f"no activation {self.activation!r}{hint}; there are {known}", "activation")

    def pick_activation(self, published: str) -> Callable[[], nn.Module]:
        """The maker of the activation that was asked for, or of the published one if none was."""
        return ACTIVATIONS[self.activation or published]

    def check_convolutional(self, sizes: Collection[int], known: str | None = None) -> None:
        """Raise InputError for ``depth``, which follows from the size, or a size that is not one of ``sizes``, or ``known``."""
        if self.depth is not None:
            raise InputError(f"the network {self.name!r} has no option `depth`; leave it out")
        if self.image_size not in sizes:
            known = known or ", ".join(map(str, sorted(sizes)))
            raise InputError(
                f"{self.name} cannot make images of size {self.image_size}; it can make {known}", "image_size"
            )
