"""The two players. A new network is one file with a ``build`` function and one line in ``NETWORKS``."""

from __future__ import annotations

from collections.abc import Callable

from logan.errors import InputError, did_you_mean
from logan.foreign import shown
from logan.networks import biggan, biggan_deep, dcgan, mlp, sagan, sndcgan, sngan
from logan.networks.activations import ACTIVATIONS
from logan.networks.base import Discriminator, Generator
from logan.networks.layers import count_parameters
from logan.networks.spec import Spec

__all__ = [
    "ACTIVATIONS",
    "CHECKPOINTED",
    "NETWORKS",
    "Discriminator",
    "Generator",
    "Spec",
    "count_parameters",
    "create",
]

NETWORKS: dict[str, Callable[[Spec], tuple[Generator, Discriminator]]] = {
    "mlp": mlp.build,
    "dcgan": dcgan.build,
    "sndcgan": sndcgan.build,
    "sngan": sngan.build,
    "sagan": sagan.build,
    "biggan": biggan.build,
    "biggan-deep": biggan_deep.build,
}
CHECKPOINTED = ("sngan", "sagan", "biggan", "biggan-deep")
"""Those whose blocks can compute their activations again: :class:`logan.networks.checkpointing.Checkpointed`."""


def check_name(name: str) -> None:
    """Refuse a network that there is not (InputError)."""
    if name not in NETWORKS:
        known = ", ".join(NETWORKS)
        near = did_you_mean(name[:100], list(NETWORKS))  # a run's options may name anything
        raise InputError(f"no network {shown(name)}{near}; there are {known}", "network")


def create(
    name: str,
    *,
    image_size: int,
    image_channels: int = 3,
    latent_dim: int,
    num_classes: int = 0,
    width: int | None = None,
    activation: str | None = None,
    spectral_norm: bool | None = None,
    depth: int | None = None,
) -> tuple[Generator, Discriminator]:
    """Build the generator and the discriminator of a named pair.

    ``generator(z, labels=None)`` takes z (B, latent_dim) to images (B, C, H, W) in [−1, 1];
    ``discriminator(images, labels=None)`` takes images to scores (B,), logits without a sigmoid. Labels are (B,)
    integers, given if and only if ``num_classes`` is above 0.

    For the four last arguments None means the network's own published choice.

    Args:
        name: a key of ``NETWORKS``.
        image_size: H = W. Size 1 means points, with ``image_channels`` coordinates, which are not bounded (mlp only).
        image_channels: C.
        latent_dim: the length of z.
        num_classes: 0 for unconditional networks.
        width: the number of channels at the largest resolution (mlp: the units of a hidden layer).
        activation: a key of ``ACTIVATIONS``, put in the place of every nonlinearity of both networks.
        spectral_norm: whether every weight of the discriminator is divided by its largest singular value; of the generator
            too, where that is published (sagan, biggan, biggan-deep), and nowhere with False.
        depth: the number of hidden layers (mlp only).

    Raises:
        InputError: an unknown name, an impossible size, or an option that this network does not have.

    Example:
        Every pair at 32×32 pixels, narrow: the shape of its images, and its parameters.

        >>> import torch
        >>> for name in NETWORKS:
        ...     g, d = create(name, image_size=32, latent_dim=16, width=8)
        ...     images = g(torch.rand(2, 16) * 2 - 1)
        ...     print(name, tuple(images.shape), tuple(d(images).shape), count_parameters(g), count_parameters(d))
        mlp (2, 3, 32, 32) (2,) 27784 24593
        dcgan (2, 3, 32, 32) (2,) 18928 11232
        sndcgan (2, 3, 32, 32) (2,) 60803 47113
        sngan (2, 3, 32, 32) (2,) 68675 17041
        sagan (2, 3, 32, 32) (2,) 69956 68130
        biggan (2, 3, 32, 32) (2,) 63683 66849
        biggan-deep (2, 3, 32, 32) (2,) 30707 11249
    """
    check_name(name)
    spec = Spec(
        name=name,
        image_size=image_size,
        image_channels=image_channels,
        latent_dim=latent_dim,
        num_classes=num_classes,
        width=width,
        activation=activation,
        spectral_norm=spectral_norm,
        depth=depth,
    )
    return NETWORKS[name](spec)
