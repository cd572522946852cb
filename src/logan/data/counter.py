"""Randomness that is a pure function of (seed, position): nothing has to be saved to continue exactly."""

from __future__ import annotations

import numpy as np
import torch

# what a random number is for; different purposes must not share a stream
POINTS, MIRROR, ORDER = 1, 2, 3


def blocks(seed: int, purpose: int, position: int, count: int) -> np.ndarray:
    """Four random 64-bit words for each of the samples ``position … position + count - 1``, as uint64 (count, 4).

    Word j of sample i depends on (seed, purpose, i, j) alone. Source: the counter-based generator Philox of Salmon et
    al. 2011, "Parallel random numbers: as easy as 1, 2, 3"; one step of its counter gives four words.
    """
    bits = np.random.Philox(key=_hashed(seed, purpose).generate_state(2, np.uint64))
    bits.advance(position)
    return bits.random_raw(4 * count).reshape(count, 4)


def permutation(n: int, seed: int, epoch: int) -> torch.Tensor:
    """The order of ``n`` images in an epoch, int64 (n,): a pure function of (seed, epoch)."""
    state = int(_hashed(seed, ORDER, epoch).generate_state(1, np.uint64)[0])
    return torch.randperm(n, generator=torch.Generator().manual_seed(state >> 1))


def _hashed(seed: int, *where: int) -> np.random.SeedSequence:
    """Hashed, since seed + epoch would make epoch 1 of seed 0 equal to epoch 0 of seed 1."""
    return np.random.SeedSequence(seed % 2**64, spawn_key=where)
