"""The parts, in order of value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """One thing to be measured.

    Attributes:
        name: on the command line, and of its file.
        title: in the report.
        module: whose ``play(sheet)`` measures it.
        seconds: after which it is stopped, of :data:`WHOLE` minutes in all; infinite for all the time that is left.
    """

    name: str
    title: str
    module: str
    seconds: float


WHOLE = 9.0
"""Minutes that the limits are made for; with more or fewer they grow or shrink."""
TRIAL = 4
"""Times its seconds that a part may take in a trial."""

PARTS = (
    Part("tests", "Tests that need a GPU", "on_gpu.marked_tests", 80),
    Part("steps", "A step of SN-DCGAN by engine and precision", "on_gpu.engines", 70),
    Part("kernels", "What a LOGAN step consists of", "on_gpu.anatomy", 30),
    Part("loop", "Steps per second in the training loop", "on_gpu.loop_rates", 50),
    Part("together", "Four games at once", "on_gpu.four_games", 60),
    Part("biggan", "BigGAN-deep at 128×128", "on_gpu.large", 100),
    Part("ranks", "One rank under torchrun", "on_gpu.ranks", 45),
    Part("table2", "Table 2 in lockstep", "on_gpu.tables", math.inf),
)


def limits(parts: Sequence[Part], minutes: float, tiny: bool = False) -> list[float]:
    """Seconds after which each is stopped: of a shorter or longer time their shares; all of it, if none takes what is left.

    A trial is short, but maybe on a busy CPU.
    """
    asked = [part.seconds for part in parts]
    grow = minutes / WHOLE if math.inf in asked else 60 * minutes / max(sum(asked), 1)
    return [seconds * (TRIAL if tiny else grow) for seconds in asked]
