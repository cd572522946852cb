"""What a caller asks of a network."""

from __future__ import annotations

from dataclasses import dataclass

from logan.errors import InputError
from logan.networks.activations import check_activation


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
        check_activation(self.activation)

    def refuse(self, *options: str) -> None:
        """Raise InputError if the caller set one of ``options``, which this network does not have."""
        for option in options:
            if getattr(self, option) is not None:
                raise InputError(f"the network {self.name!r} has no option `{option}`; leave it out")
