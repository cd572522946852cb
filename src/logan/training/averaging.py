"""The moving average of G, and the batch-norm statistics that belong to it."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn


class AveragedGenerator:
    """An exponential moving average of a generator's parameters, with a half-life counted in images.

        θ̄ ← b θ̄ + (1 − b) θ,   b = 2^(−images / half-life)

    The half-life grows with the run, to at most ``ema_kimg`` and at most 1/20 of the images seen, so that the random
    initialisation is soon forgotten (Karras et al. 2021, StyleGAN3's ``ema_rampup``).

    Buffers are copied, except batch-norm statistics: those of the trained G describe other weights than the average,
    and were gathered at z′, not at z. :func:`recompute_statistics` measures them for the average itself.

    Args:
        generator: the network that is trained.
        half_life_kimg: in thousands of images; 0 for a plain copy.
    """

    def __init__(self, generator: nn.Module, half_life_kimg: float) -> None:
        self.module = copy.deepcopy(generator).eval().requires_grad_(False)
        self.half_life = half_life_kimg * 1000

    def weight(self, images: int, images_seen: int) -> float:
        """1 − b after a step on ``images`` images; ``images_seen`` counts them since the start, that step's included."""
        half_life = min(self.half_life, images_seen / 20)
        return 1 - 0.5 ** (images / half_life) if half_life > 0 else 1.0

    def update(self, generator: nn.Module, images: int, images_seen: int) -> None:
        """Move towards ``generator`` after a step; the arguments are those of :meth:`weight`."""
        self.move(generator, self.weight(images, images_seen))

    @torch.no_grad()
    def move(self, generator: nn.Module, weight: float | Tensor) -> None:
        """Move towards ``generator`` by the share ``weight``, a tensor () on its device where the host must not know it."""
        average, now = ([p.detach() for p in network.parameters()] for network in (self.module, generator))
        if self.half_life == 0:
            torch._foreach_copy_(average, now)
        elif isinstance(weight, Tensor):  # torch would read the weight of a lerp on the host
            change = torch._foreach_sub(now, average)
            torch._foreach_mul_(change, weight.to(change[0].dtype))
            torch._foreach_add_(average, change)
        else:
            torch._foreach_lerp_(average, now, weight)
        statistics = {id(buffer) for norm in batch_norms(self.module) for buffer in norm.buffers(recurse=False)}
        for own, buffer in zip(self.module.buffers(), generator.buffers(), strict=True):
            if id(own) not in statistics:
                own.copy_(buffer)


def batch_norms(module: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """Batch-norm layers that keep running statistics."""
    kind = nn.modules.batchnorm._BatchNorm
    return [m for m in module.modules() if isinstance(m, kind) and m.running_mean is not None]


@torch.no_grad()
def recompute_statistics(generator: nn.Module, inputs: Iterable[tuple[Tensor, Tensor | None]]) -> None:
    """Replace the running statistics by the mean of the batch statistics over ``inputs`` ("standing statistics").

    Brock et al. (2018), section 3 and appendix C. Only batch-norm layers run in training mode.

    Args:
        generator: changed in place.
        inputs: batches of latents (B, d) and labels (B,) or None.
    """
    norms = batch_norms(generator)
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch: cumulative mean
        norm.train()
    try:
        for z, labels in inputs:
            generator(z) if labels is None else generator(z, labels)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()
