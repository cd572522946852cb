"""``logan reproduce``: the paper's claims, run and put beside its numbers."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from logan.cli.arguments import check_at_least_one
from logan.cli.command import Command
from logan.cli.compare import COMMAND as COMPARE
from logan.cli.compare import alone_in, plan, report, run, run_and_report, say_plan, split_methods
from logan.cli.parsing import parse_known, value_of
from logan.compare.runs import Entry, Result
from logan.errors import InputError

DESCRIPTION = """Run what a claim of the paper needs, and report whether it holds.

table2: CIFAR-10 with SN-DCGAN, 200,000 steps, every method under the protocols A, B and C. mixtures: none, CS-GAN, GD, NGD
and the three stop-gradient ablations on the ring and the grid. figure4a, 4b, 5a, 5b: what the paper plots about training, on
--preset (ring). dynamics: latent optimisation beside the methods of logan.dynamics on the ring and the grid. Interrupted, the
same command goes on where it was. Every flag of logan train may follow."""


LOOKS = 300
"""Of the probe in a run for a figure, unless --probe says otherwise."""


@dataclass(frozen=True)
class ReproduceArguments:
    """What ``logan reproduce`` takes, besides the flags of ``logan train``."""

    what: Annotated[
        Literal["table2", "mixtures", "figure4a", "figure4b", "figure5a", "figure5b", "dynamics"], tyro.conf.Positional
    ]
    """Which claim."""
    preset: str | None = None
    """Of the figures: any preset; ring by default. The others have their own."""
    methods: tuple[str, ...] = ()
    """As logan compare takes them; by default none cs ngd for table2, all with the ablations for mixtures, what each
    figure shows, and everything for dynamics."""
    seeds: int | None = None
    """How many; by default 3 for table2 and the figures, and 5 for mixtures and dynamics."""
    protocols: tuple[Literal["A", "B", "C"], ...] = ("A", "B", "C")
    """Of table2; see logan evaluate."""
    evaluation_steps: int = 10
    """Latent steps before an image is scored, for table2 (appendix E: 10); none is measured beside it. cs takes three."""
    together: int | None = None
    """Runs that are trained at the same time, each as it would be alone; by default as many as the GPU's memory permits, and
    one on a CPU."""
    outdir: str | None = None
    """Where the runs and the results go; reproduce-WHAT by default, reproduce-figures-PRESET for all figures."""
    plan_only: bool = False
    """Say which runs it would make, and stop."""

    def how_many(self) -> int:
        """Seeds."""
        return self.seeds if self.seeds is not None else 5 if self.what in ("mixtures", "dynamics") else 3


COMMAND = Command(
    "reproduce",
    ReproduceArguments,
    DESCRIPTION,
    examples=(
        ("reproduce mixtures --plan-only", "which runs the claims about ring and grid need"),
        ("reproduce table2 --data cifar-10-python.tar.gz --width 32", "table 2 with narrower networks"),
    ),
    common=(
        *("preset", "methods", "seeds", "protocols", "evaluation-steps", "together", "data", "kimg", "width", "device"),
        *("outdir", "plan-only"),
    ),
    words=COMPARE.words,
    also=COMPARE.also,
    without=COMPARE.without,
)


def main(args: Sequence[str]) -> int:
    """Run the command."""
    given, flags = parse_known(COMMAND, args)
    if "--dry-run" in flags:
        raise InputError("--dry-run is called --plan-only here")
    if given.preset is not None and not given.what.startswith("figure"):
        raise InputError(f"--preset has no place in logan reproduce {given.what}, which has its own; see logan compare")
    check_at_least_one(given, "together")
    name = f"figures-{given.preset or 'ring'}" if given.what.startswith("figure") else given.what
    outdir = Path(given.outdir or f"reproduce-{name}").expanduser()
    kinds = {"table2": _table2, "mixtures": _mixtures, "dynamics": _dynamics}
    kinds.get(given.what, _figure)(given, flags, outdir)
    return 0


def _table2(given: ReproduceArguments, flags: list[str], outdir: Path) -> None:
    from logan.devices import choose_device
    from logan.paper import table2
    from logan.training.watch import Watch

    if given.evaluation_steps < 0 or not given.protocols:
        raise InputError("--evaluation-steps must be >= 0, and --protocols at least one of A, B, C")
    for name, values in (("metrics", ["fid10k", "is10k"]), ("detector", ["inception"])):
        if value_of(f"--{name}", flags) is None:
            flags = [*flags, f"--{name}", *values]
    entries = plan("cifar10", split_methods(given.methods or ("none", "cs", "ngd")), given.how_many(), flags)
    config = entries[0].config
    if not any(m.startswith("fid") for m in config.scores.metrics):
        raise InputError("table2 needs a fid among --metrics: the best snapshot is chosen by it")
    if given.plan_only:
        return say_plan(entries, outdir)
    device, scores = choose_device(config.run.device), config.scores
    table2.check(config, given.protocols, scores.detector, scores.detector_weights)
    with alone_in(outdir):
        results = run_and_report(entries, outdir, given.together)
        rows = table2.score(
            results, given.protocols, steps=given.evaluation_steps, detector=scores.detector,
            weights=scores.detector_weights, device=device, watch=Watch(1),
        )  # fmt: skip
        notes = table2.notes({entry.label: entry.config for entry in entries})
        report(outdir, "table2.md", table2.table(rows, notes))


def _mixtures(given: ReproduceArguments, flags: list[str], outdir: Path) -> None:
    from logan.paper import mixture_claims

    methods = ("none", "cs", "gd", "ngd", *mixture_claims.ABLATIONS)
    _on_ring_and_grid(given, flags, outdir, methods, lambda _, results: mixture_claims.verdict(results), "claims.md")


def _dynamics(given: ReproduceArguments, flags: list[str], outdir: Path) -> None:
    from logan.paper import dynamics_claims, dynamics_cost, dynamics_table
    from logan.report.panels import save

    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch's profiler reports its starts and stops otherwise

    def shown(preset: str, results: Sequence[Result]) -> str:
        costs = dynamics_cost.measure(results)
        save(outdir / f"dynamics-{preset}", dynamics_claims.panels(results, costs))
        parts = (dynamics_claims.verdict(results, costs), f"![{preset}](dynamics-{preset}.png)\n",
                 dynamics_table.table(results, costs))  # fmt: skip
        return "\n".join(parts)

    _on_ring_and_grid(given, flags, outdir, dynamics_table.METHODS, shown, "dynamics.md")


def _on_ring_and_grid(
    given: ReproduceArguments,
    flags: list[str],
    outdir: Path,
    methods: Sequence[str],
    shown: Callable[[str, Sequence[Result]], str],
    name: str,
) -> None:
    """Make the runs on both mixtures, and then write what ``shown`` says of each, by preset, into one file."""
    methods = split_methods(given.methods or methods)
    planned = {preset: plan(preset, methods, given.how_many(), flags) for preset in ("ring", "grid")}
    if given.plan_only:
        for preset, entries in planned.items():
            say_plan(entries, outdir / preset)
        return
    with alone_in(outdir):
        made = {preset: run_and_report(entries, outdir / preset, given.together) for preset, entries in planned.items()}
        report(outdir, name, "\n".join(f"## {preset}\n\n{shown(preset, results)}" for preset, results in made.items()))


def _figure(given: ReproduceArguments, flags: list[str], outdir: Path) -> None:
    """Run what the figure needs (the figures of one preset share runs), draw it, and say what it shows."""
    from logan.paper.figures import FEWEST_LOOKS, FIGURES, METHODS
    from logan.report.panels import save

    preset, known = given.preset or "ring", METHODS[given.what]
    methods = split_methods(given.methods or known)
    if "ngd" not in methods:
        raise InputError(f"{given.what} is about ngd: it must be among --methods")
    for name in methods:
        if name not in known:
            raise InputError(f"{given.what} does not show {name}; its --methods are {', '.join(known)}")
    entries = plan(preset, methods, given.how_many(), flags)
    if value_of("--probe", flags) is None:
        every = max(1, min(map(_steps, entries)) // LOOKS)
        entries = plan(preset, methods, given.how_many(), [*flags, "--probe", str(every)])
    for entry in entries:
        every = entry.config.scores.probe
        looks = -(-_steps(entry) // every) if every else 0
        if looks < FEWEST_LOOKS:
            raise InputError(
                f"--probe {every} looks {looks} times in {_steps(entry)} steps, and a figure needs {FEWEST_LOOKS} looks: "
                "pass a smaller --probe, or a larger --kimg"
            )
    if given.plan_only:
        return say_plan(entries, outdir)
    with alone_in(outdir):
        panels, verdict = FIGURES[given.what](run(entries, outdir, given.together))
        save(outdir / given.what, panels)
        seeds = len({e.config.run.seed for e in entries})
        text = f"{verdict}\n\n{', '.join(methods)}; {preset}, {entries[0].config.run.kimg:,} kimg; seeds: {seeds}.\n"
        report(outdir, f"{given.what}.md", text, f"{given.what}.png, .svg, .csv and .md")


def _steps(entry: Entry) -> int:
    """Steps of G in a run."""
    config = entry.config
    return -(-config.run.kimg * 1000 // (config.game.batch * config.game.d_steps))
