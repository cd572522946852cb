"""What a run does about alarms: it says so, stops, or goes back to its best healthy state with smaller learning rates.

Looking changes no number of the run. What ``back`` does is decided by the log alone, and everything that it changes is in the
training state, so that a run which is resumed goes back where the run that never stopped does.
"""

from __future__ import annotations

import shutil
from typing import Any, Literal

from logan.errors import AlarmError
from logan.files import finite, write_atomically
from logan.training import folder, random_states, state
from logan.training.alarms import Alarms
from logan.training.begin import Run
from logan.training.notices import NOTICES, Notices
from logan.training.outputs import Samples
from logan.training.signs import lead_of
from logan.training.vitals import Vitals

BEST_STATE = "training-state-best.pt"
"""Where ``back`` goes back to: of the snapshot with the best score at which nothing was wrong; without scores, of the last such;
before there is one, the beginning."""
Verdict = Literal["go on", "stop", "back"]


class Guard:
    """The alarms of a run, its vitals, and its policy. Rank 0 looks and decides; to go back is done by all.

    Args:
        run: before its steps are chosen, for those may play by another engine.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.policy = run, run.config.run.on_alarm
        self.vitals = Vitals(run.parts)
        self._engine = run.parts.game.engine
        self._said = False
        past = folder.read_stats(run.path) if run.world.first else []
        self.alarms, self.notices = Alarms(run.config, past), Notices(run.config, past)
        self._backs = [r["back"] for r in past if "back" in r]
        if run.world.first and self._backs:
            folder.write_options(run.path, run.config, self._backs)
        if run.world.first and self.policy == "back":
            at_hand = (run.path / BEST_STATE).exists()
            # A kill may have come between a snapshot's state and its copy.
            if not at_hand or self.alarms.kept == run.progress.images:
                self._keep()

    def look(self, record: dict[str, Any], samples: Samples) -> None:
        """Add the vitals to a record of the log, on rank 0; ``samples`` are a snapshot's pictures and their labels."""
        if not self.run.world.first:
            return
        if lost := self.vitals.lost_gradients():
            record["gradients_not_finite"] = lost
        if samples is None:
            return
        latent = self.run.config.latent
        record["diversity"] = self.vitals.diversity(*samples)
        found = self.vitals.overfitting(lead_of(finite(record), latent.latent_share / latent.latent_every))
        if found is not None:
            record["d_overfitting"] = found
        if self.vitals.unwatched is not None and not self._said:
            self._said = True
            self.run.watch.say(f"not watched: whether D overfits ({self.vitals.unwatched})")

    def judge(self, record: dict[str, Any], last: bool) -> Verdict:
        """Show a record to the alarms, add what they find, and do what is to be done; ``last``: nothing comes after it.

        To stop is left to the caller, who saves first (:meth:`stop`).
        """
        run = self.run
        verdict: Verdict = "go on"
        if run.world.first:
            began = self.alarms.see(finite(record) | {"detector": run.watch.scored_by or None})
            if began:
                record["alarms"] = began
            for alarm in began:
                run.watch.say(f"warning: {alarm['what']} (since step {alarm['since']:,})")
            if noticed := self.notices.see(finite(record)):
                record[NOTICES] = noticed
            for notice in noticed:
                run.watch.say(f"note: {notice['what']}")
            if began and self.policy != "warn":
                again = self.alarms.backs < run.config.run.most_backs
                verdict = "stop" if self.policy == "stop" or not again else "go on" if last else "back"
        if self.policy != "warn":
            verdict = run.world.broadcast(verdict)
        if verdict == "back":
            self._go_back(record)
        return verdict

    def saved(self, record: dict[str, Any]) -> None:
        """The state after a snapshot's record is on disk: keep a copy of it if it is the best."""
        if self.run.world.first and self.alarms.kept_here(finite(record)) and self.policy == "back":
            self._keep()

    def stop(self) -> AlarmError:
        """What to raise once the state is saved."""
        run = self.run
        if not run.world.first:
            return AlarmError()
        what = "; ".join(trouble.what for trouble in self.alarms.on.values())
        back = f" after going back {self.alarms.backs} times" if self.alarms.backs else ""
        return AlarmError(
            f"stopped by an alarm at {run.progress.images / 1000:.1f} kimg{back}: {what}. The state is saved; `resume` {run.path} "
            f"goes on all the same"
        )

    def _keep(self) -> None:
        source = self.run.path / state.FILE_NAME
        write_atomically(self.run.path / BEST_STATE, lambda partial: shutil.copyfile(source, partial))

    def _go_back(self, record: dict[str, Any]) -> None:
        """Networks, optimisers and average of the best state. Time goes on: the images seen, the data, the draws, the log."""
        run, factor = self.run, self.run.config.run.back_factor
        backs = run.world.broadcast(self.alarms.backs) + 1
        drawn = random_states.take(run.parts.device, run.parts.random)
        best, _ = state.load(run.path / BEST_STATE, run.parts, run.average)
        random_states.put(drawn, run.parts.device, run.parts.random)
        rates, game = {}, run.parts.game
        for name, optimiser in (("g_lr", game.g_optimiser), ("d_lr", game.d_optimiser)):
            rates[name] = getattr(run.config.game, name) * factor**backs
            for group in optimiser.param_groups:
                group["lr"] = rates[name]
        game.play_by(self._engine)  # recordings and graphs hold the old rates and the old optimisers' tensors
        record["back"] = {"step": run.progress.steps, "to_kimg": best.images / 1000, **rates}
        self.alarms.went_back()
        if run.world.first:
            self._backs.append(record["back"])
            folder.write_options(run.path, run.config, self._backs)
            run.watch.say(
                f"back to the state at {best.images / 1000:g} kimg, with `g_lr` {rates['g_lr']:g} and `d_lr` {rates['d_lr']:g} "
                f"(number {backs} of {run.config.run.most_backs} at most)"
            )
