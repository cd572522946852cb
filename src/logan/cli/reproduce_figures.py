"""``logan reproduce figure4a``, ``4b``, ``5a``, ``5b``: runs with a probe, a figure, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from logan.cli.compare import plan, report, run, say_plan, split_methods
from logan.cli.parsing import value_of
from logan.compare.runs import Entry
from logan.errors import InputError

if TYPE_CHECKING:
    from logan.cli.reproduce import ReproduceArguments

LOOKS = 300
"""Of the probe in a run, unless --probe says otherwise."""


def main(given: ReproduceArguments, flags: list[str]) -> None:
    """Run what the figure needs (the figures of one preset share runs), draw it, and say what it shows."""
    from logan.paper.figures import FIGURES
    from logan.report.panels import save

    preset = given.preset or "ring"
    outdir = Path(given.outdir or f"reproduce-figures-{preset}").expanduser()
    methods = _methods(given)
    entries = entries_with_probe(preset, methods, given.how_many(), flags)
    if given.plan_only:
        return say_plan(entries, outdir)
    panels, verdict = FIGURES[given.what](run(entries, outdir))
    save(outdir / given.what, panels)
    seeds = len({e.config.run.seed for e in entries})
    text = f"{verdict}\n\n{', '.join(methods)}; {preset}, {entries[0].config.run.kimg:,} kimg; seeds: {seeds}.\n"
    report(outdir, f"{given.what}.md", text, f"{given.what}.png, .svg, .csv and .md")


def _methods(given: ReproduceArguments) -> list[str]:
    """What is run: the figure's own methods, or some of them."""
    from logan.paper.figures import METHODS

    known = METHODS[given.what]
    methods = split_methods(given.methods or known)
    if "ngd" not in methods:
        raise InputError(f"{given.what} is about ngd: it must be among --methods")
    for name in methods:
        if name not in known:
            raise InputError(f"{given.what} does not show {name}; its --methods are {', '.join(known)}")
    return methods


def entries_with_probe(preset: str, methods: Sequence[str], seeds: int, flags: list[str]) -> list[Entry]:
    """The runs, with some hundreds of looks of a probe in each.

    Raises:
        InputError: if there would be too few looks for a figure.
    """
    from logan.paper.figures import FEWEST_LOOKS

    entries = plan(preset, methods, seeds, flags)
    if value_of("--probe", flags) is None:
        entries = plan(preset, methods, seeds, [*flags, "--probe", str(max(1, min(map(_steps, entries)) // LOOKS))])
    for entry in entries:
        every = entry.config.scores.probe
        looks = -(-_steps(entry) // every) if every else 0
        if looks < FEWEST_LOOKS:
            raise InputError(
                f"--probe {every} looks {looks} times in {_steps(entry)} steps, and a figure needs {FEWEST_LOOKS} looks: "
                "pass a smaller --probe, or a larger --kimg"
            )
    return entries


def _steps(entry: Entry) -> int:
    """Steps of G in a run."""
    config = entry.config
    return -(-config.run.kimg * 1000 // (config.game.batch * config.game.d_steps))
