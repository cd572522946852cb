"""Signs that a run fails, read from the lines of its log.

Each alarm is a small object that is shown every record of ``stats.jsonl`` in turn, as JSON has it (None for what is not finite),
and says since which step something is wrong. All that alarms know they know from the log. So a resumed run, which shows them the
log that is there, has alarms in the state of the run that never stopped; and any log can be judged afterwards.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Iterable

import torch

from logan.config import Config
from logan.evaluation import records
from logan.evaluation.names import lower_is_better
from logan.losses import Loss
from logan.metrics import titles
from logan.report.alike import ALIKE, DIFFERENT
from logan.training.runaway import Runaway
from logan.training.signs import WINDOW, Alarm, Record, Streak, Trouble, lead_of

LEAD_LOST = 0.1
"""Of the highest typical lead, below which it is lost. Where D gave up on Fashion-MNIST it sank to 0.01 to 0.07 of that, and in
runs that did well, on the ring and there, to 0.15 at the least (docs/alarms.md)."""
SLOPE_LOST = 0.1
"""The same of ‖g‖²."""
SATURATED = 0.01
"""Of the loss of a D that gives 0 to everything, below which D has nothing left to learn, and G little to learn from."""
DIVERSITY_LOST = ALIKE
"""Of the variance of the real images. An untrained G has no more, so this alone is none of its faults until ``UNTIL_DIVERSE``."""
DIVERSE = DIFFERENT
"""Of that, from which on samples have differed, and can cease to."""
UNTIL_DIVERSE = 10
"""Snapshots by which samples should differ …"""
UNTIL_DIVERSE_STEPS = 2500
"""… and steps: in runs that did well they were alike for up to 1,250, of the digits and the grid (docs/alarms.md)."""
OVERFITTED = 0.8
"""Of D's lead that is not there on real images that D has not seen."""
WORSE = 1.5
"""The factor by which a score is worse than the best, if it counts."""
SNAPSHOTS = 2
"""In a row, for alarms that look at snapshots and have no setting of their own."""


class NotFinite:
    """A loss, ‖g‖², or a gradient of a player is infinite or no number."""

    name = "not-finite"
    SEEN = ("d_loss", "g_loss", "grad_z_squared")

    def __init__(self) -> None:
        self.streak = Streak(1)

    def __call__(self, record: Record) -> Trouble | None:
        lost = [name for name in self.SEEN if name in record and record[name] is None]
        lost += [f"the gradients of {player}" for player in record.get("gradients_not_finite", ())]
        if not self.streak.add(bool(lost), record["steps"]):
            return None
        what = f"{' and '.join(lost)}: not finite; the run has diverged. Try a smaller `g_lr`, `d_lr` or `alpha`"
        return Trouble(self.streak.since, what)


class GivenUp:
    """D gives up: its lead D(x) − D(G(z)) has gone to nothing, and with it ‖g‖², both far below what was typical of the run.

    Typical is the median of the last 8 ticks. A small lead alone is no failure: it is small where G is good. Runs without a latent
    step have no ‖g‖², and are not watched.

    Args:
        moved: the share of all generated images whose latents are moved.
    """

    name = "given-up"

    def __init__(self, moved: float = 1.0) -> None:
        self.moved, self.seen = moved, 0
        self.last: deque[tuple[int, float, float]] = deque(maxlen=WINDOW)
        self.highest = [0.0, 0.0]

    def __call__(self, record: Record) -> Trouble | None:
        self.seen += 1
        lead, slope = lead_of(record, self.moved), record.get("grad_z_squared")
        if lead is None or slope is None or self.seen <= WINDOW:
            return None
        self.last.append((record["steps"], lead, slope))
        if len(self.last) < WINDOW:
            return None
        now = [statistics.median(values) for values in list(zip(*self.last, strict=True))[1:]]
        self.highest = [max(pair) for pair in zip(self.highest, now, strict=True)]
        if now[0] >= LEAD_LOST * self.highest[0] or now[1] >= SLOPE_LOST * self.highest[1]:
            return None
        what = (
            f"D has given up: its lead is {now[0]:.2g} after {self.highest[0]:.2g}, ‖g‖² is {now[1]:.2g} after "
            f"{self.highest[1]:.2g}. Try `update` alternating, a larger `d_lr`, or a smaller `penalty`"
        )
        return Trouble(self.last[0][0], what)


class Saturated:
    """D pays next to nothing: it tells real from generated with a margin, has no gradient any more, and G gets little.

    The measure is the loss of a D that gives 0 to every image; the Wasserstein loss has none and is not watched.

    Args:
        loss: the adversarial loss.
        with_penalty: whether R_z is part of D's loss.
    """

    name = "saturated"

    def __init__(self, loss: Loss, with_penalty: bool = False) -> None:
        nothing = torch.zeros(1)
        self.blind, self.with_penalty = loss.discriminator(nothing, nothing).item(), with_penalty
        self.streak = Streak(WINDOW)

    def __call__(self, record: Record) -> Trouble | None:
        paid = record.get("d_loss")
        if paid is not None and self.with_penalty:
            paid -= record.get("penalty") or 0.0
        low = self.blind > 0 and paid is not None and paid < SATURATED * self.blind
        if not self.streak.add(low, record["steps"]):
            return None
        what = f"D is saturated: its loss is {paid:.2g}, {self.blind:.2g} if it knew nothing. Try a smaller `d_lr`"
        return Trouble(self.streak.since, what)


class SameSamples:
    """Samples hardly differ from each other (:func:`logan.training.vitals.diversity`).

    Either at two snapshots in a row, after they did; or at ten in a row and for 2,500 steps.
    """

    name = "same-samples"

    def __init__(self) -> None:
        self.highest = 0.0
        self.fallen, self.always = Streak(SNAPSHOTS), Streak(UNTIL_DIVERSE)

    def __call__(self, record: Record) -> Trouble | None:
        found = record.get("diversity")
        if found is None:
            return None
        self.highest = max(self.highest, found)
        low, step = found < DIVERSITY_LOST, record["steps"]
        fallen = self.fallen.add(low and self.highest >= DIVERSE, step)
        always = self.always.add(low, step) and step - self.always.since >= UNTIL_DIVERSE_STEPS
        if not always and not fallen:
            return None
        what = f"samples are nearly the same: their variance is {found:.2g} of that of the real images"
        return Trouble((self.fallen if fallen else self.always).since, what)


class Overfitted:
    """D knows its training images by heart (:func:`logan.training.vitals.overfitting`), at two snapshots in a row."""

    name = "overfitted"

    def __init__(self) -> None:
        self.streak = Streak(SNAPSHOTS)

    def __call__(self, record: Record) -> Trouble | None:
        found = record.get("d_overfitting")
        if found is None or not self.streak.add(found > OVERFITTED, record["steps"]):
            return None
        what = (
            f"D overfits: {found:.0%} or more of its lead is not there on real images that it was not trained on. Try more images, "
            f"`mirror`, or a smaller D"
        )
        return Trouble(self.streak.since, what)


class WorseScore:
    """The score that selects the best snapshot was at n snapshots in a row far worse than the best.

    Far is a factor of 1.5. A score that is no number is worse than any. KID, whose estimates may be about zero, has to be worse by
    two of its own standard deviations too.

    Args:
        snapshots: n.
    """

    name = "worse-score"

    def __init__(self, snapshots: int) -> None:
        self.best: tuple[str, float] | None = None
        self.streak = Streak(snapshots)

    def __call__(self, record: Record) -> Trouble | None:
        scores = record.get("metrics") or {}
        by = records.leading(scores)
        if by is None:
            return None
        if self.best is None or self.best[0] != by:  # of a run that goes on with other scores
            self.best, self.streak = None, Streak(self.streak.least)
        now, noise = scores[by], 2 * (scores.get(f"{by}_std") or 0.0)
        bad = now is None if self.best is None else now is None or self._far(by, now, self.best[1], noise)
        if now is not None and (self.best is None or _better(by, now, self.best[1])):
            self.best = by, now
        if not self.streak.add(bad and self.best is not None, record["steps"]):
            return None
        assert self.best is not None
        shown = "no number" if now is None else f"{now:.4g}"
        return Trouble(
            self.streak.since,
            f"{titles.title(by, record.get('detector'))} is {shown}, and was {self.best[1]:.4g} at its best",
        )

    @staticmethod
    def _far(by: str, now: float, best: float, noise: float) -> bool:
        if lower_is_better(by):
            return now > max(WORSE * best, best + noise)
        return now < min(best / WORSE, best - noise)


def _better(by: str, a: float, b: float) -> bool:
    return a < b if lower_is_better(by) else a > b


def all_alarms(config: Config) -> list[Alarm]:
    """A new one of each, for a run of these settings."""
    latent, rules = config.latent, config.rules()
    return [
        NotFinite(),
        GivenUp(latent.latent_share / latent.latent_every),
        Runaway(config),
        Saturated(rules.loss, rules.latent is not None and latent.penalty_in == "both" and latent.penalty > 0),
        SameSamples(),
        Overfitted(),
        WorseScore(config.run.alarm_snapshots),
    ]


class Alarms:
    """All alarms of a run, which have seen its log so far.

    Args:
        config: of the run.
        past: the records of its log.

    Attributes:
        on: what is wrong now, by the name of the alarm.
        backs: how often the run has gone back.
        kept: images seen at the snapshot whose state is the best healthy one; None if there was none.
    """

    def __init__(self, config: Config, past: Iterable[Record] = ()) -> None:
        self.config = config
        self.alarms = all_alarms(config)
        self.on: dict[str, Trouble] = {}
        self.backs = 0
        self.kept: int | None = None
        self._best: tuple[str, tuple[float, float]] | None = None
        for record in past:
            self.see(record)
            self.kept_here(record)
            if "back" in record:
                self.went_back()

    def see(self, record: Record) -> list[Record]:
        """Show all of them a record; returns what began with it, for the log: ``alarm``, ``since`` (a step), ``what``."""
        before, self.on = self.on, {}
        for alarm in self.alarms:
            trouble = alarm(record)
            kept_on = before.get(alarm.name) if trouble is None and not _tells(alarm, record) else None
            if (found := trouble or kept_on) is not None:
                self.on[alarm.name] = found
        return [
            {"alarm": name, "since": trouble.since, "what": trouble.what}
            for name, trouble in self.on.items()
            if name not in before
        ]

    def kept_here(self, record: Record) -> bool:
        """Whether the state after it is to be kept: of a snapshot, with nothing wrong, and the best score so far, if it has one."""
        if record.get("diversity") is None or self.on or "back" in record:
            return False
        scores = {k: v for k, v in record.get("metrics", {}).items() if v is not None}
        by = records.leading(scores)
        if by is not None:
            rank = records.rank(by, scores)
            if self._best is not None and self._best[0] == by and rank < self._best[1]:
                return False
            self._best = by, rank
        self.kept = round(record["kimg"] * 1000)
        return True

    def went_back(self) -> None:
        """Begin anew, but for the best score: what was typical of the run is so no more."""
        self.backs += 1
        best = next(alarm.best for alarm in self.alarms if isinstance(alarm, WorseScore))
        self.alarms, self.on = all_alarms(self.config), {}
        next(alarm for alarm in self.alarms if isinstance(alarm, WorseScore)).best = best


def _tells(alarm: Alarm, record: Record) -> bool:
    """Whether a record says anything to an alarm; those that look at snapshots are told nothing by a line between two."""
    needed = {"same-samples": "diversity", "overfitted": "d_overfitting", "worse-score": "metrics"}
    return alarm.name not in needed or record.get(needed[alarm.name]) is not None
