"""What the steps report, summed on the device until the next line of the log."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from logan.distributed import World
from logan.turns import Turn


class Sums:
    """Sums and numbers of what was reported since the last tick, by name. Nobody waits for the device until they are read.

    Args:
        device: of the reports.
        totals, counts: to begin with, where a run goes on.
    """

    def __init__(self, device: torch.device, totals: Mapping[str, float], counts: Mapping[str, int]) -> None:
        self.where = torch.device("cpu") if device.type == "mps" else device  # which has no float64
        self.totals = {k: torch.tensor(v, dtype=torch.float64, device=self.where) for k, v in totals.items()}
        self.counts = dict(counts)

    @torch.no_grad()
    def add(self, turn: Turn) -> list[str]:
        """Add what a step reported, in the same tensors always; returns its names, to be counted."""
        found = {"d_loss": turn.d_loss, "g_loss": turn.g_loss, **turn.report}
        reported = {name: value for name, value in found.items() if value is not None}
        for name, value in reported.items():
            if name not in self.totals:
                self.totals[name] = torch.zeros((), dtype=torch.float64, device=self.where)
            self.totals[name].add_(value.detach().to(self.where, torch.float64))
        return list(reported)

    def count(self, names: list[str], steps: int = 1) -> None:
        """So many steps have reported these."""
        for name in names:
            self.counts[name] = self.counts.get(name, 0) + steps

    def read(self, world: World) -> dict[str, float]:
        """The sums, in the mean over the ranks."""
        means = world.all_reduce_mean([self.totals[name] for name in self.counts])
        return {name: x.item() for name, x in zip(self.counts, means, strict=True) if x is not None}

    def clear(self) -> None:
        """Begin a new tick."""
        self.counts.clear()
        for total in self.totals.values():
            total.zero_()
