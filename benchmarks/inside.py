"""The game seen from inside: LOGAN's alignment with SGA, the error of approximation 21, and the spectrum of the game's Jacobian.

    python benchmarks/inside.py --preset ring --seeds 3 --out docs/results/inside/ring

Trains with a probe that computes eigenvalues (extra: analysis), and writes table.md (each quantity in the first, middle and last
third of the training, mean over looks and seeds), alignment.png and spectrum.png with their numbers as .csv. ngd:penalty=0 is
there because R_z is part of the field that is trained, and may have the largest eigenvalues of all. Every flag of logan train may
follow. Interrupted, the same command goes on where it was.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from logan.cli.compare import plan
from logan.evaluation.comparison import Result, run_all
from logan.evaluation.figures import probes
from logan.report.comparison import by_label
from logan.report.figures import Line, Panel, save

Quantity = Callable[[dict[str, Any]], float]


def named(name: str) -> Quantity:
    """A number of a look; NaN where the look has none."""
    return lambda look: np.nan if look.get(name) is None else look[name]


def largest(name: str) -> Quantity:
    """The largest magnitude among a look's eigenvalues of a kind."""

    def of(look: dict[str, Any]) -> float:
        values = [abs(complex(*v)) if isinstance(v, list) else abs(v) for v in look.get(name) or [] if v is not None]
        return max(values, default=np.nan)

    return of


def leading(part: int) -> Quantity:
    """The real (0) or the imaginary part (1) of the eigenvalue of H that is leading, the latter without its sign."""

    def of(look: dict[str, Any]) -> float:
        values = look.get("eigenvalues") or [[np.nan, np.nan]]
        first = max(values, key=lambda v: abs(complex(*v)))
        return abs(first[1]) if part else first[0]

    return of


ALIGNMENT: dict[str, Quantity] = {
    "cosine of LOGAN's adjustment with SGA's": named("logan_sga_cosine"),
    "… D's part": named("logan_sga_cosine_d"),
    "… G's part": named("logan_sga_cosine_g"),
    "cosine of LOGAN's adjustment with equation 8's": named("logan_local_cosine"),
    "cosine of equation 8 with 19, 20": named("local_cosine"),
    "error of approximation 21": named("local_error"),
    "‖g‖": named("norm_g"),
}
SPECTRUM: dict[str, Quantity] = {
    "leading eigenvalue of H, real part": leading(0),
    "leading eigenvalue of H, imaginary part": leading(1),
    "largest |eigenvalue| of ½(H + Hᵀ)": largest("potential"),
    "largest ω of ½(H − Hᵀ)": largest("rotation"),
}


def table(results: Sequence[Result]) -> str:
    """Markdown: a row per method and quantity, the three thirds of the training, and what a look takes."""
    lines = ["| method | quantity | first third | middle | last third |", "|---|---|---|---|---|"]
    seconds = []
    for label, group in by_label(results).items():
        looks = [probes(r) for r in group]
        seconds.append(f"{label} {np.mean([p['seconds'] for seen in looks for p in seen]):.2f}")
        for name, quantity in (ALIGNMENT | SPECTRUM).items():
            thirds = [
                np.concatenate(part)
                for part in zip(
                    *(np.array_split(np.array([quantity(p) for p in seen]), 3) for seen in looks), strict=True
                )
            ]
            if any(np.isfinite(t).any() for t in thirds):
                lines.append(f"| {label} | {name} | " + " | ".join(f"{np.nanmean(t):.3g}" for t in thirds) + " |")
    return "\n".join(lines) + f"\n\nSeconds per look: {', '.join(seconds)}.\n"


def panels(results: Sequence[Result], quantities: dict[str, Quantity], log: bool) -> list[Panel]:
    """One panel per quantity, a line per run."""
    found = []
    for name, quantity in quantities.items():
        lines = []
        for label, group in by_label(results).items():
            for r in group:
                seen = probes(r)
                values = [quantity(p) for p in seen]
                if np.isfinite(values).any():
                    lines.append(Line(label, [p["steps"] for p in seen], values))
        found.append(Panel(name, "steps of G", "", lines, log_y=log))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--preset", default="ring")
    parser.add_argument("--methods", nargs="+", default=["none", "gd", "ngd", "ngd:penalty=0", "sga"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--looks", type=int, default=45, help="of the probe in a run")
    parser.add_argument("--eigenvalues", type=int, default=4, help="how many leading ones; 0 for none")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=Path, help="runs/inside-NAME-OF-OUT by default")
    given, flags = parser.parse_known_args()
    config = plan(given.preset, given.methods[:1], 1, flags)[0].config
    every = max(1, config.run.kimg * 1000 // config.game.batch // given.looks)
    flags = [*flags, "--probe", str(every), "--probe-eigenvalues", str(given.eigenvalues)]
    runs = given.runs or Path("runs") / f"inside-{given.out.name}"
    entries = plan(given.preset, given.methods, given.seeds, flags)
    results = run_all(entries, runs, say=lambda text: print(text, flush=True), quiet=True)
    given.out.mkdir(parents=True, exist_ok=True)
    text = f"{given.preset}, {given.seeds} seeds, {config.run.kimg:,} kimg, a look every {every} steps.\n\n{table(results)}"
    (given.out / "table.md").write_text(text, encoding="utf-8")
    save(given.out / "alignment", panels(results, ALIGNMENT, log=False))
    if given.eigenvalues:
        save(given.out / "spectrum", panels(results, SPECTRUM, log=True))
    print(text)


if __name__ == "__main__":
    main()
