"""``logan reproduce figure4a``, ``4b``, ``5a``, ``5b``: runs with a probe, a figure, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from logan.cli.compare import plan, run_and_report, split_methods
from logan.errors import InputError
from logan.evaluation.comparison import Entry

if TYPE_CHECKING:
    from logan.cli.reproduce import ReproduceArguments

LOOKS = 300
"""Of the probe in a run, unless --probe says otherwise."""


def main(given: ReproduceArguments, flags: list[str]) -> int:
    """Run what the figure needs (the figures of one preset share runs), draw it, and say what it shows."""
    from logan.evaluation.figures import FIGURES, METHODS
    from logan.files import write_atomically
    from logan.report import figures

    preset = given.preset or "ring"
    outdir = Path(given.outdir or f"reproduce-figures-{preset}").expanduser()
    methods = split_methods(given.methods or METHODS[given.what])
    if "ngd" not in methods:
        raise InputError(f"{given.what} is about ngd: it must be among --methods")
    entries = entries_with_probe(preset, methods, 3 if given.seeds is None else given.seeds, flags)
    if given.plan_only:
        from logan.cli.reproduce import say_plan

        say_plan(entries, outdir)
        return 0
    results = run_and_report(entries, outdir)
    panels, verdict = FIGURES[given.what](results)
    figures.save(outdir / given.what, panels)
    text = f"{verdict}\n\n{len({e.config.run.seed for e in entries})} seeds of {preset}, {entries[0].config.run.kimg:,} kimg.\n"
    write_atomically(outdir / f"{given.what}.md", lambda partial: partial.write_text(text, encoding="utf-8"))
    print(f"\n{text}\nwrote {given.what}.png, .svg, .csv and .md to {outdir}")
    return 0


def entries_with_probe(preset: str, methods: Sequence[str], seeds: int, flags: list[str]) -> list[Entry]:
    """The runs, with some hundreds of looks of a probe in each."""
    if any(f == "--probe" or f.startswith("--probe=") for f in flags):
        return plan(preset, methods, seeds, flags)
    config = plan(preset, methods, seeds, flags)[0].config
    steps = config.run.kimg * 1000 // config.game.batch
    return plan(preset, methods, seeds, [*flags, "--probe", str(max(1, steps // LOOKS))])
