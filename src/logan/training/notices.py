"""What is worth saying of a run that does not fail: said once, and no reason for it to stop or to go back.

As alarms, notices know what they know from the log alone, where they stand in the line of their tick: a run that is resumed
does not say them again.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Iterable

from logan.config import Config
from logan.training.runaway import length_of_z
from logan.training.signs import Record

NOTICES = "notices"
"""In a line of the log: what was said, by name."""
TICKS = 4
IDLE = 0.002
"""Of the length of z, below which a move of it is none in effect. Runs in which the step did something moved it by 0.02 to 0.1."""
USUAL = 0.05


class IdleStep:
    """The latent step is taken, and moves z by next to nothing: β is far above ‖g‖², or α far below what ‖g‖ asks for.

        ‖Δz‖ = α ‖g‖ / (β + ‖g‖²) < 0.002 ‖z‖,   as medians of 4 ticks

    Names the β (gradient descent: the α) with which the same gradient would move z by a twentieth of its length.
    """

    name = "idle-latent-step"

    def __init__(self, config: Config) -> None:
        self.latent, self.length = config.latent, length_of_z(config)
        self.last: deque[tuple[float, float]] = deque(maxlen=TICKS)

    def __call__(self, record: Record) -> str | None:
        moved, slope = record.get("delta_z"), record.get("grad_z_squared")
        if moved is None or slope is None or self.latent.latent not in ("gd", "ngd"):
            return None
        self.last.append((moved, slope))
        if len(self.last) < TICKS:
            return None
        moved, slope = (statistics.median(values) for values in zip(*self.last, strict=True))
        if moved >= IDLE * self.length or slope == 0:
            return None
        off = f"the latent step is off in effect: it moves z by {moved / self.length:.1g} of its length"
        norm, alpha = math.sqrt(slope), self.latent.alpha
        if self.latent.latent == "gd":
            return (
                f"{off}, since `alpha` {alpha:g} is small for ‖g‖ {norm:.1g}. `alpha` {USUAL * self.length / norm:.1g} would move "
                f"it by a twentieth; or take `latent` none, which costs less"
            )
        better = alpha * norm / (USUAL * self.length) - slope
        if not 0 < better < self.latent.beta:
            return None
        return (
            f"{off}, since `beta` {self.latent.beta:g} is {self.latent.beta / slope:,.0f} times ‖g‖² ({slope:.1g}). `beta` "
            f"{better:.1g} would move it by a twentieth; or take `latent` none, which costs less"
        )


class Notices:
    """All of a run, which have seen its log so far.

    Args:
        config: of the run.
        past: the records of its log.
    """

    def __init__(self, config: Config, past: Iterable[Record] = ()) -> None:
        self.kinds = [IdleStep(config)]
        self.said: set[str] = set()
        for record in past:
            self.see(record)

    def see(self, record: Record) -> list[dict[str, str]]:
        """Show them a record; returns what is to be said of it, for the log: ``notice``, ``what``."""
        found = [(kind.name, what) for kind in self.kinds if (what := kind(record)) and kind.name not in self.said]
        self.said |= {name for name, _ in found}
        return [{"notice": name, "what": what} for name, what in found]
