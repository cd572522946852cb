"""The nonlinearities by name. BigGAN's port shows why: a hard-coded ReLU is one that a swap does not reach."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from logan.errors import InputError, did_you_mean

# None is in place: an activation that overwrites its input spoils what the second backward pass has saved.
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky-relu": lambda: nn.LeakyReLU(0.2),
    "leaky-relu-0.1": lambda: nn.LeakyReLU(0.1),
}


def check_activation(name: str | None) -> None:
    """Raise InputError if ``name`` is neither None nor a key of ``ACTIVATIONS``."""
    if name is not None and name not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise InputError(
            f"no activation {name!r}{did_you_mean(name, list(ACTIVATIONS))}; there are {known}", "activation"
        )


def pick_activation(asked: str | None, published: str) -> Callable[[], nn.Module]:
    """The maker of the activation that was asked for, or of the published one if none was."""
    return ACTIVATIONS[published if asked is None else asked]
