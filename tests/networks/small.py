"""Small networks of every kind, and a counter of the nonlinearities that really run."""

from collections import Counter

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from logan import networks

SMALL = {
    "points": {"name": "mlp", "image_size": 1, "image_channels": 2, "latent_dim": 5, "width": 16},
    "mlp": {"name": "mlp", "image_size": 8, "image_channels": 1, "latent_dim": 5, "width": 16, "depth": 2},
    "dcgan": {"name": "dcgan", "image_size": 16, "image_channels": 1, "latent_dim": 5, "width": 2},
    "dcgan-sn": {
        "name": "dcgan",
        "image_size": 16,
        "image_channels": 1,
        "latent_dim": 5,
        "width": 2,
        "spectral_norm": True,
    },
    "sndcgan": {"name": "sndcgan", "image_size": 16, "image_channels": 1, "latent_dim": 5, "width": 2},
}


def make(kind, seed=0, **changes):
    torch.manual_seed(seed)
    return networks.create(**{**SMALL[kind], **changes})


class CountNonlinearities(TorchDispatchMode):
    """Counts the operators below every module, so that a hard-coded F.relu is seen too."""

    watched = ("relu", "clamp", "threshold", "elu", "gelu", "silu", "hardtanh", "maximum", "where", "prelu")

    def __init__(self):
        super().__init__()
        self.seen = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        # Vectors do not count: spectral norm's power iteration clamps a norm of its own.
        if any(word in name for word in self.watched) and args[0].ndim > 1:
            slope = float(args[1]) if name.startswith("leaky_relu") and len(args) > 1 else None
            self.seen[name, slope] += 1
        return func(*args, **(kwargs or {}))


def nonlinearities(module, *inputs):
    with CountNonlinearities() as counter:
        module(*inputs)
    return dict(counter.seen)
