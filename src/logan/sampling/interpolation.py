"""On the way from one latent to another."""

from __future__ import annotations

import torch
from torch import Tensor

from logan.config import Config
from logan.latent import to_sphere


def between(a: Tensor, b: Tensor, share: Tensor, *, curved: bool) -> Tensor:
    """Latents from a, (d,), to b: (len(share), d).

    * straight: (1 − t) a + t b, which stays within U(−1, 1);
    * curved: (sin((1 − t)ω) a + sin(tω) b)/sin ω with ω the angle of a and b, on the great circle: of a normal prior nearly all
      samples have ‖z‖ ≈ √d, and the middle of a straight line has not. Source: Shoemake 1985, "Animating rotation with
      quaternion curves"; for latents, White 2016, "Sampling generative networks".

    Args:
        a, b: the ends.
        share: t, (k,), from 0 at a to 1 at b.
        curved: which of the two.

    Example:
        >>> a, b, half = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), torch.tensor([0.5])
        >>> between(a, b, half, curved=False).norm().item(), between(a, b, half, curved=True).norm().item()
        (0.7071067690849304, 1.0)
    """
    t = share[:, None]
    angle = torch.arccos((torch.dot(a, b) / (a.norm() * b.norm())).clamp(-1, 1))
    if not curved or angle.sin().abs() < 1e-4:
        return (1 - t) * a + t * b
    return (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / angle.sin()


def between_samples(config: Config, a: Tensor, b: Tensor, share: Tensor) -> Tensor:
    """The same as the run's prior wants it: straight for U(−1, 1), curved for N(0, I) and on the sphere."""
    on_sphere = config.on_sphere()
    found = between(a, b, share, curved=config.networks.prior == "normal" or on_sphere)
    return to_sphere(found) if on_sphere else found
