"""What a finished run says of itself: which snapshot is its best, and where to look."""

from __future__ import annotations

from pathlib import Path

from logan.errors import InputError
from logan.sampling.choice import BEST, read_best
from logan.training import folder


def farewell(run: Path) -> str:
    """A line, or two where scores have chosen a snapshot."""
    page = run / "report.html"
    look = f"open {page} in a browser" if page.exists() else "look at its fakes*.png"
    more = f"more samples: logan sample {run}"
    try:
        best = read_best(run) if (run / BEST).exists() else None
    except InputError:
        best = None
    if best is None:
        return f"done: {run}  ({look}; {more})"
    by, kimg = best["by"], best["images"] // 1000
    last = next((r for r in reversed(folder.read_stats(run)) if (r.get("metrics") or {}).get(by) is not None), None)
    at_the_end = "the last one"
    if last is not None and round(last["kimg"] * 1000) != best["images"]:
        at_the_end = f"and {last['metrics'][by]:.4g} at the end, {last['kimg']:.0f} kimg"
    return (
        f"done: {run}  ({look})\n"
        f"best snapshot: {kimg} kimg, {by} {best['scores'][by]:.4g}, {at_the_end}. Its picture is "
        f"{run / f'fakes{kimg:06d}.png'}; {more} (takes the best)"
    )
