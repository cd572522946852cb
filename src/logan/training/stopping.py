"""What a run does when it is stopped, once its state is saved: it says so in one line, and leaves something to sample from."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from logan.errors import RunStopped
from logan.files import WriteError
from logan.sampling import snapshot
from logan.side_effects import on_copies_of_state, same_random_numbers_next
from logan.training.begin import Run
from logan.training.meanwhile import PICTURE
from logan.training.outputs import FIRST_STATISTICS_IMAGES, save_fakes, save_snapshot_in


def leave(run: Run) -> RunStopped:
    """Say where the run stopped and how to go on. Before the first snapshot, write one for that moment, with its picture.

    The next snapshot takes the place of both. Returns what to raise.
    """
    p = run.progress
    if p.images == 0:
        run.watch.say(f"stopped before the first step; go on with `resume` {run.path}")
        return RunStopped()
    where = f"{p.images / 1000:.1f} kimg" + (", before the scores" if p.due is not None else "")
    run.watch.say(f"stopped at {where}; go on with `resume` {run.path}")
    keep_something(run)
    return RunStopped()


def keep_something(run: Run) -> None:
    """Before the first snapshot, write one of this moment, with its picture, on rank 0."""
    if run.world.first and not any(run.path.glob(snapshot.PATTERN)):
        try:
            _snapshot_of_now(run)
        except WriteError as error:
            run.watch.say(f"warning: {error.problem}. There is no snapshot of this moment")


def _snapshot_of_now(run: Run) -> None:
    """As :mod:`logan.training.meanwhile` draws: on copies, and with random numbers put back, so that the run goes on unchanged."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    try:
        with same_random_numbers_next(run.parts.device), on_copies_of_state(run.average.module):
            save_fakes(run.path / PICTURE, run.parts, run.average, FIRST_STATISTICS_IMAGES)
            save_snapshot_in(run.path / snapshot.STOPPED, run.parts, run.average, run.progress.images)
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)


def forget(path: Path) -> None:
    """There is a snapshot of its own accord now: drop what was drawn and written between two."""
    (path / PICTURE).unlink(missing_ok=True)  # so what a finished run leaves does not depend on the clock
    (path / snapshot.STOPPED).unlink(missing_ok=True)
    (path / snapshot.STOPPED).with_suffix(".json").unlink(missing_ok=True)
