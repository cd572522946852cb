"""Training, its states and alarms, and runs beside each other."""

BY_FILE: dict[tuple[str, str], list[tuple[str, str, str]]] = {
    ("training/stopping.py", "training/test_stopping.py"): [
        ("nothing to sample from", "not any(run.path.glob(snapshot.PATTERN))", "False"),
        ("a stop that leaves its mark", "    (path / snapshot.STOPPED).unlink(missing_ok=True)", "    pass"),
    ],
    ("training/live_report.py", "training/test_stopping.py"): [
        ("the page of the tick before", "reached=run.progress.images / 1000", "reached=0.0"),
    ],
    ("training/alarms.py", "training/test_alarms.py"): [
        ("D gives up by its lead alone", "or now[1] >= SLOPE_LOST * self.highest[1]:", ":"),
        ("a Wasserstein D saturates", "self.blind > 0 and paid", "paid"),
        ("samples alike at the start", "self.always.since >= UNTIL_DIVERSE_STEPS", "self.always.since >= 0"),
        ("a failing state is kept", 'or self.on or "back" in record', 'or "back" in record'),
    ],
    ("training/guard.py", "training/test_guard.py"): [
        ("back at the old rates", 'group["lr"] = rates[name]', "pass"),
        ("back to the old draws", "random_states.put(drawn, ", "random_states.take("),
        ("a kill loses the copy", "not at_hand or self.alarms.kept == run.progress.images", "not at_hand"),
    ],
    ("compare/runs.py", "compare/test_stops_of_comparisons.py"): [
        ("a line that the state does not know", 'if line["tick"] < ticks]', "]"),
    ],
    ("training/vitals.py", "training/test_vitals.py"): [
        ("looking moves D", "held(own, move=False), no_side_effects()", "held(own, move=True)"),
        ("overfitting by chance", "3 * error", "0 * error"),
    ],
    ("training/averaging.py", "training/test_averaging.py"): [
        ("average half as slow", "0.5 ** (images / half_life)", "0.25 ** (images / half_life)"),
        ("statistics gathered the usual way", "norm.momentum = None  #", "#"),
    ],
    ("training/random_states.py", "training/test_resume.py"): [
        ("state without torch's generator", 'torch.set_rng_state(states["torch"])', "pass"),
    ],
    ("training/state.py", "training/test_resume.py"): [
        ("state without the memory", '"memory": parts.game.memory,', '"memory": {},'),
        (
            "state without D's optimiser",
            '"d_optimiser": parts.game.d_optimiser',
            '"d_optimiser": parts.game.g_optimiser',
        ),
        ("checksum of a state unread", "bad = stored.damaged_member(file, tensors)", "bad = None"),
    ],
    ("training/together.py", "training/test_together.py"): [
        ("one random state for all runs", "        self._surroundings.put()\n", "        pass\n"),
        ("the others are lost", "                failures.append(error)\n", "                raise\n"),
    ],
    ("training/whole_steps.py", "training/test_whole_steps.py"): [
        (
            "every graph believed",
            "trusted = wrong is None\n            return wrong\n",
            "trusted = True\n            return None\n",
        ),
        (
            "a check leaves its trace",
            "            as_before()\n            graph.replay()",
            "            graph.replay()",
        ),
        ("steps of a launch not counted", "sum(map(self._is_latent, range(first, first + steps)))", "steps"),
    ],
    ("training/script.py", "training/test_whole_steps.py"): [
        ("always the first step's images", "self.counter.add_(1)", "self.counter.add_(0)"),
        ("the weight of the average one step late", "start + (i + 1) * images", "start + i * images"),
        ("what is left is laid out twice", "old[len(old) - left :]", "old[:left]"),
    ],
    ("training/loop.py", "training/test_stops.py"): [
        ("no state before the scores", "progress.due = record\n        _save_state(run)", "progress.due = record"),
        ("scores that nobody can stop", "with stop.at_once():\n            samples", "if True:\n            samples"),
        ("what is due is forgotten", "if p.due is not None and", "if False and"),
    ],
    ("training/entries.py", "training/test_state_entries.py"): [
        ("numpy reads beyond its end", '"position", least=0, most=NUMPY_WORDS', '"position", least=0'),
    ],
    ("training/resume.py", "training/test_resume.py"): [
        ("other settings resumed", "and name not in MAY_DIFFER", "and False"),
    ],
    ("training/stored.py", "training/test_stored.py"): [
        ("two ends", "if where != after:", "if False:"),
        ("parts that inflate", "if any(m.compress_type", "if False and any(m.compress_type"),
    ],
    ("training/lock.py", "training/test_lock.py"): [
        ("any error is a lack of locks", "if not _has_no_locks(error):", "if False:"),
    ],
    ("training/state.py", "training/test_state_entries.py"): [
        ("torch's advice to run what is in a state", "except pickle.UnpicklingError:", "except ZeroDivisionError:"),
        ("a format that is a tensor", "is not int or known != FORMAT", "is None or known != FORMAT"),
    ],
    ("training/bars.py", "training/test_bars.py"): [
        ("a bar up to the last column, where ^C moves it", "FREE = 3", "FREE = 0"),
    ],
}
