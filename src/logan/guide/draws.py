"""Random numbers that belong to a sample and not to the batch that it comes in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

PROPOSAL, CHOICE, LATENT = 1, 2, 3  # what a random number is for; different purposes must not share a stream


@dataclass(frozen=True)
class Draws:
    """The random numbers of the samples ``first … first + n - 1`` of a seed.

    Word j of sample i at step k depends on (seed, purpose, k, i, j) alone, so that the same samples come whatever the
    batch size. Source: the counter-based generator Philox of Salmon et al. 2011, "Parallel random numbers: as easy as
    1, 2, 3".
    """

    seed: int
    first: int
    n: int

    def uniform(self, purpose: int, step: int, width: int = 1) -> Tensor:
        """U(0, 1), float64 (n, width), open at both ends, on the CPU."""
        per_sample = -(-width // 4)  # one step of the counter gives four words
        key = np.random.SeedSequence(self.seed % 2**64, spawn_key=(purpose, step)).generate_state(2, np.uint64)
        bits = np.random.Philox(key=key)
        bits.advance(self.first * per_sample)
        words = bits.random_raw(4 * per_sample * self.n).reshape(self.n, 4 * per_sample)[:, :width]
        return torch.from_numpy(((words >> np.uint64(11)) + 0.5) * 2.0**-53)

    def normal(self, purpose: int, step: int, width: int) -> Tensor:
        """N(0, 1), float64 (n, width), on the CPU."""
        return torch.special.ndtri(self.uniform(purpose, step, width))
