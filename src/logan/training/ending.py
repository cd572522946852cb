"""What a finished run says of itself: which snapshot is its best, and where to look."""

from __future__ import annotations

from pathlib import Path

from logan.errors import InputError
from logan.report.alike import alike
from logan.sampling.choice import BEST, read_best
from logan.sampling.measured_by import best_score
from logan.training import folder


def farewell(run: Path) -> str:
    """A line; two where scores have chosen a snapshot; and a warning below where its samples are all alike."""
    page = run / "report.html"
    look = f"open {page} in a browser" if page.exists() else "look at its fakes*.png"
    more = f"more samples: logan sample {run}"
    try:
        best = read_best(run) if (run / BEST).exists() else None
    except InputError:
        best = None
    ticks = folder.read_stats(run)
    doubt = alike(ticks, None if best is None else best["images"] / 1000)
    warning = "" if doubt is None else f"\nwarning: {doubt}"
    if best is None:
        return f"done: {run}  ({look}; {more}){warning}"
    by, kimg = best["by"], best["images"] // 1000
    last = next((r for r in reversed(ticks) if (r.get("metrics") or {}).get(by) is not None), None)
    at_the_end = "the last one"
    if last is not None and round(last["kimg"] * 1000) != best["images"]:
        at_the_end = f"and {last['metrics'][by]:.4g} at the end, {last['kimg']:.0f} kimg"
    return (
        f"done: {run}  ({look})\n"
        f"best snapshot: {kimg} kimg, {best_score(run, best)}, {at_the_end}. Its picture is "
        f"{run / f'fakes{kimg:06d}.png'}; {more} (takes the best){warning}"
    )
