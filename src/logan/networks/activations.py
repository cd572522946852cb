"""The nonlinearities by name. BigGAN's port shows why: a hard-coded ReLU is one that a swap does not reach."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

# None is in place: an activation that overwrites its input spoils what the second backward pass has saved.
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky-relu": lambda: nn.LeakyReLU(0.2),
    "leaky-relu-0.1": lambda: nn.LeakyReLU(0.1),
}
