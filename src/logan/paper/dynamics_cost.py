"""What a step of each method of a comparison costs, measured side by side in one process."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from logan.bench.counting import peak_memory
from logan.bench.steps import Played, Variant, in_rounds
from logan.compare.runs import Result
from logan.compare.summary import by_label
from logan.config import Config
from logan.devices import cpu_threads

ROUNDS = 15
"""Of the measurement, :func:`logan.bench.steps.in_rounds`."""
STILL = 1e-8
"""The learning rate of both players while they are timed: no method diverges, and all stay at one point."""


@dataclass(frozen=True)
class TimedStep:
    """What one step of G, with D's, was seen to cost.

    Attributes:
        times: milliseconds, one for each round; the n-th of two methods were taken next to each other.
        memory: MiB allocated at the most beyond weights, buffers and optimisers.
    """

    times: tuple[float, ...]
    memory: float

    @property
    def ms(self) -> float:
        """Median milliseconds."""
        return statistics.median(self.times)


def measure(results: Sequence[Result]) -> dict[str, TimedStep]:
    """The cost of each method's step by label, on a batch like the runs', from new networks like theirs.

    Args:
        results: runs of several methods on one data set; of each method one counts.
    """
    configs = {label: group[0].entry.config for label, group in by_label(results).items()}
    with cpu_threads(results[0].entry.config.run.threads):
        played = {label: play(config) for label, config in configs.items()}
        memory = {label: peak_memory(p.step, p.device) / 2**20 for label, p in played.items()}
        times = in_rounds(played, ROUNDS)
    return {label: TimedStep(tuple(times[label]), memory[label]) for label in played}


def play(config: Config) -> Played:
    """The game of a run, on one batch, by the engine that the run had."""
    config = replace(config, game=replace(config.game, g_lr=STILL, d_lr=STILL))
    engine = "recorded" if config.run.engine == "auto" else config.run.engine
    return Played(config, Variant(config.latent.latent, engine, config.game.precision))
