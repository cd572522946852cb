"""Training that grows past one device: one process per device (*rank*), started by ``torchrun``.

Every rank plays the same game step on its slice of the batch, and the gradients are averaged. No wrapper stands around the
networks: DistributedDataParallel hangs its communication on backward passes of the loss, and a latent step has others.
What the ranks tell each other goes through :class:`World`; sums that are part of the function that is differentiated are in
:func:`sum_over_ranks` and :func:`across`.
"""

from __future__ import annotations

from logan.distributed.batch_norm import across
from logan.distributed.sums import sum_over_ranks
from logan.distributed.world import RanksLostError, World

__all__ = ["RanksLostError", "World", "across", "sum_over_ranks"]
