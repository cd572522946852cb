"""The game seen from inside: LOGAN's alignment with SGA, the error of approximation 21, and the spectrum of the game's Jacobian.

    python benchmarks/inside.py --preset ring --seeds 3 --out docs/results/inside/ring

Trains with a probe that computes eigenvalues (extra: analysis), and writes table.md (each quantity in the first, middle and last
third of the training, mean over looks and seeds), alignment.png and spectrum.png with their numbers as .csv. Where there is a
latent step, the spectrum is also that of the ordinary game at the same parameters, on the same batch ("latent step left out").
ngd:penalty=0 is there because R_z is part of the field that is trained, and may have the largest eigenvalues of all.

A look with eigenvalues takes seconds: --looks 9 is a spectrum that one can wait for (--probe N, a look in every N steps, says the
same otherwise). Every flag of logan train may follow. Interrupted, the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from logan.cli.compare import plan
from logan.compare.runs import Result, run_all
from logan.compare.summary import by_label
from logan.errors import InputError
from logan.paper.figures import probes
from logan.report.panels import Line, Panel, save

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


def leading(part: int, name: str = "eigenvalues") -> Quantity:
    """The real (0) or the imaginary part (1) of the eigenvalue of H that is leading, the latter without its sign."""

    def of(look: dict[str, Any]) -> float:
        values = look.get(name) or [[np.nan, np.nan]]
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
REAL, IMAGINARY = "leading eigenvalue of H, real part", "leading eigenvalue of H, imaginary part"
POTENTIAL, ROTATION = "largest eigenvalue of ½(H + Hᵀ), magnitude", "largest ω of ½(H − Hᵀ)"
SPECTRUM: dict[str, Quantity] = {
    REAL: leading(0),
    IMAGINARY: leading(1),
    POTENTIAL: largest("potential"),
    ROTATION: largest("rotation"),
}
LEFT_OUT: dict[str, Quantity] = {
    REAL: leading(0, "eigenvalues_plain"),
    IMAGINARY: leading(1, "eigenvalues_plain"),
    POTENTIAL: largest("potential_plain"),
    ROTATION: largest("rotation_plain"),
}
"""The same of the ordinary game at the same points."""
MAGNITUDES = (POTENTIAL, ROTATION)
"""What is above zero."""
WITHOUT = ", latent step left out"
FEWEST_LOOKS = 3
"""Of a run: one in each third."""


def looks_by_label(results: Sequence[Result]) -> dict[str, list[list[dict[str, Any]]]]:
    """Of each method the looks of each seed."""
    return {label: [probes(r, FEWEST_LOOKS) for r in group] for label, group in by_label(results).items()}


def table(results: Sequence[Result]) -> str:
    """Markdown: a row per method and quantity, the three thirds of the training, and what a look takes."""
    lines = ["| method | quantity | first third | middle | last third |", "|---|---|---|---|---|"]
    seconds = []
    for label, runs in looks_by_label(results).items():
        seconds.append(f"{label} {np.mean([p['seconds'] for seen in runs for p in seen]):.2f}")
        for name, quantity in ALIGNMENT.items():
            lines += row(label, name, quantity, runs)
        for name, quantity in SPECTRUM.items():
            lines += row(label, name, quantity, runs) + row(label, name + WITHOUT, LEFT_OUT[name], runs)
    return "\n".join(lines) + f"\n\nSeconds per look: {', '.join(seconds)}.\n"


def row(label: str, name: str, quantity: Quantity, runs: Sequence[Sequence[dict[str, Any]]]) -> list[str]:
    """One quantity of one method, or nothing if no look has it."""
    seeds = [np.array_split(np.array([quantity(p) for p in seen]), 3) for seen in runs]
    thirds = [np.concatenate(parts) for parts in zip(*seeds, strict=True)]
    if not any(np.isfinite(t).any() for t in thirds):
        return []
    means = [f"{t[np.isfinite(t)].mean():.3g}" if np.isfinite(t).any() else "-" for t in thirds]
    return [f"| {label} | {name} | " + " | ".join(means) + " |"]


def panels(
    results: Sequence[Result],
    quantities: dict[str, Quantity],
    beside: dict[str, Quantity] | None = None,
    log: Sequence[str] = (),
) -> list[Panel]:
    """One panel per quantity, a line per run; quantities of the same name in ``beside`` are drawn beside them, dashed.

    ``log`` names those that are drawn on a logarithmic scale.
    """
    found = []
    for name, quantity in quantities.items():
        lines: list[Line] = []
        for label, runs in looks_by_label(results).items():
            kinds = [(label, "", quantity), *([(label + WITHOUT, label, beside[name])] if beside else [])]
            for seen in runs:
                for text, like, value in kinds:
                    values = [value(p) for p in seen]
                    if np.isfinite(values).any():
                        lines.append(Line(text, [p["steps"] for p in seen], values, like=like))
        found.append(Panel(name, "steps of G", "", lines, log_y=name in log))
    return found


def read() -> tuple[argparse.Namespace, list[str]]:
    """The arguments, and the flags of logan train among them.

    Raises:
        InputError: for too few looks.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--preset", default="ring")
    parser.add_argument("--methods", nargs="+", default=["none", "gd", "ngd", "ngd:penalty=0", "sga"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--looks", type=int, default=40, help="of the probe in a run, at least; 3 or more")
    parser.add_argument("--probe", type=int, help="steps from one look to the next, instead of --looks")
    parser.add_argument("--eigenvalues", type=int, default=4, help="how many leading ones; 0 for none")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=Path, help="runs/inside-NAME-OF-OUT by default")
    given, flags = parser.parse_known_args()
    if given.looks < FEWEST_LOOKS:
        raise InputError(
            f"--looks must be at least {FEWEST_LOOKS}, one in each third of the training, not {given.looks}"
        )
    return given, flags


def run() -> None:
    """Make the runs, and write what they show."""
    given, flags = read()
    config = plan(given.preset, given.methods[:1], 1, flags)[0].config
    steps = config.run.kimg * 1000 // (config.game.batch * config.game.d_steps)
    every = given.probe or max(1, steps // given.looks)
    if steps < FEWEST_LOOKS or -(-steps // every) < FEWEST_LOOKS:
        raise InputError(
            f"{steps} steps with a look in every {every} are fewer than {FEWEST_LOOKS} looks: pass a smaller --probe"
        )
    flags = [*flags, "--probe", str(every), "--probe-eigenvalues", str(given.eigenvalues)]
    runs = given.runs or Path("runs") / f"inside-{given.out.name}"
    entries = plan(given.preset, given.methods, given.seeds, flags)
    results = run_all(entries, runs, say=lambda text: print(text, flush=True), quiet=True)
    given.out.mkdir(parents=True, exist_ok=True)
    text = f"{given.preset}, {given.seeds} seeds, {config.run.kimg:,} kimg, a look every {every} steps.\n\n{table(results)}"
    (given.out / "table.md").write_text(text, encoding="utf-8")
    save(given.out / "alignment", panels(results, ALIGNMENT))
    if given.eigenvalues:
        save(given.out / "spectrum", panels(results, SPECTRUM, LEFT_OUT, log=MAGNITUDES))
    print(text)


def main() -> int:
    """Bad input: one line on standard error, exit status 2, no traceback, as the command line has it."""
    try:
        run()
    except InputError as error:
        print(f"inside.py: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
