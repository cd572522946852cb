"""``logan compare``: several methods on one data set, under one protocol, over several seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from logan import dynamics
from logan.cli.arguments import PRESETS, check_at_least_one, refuse
from logan.cli.command import Command
from logan.cli.parsing import parse_known
from logan.cli.train import COMMAND as TRAIN
from logan.cli.train import read_arguments
from logan.compare.runs import Entry, Result
from logan.config import Config, presets
from logan.errors import InputError, did_you_mean
from logan.evaluation.names import parse_all
from logan.files import explained, write_json, write_text

DESCRIPTION = f"""Train several methods over several seeds, or reuse runs that are there, and put them side by side.

Every other flag of logan train may follow, and holds for all methods. A method may have flags of its own:
ngd:beta=5:stop-gradient=both. Interrupted, the same command goes on where it was.

{PRESETS}"""


NOT_FOR_EITHER = ("--latent", "--resume", "--dry-run", "--desc", "--report", "--no-report")
NOT_FOR_ALL = (*NOT_FOR_EITHER, "--dynamics")
NOT_FOR_ONE = (*NOT_FOR_EITHER, "--preset", "--seed", "--outdir", "--metrics", "--detector", "--detector-weights",
               "--data", "--image-size", "--channels", "--pad", "--kimg")  # fmt: skip
"""What --methods cannot give one method: it would name another method, or score it on other data or by another measure."""


@dataclass(frozen=True)
class CompareArguments:
    """What ``logan compare`` takes, besides the flags of ``logan train``."""

    preset: str = "digits"
    """Any preset of logan train."""
    methods: tuple[str, ...] = ("none", "cs", "gd", "ngd")
    """none, cs, gd, ngd, or a name of --dynamics (which is then used without latent steps), with a comma or a space between;
    METHOD:FLAG=VALUE:... changes flags of one."""
    seeds: int = 3
    """How many seeds: 0, 1, ... from --seed on."""
    together: int | None = None
    """Runs that are trained at the same time, each as it would be alone; by default as many as the GPU's memory permits, and
    one on a CPU."""
    outdir: str | None = None
    """Where the runs and the results go; compare-PRESET by default."""


COMMAND = Command(
    "compare",
    CompareArguments,
    DESCRIPTION,
    examples=(
        ("compare --preset ring --methods none ngd --seeds 3", "the ordinary GAN beside natural gradient descent on z"),
        ("compare --methods ngd ngd:beta=1 --kimg 100", "one method with two settings"),
    ),
    common=("preset", "methods", "seeds", "together", "data", "kimg", "batch", "width", "metrics", "device", "outdir"),
    words={"methods": (*presets.LATENT_METHODS, *dynamics.METHODS)},
    also=TRAIN,
    without=NOT_FOR_ALL,
)


def main(args: Sequence[str]) -> int:
    """Run the command."""
    given, rest = parse_known(COMMAND, args)
    check_at_least_one(given, "together")
    entries = plan(given.preset, split_methods(given.methods), given.seeds, rest)
    outdir = Path(given.outdir or f"compare-{given.preset}").expanduser()
    with alone_in(outdir):
        run_and_report(entries, outdir, given.together)
    return 0


@contextmanager
def alone_in(outdir: Path) -> Iterator[None]:
    """Two at once on one folder would train everything twice.

    Raises:
        InputError: if another process compares there, or the folder cannot be made.
    """
    from logan.distributed import World
    from logan.training.lock import locked
    from logan.training.watch import Watch

    with explained(outdir):
        outdir.mkdir(parents=True, exist_ok=True)
    with locked(outdir, World(), "in use", "choose another `outdir`") as warnings:
        for warning in warnings:
            Watch(1).say(f"warning: {warning}")
        yield


def split_methods(methods: Sequence[str]) -> list[str]:
    """Methods by commas or spaces, without repetitions."""
    found = list(dict.fromkeys(part for text in methods for part in text.split(",") if part))
    if not found:
        raise InputError("--methods needs at least one of none, cs, gd, ngd")
    return found


def plan(preset: str, methods: Sequence[str], seeds: int, flags: Sequence[str]) -> list[Entry]:
    """The runs of a comparison: seed by seed, so that a first comparison is there early.

    Raises:
        InputError: for an unknown preset, method or flag, or settings that cannot be.
    """
    if not 1 <= seeds <= 1000:
        raise InputError(f"--seeds must be 1 to 1,000, not {seeds}")
    refuse(flags, NOT_FOR_ALL, "has no place in logan compare; --methods says what is compared")
    bases = [(label, _config(preset, label, flags)) for label in methods]
    first = bases[0][1].run.seed
    return [
        Entry(label, replace(config, run=replace(config.run, seed=first + i)))
        for i in range(seeds)
        for label, config in bases
    ]


def _config(preset: str, label: str, flags: Sequence[str]) -> Config:
    method, *changes = label.split(":")
    known = [*presets.LATENT_METHODS, *dynamics.METHODS]
    if method not in known:
        raise InputError(f"unknown method {method!r}{did_you_mean(method, known)}; --methods takes {', '.join(known)}")
    own = []
    if method in dynamics.METHODS:
        own, method = ["--dynamics", method], "none"
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals:
            raise InputError(f"--methods {label}: {change!r} should be FLAG=VALUE, as in ngd:beta=5")
        if f"--{name.replace('_', '-')}" in NOT_FOR_ONE:
            raise InputError(
                f"--methods {label}: {name} has no place here; it is one for all methods, or has no meaning"
            )
        own += [f"--{name}", *value.split("/")]
    config = read_arguments(["--preset", preset, "--latent", method, *flags, *own], "logan compare").config
    presets.check_data(config)
    config.check()
    if not parse_all(config.scores.metrics):
        raise InputError(
            f"preset {preset} measures nothing with these flags: add --metrics fid10k is10k (modes10k for mixtures)"
        )
    return config


def say_plan(entries: Sequence[Entry], outdir: Path) -> None:
    """The runs that would be made."""
    for entry in entries:
        c = entry.config
        steps = c.run.kimg * 1000 // (c.game.batch * c.game.d_steps)
        print(f"{outdir}: {entry.label}, seed {c.run.seed}, {c.run.kimg:,} kimg ({steps:,} steps of {c.game.batch})")


def run(entries: Sequence[Entry], outdir: Path, together: int | None = None) -> list[Result]:
    """Make the runs, so many at a time, or read those that are there, and say which one it is at."""
    from logan.compare.runs import run_all
    from logan.training.allocator import keep_freed_memory
    from logan.training.watch import Watch

    _check_auto(entries[0].config)
    keep_freed_memory()
    return run_all(entries, outdir, Watch(1).say, together=together)


def _check_auto(config: Config) -> None:
    """Refuse before any training what could be trained, but not compared: without a detector there are no scores (InputError)."""
    from logan.data import Mixture
    from logan.data.open import open_configured
    from logan.evaluation import detectors
    from logan.metrics import efficientnet_lite0

    scores = config.scores
    if scores.detector == "auto" and scores.detector_weights is None and not efficientnet_lite0.installed():
        train = open_configured(config.data)
        if not isinstance(train, Mixture):
            detectors.resolved(scores.detector, None, train)


def report(outdir: Path, name: str, text: str, wrote: str | None = None) -> None:
    """Write and print what the runs show; ``wrote``: which files that made, if not ``name`` alone."""
    write_text(outdir / name, text)
    print(f"\n{text}\nwrote {wrote or name} to {outdir}")


def run_and_report(entries: Sequence[Entry], outdir: Path, together: int | None = None) -> list[Result]:
    """Make the runs, print the table, write everything into ``outdir``."""
    from logan.compare import summary

    results = run(entries, outdir, together)
    names = summary.score_names(results)
    text = summary.table(results) + summary.footnote(results)
    write_text(outdir / "table.md", text)
    write_text(outdir / "scores.csv", summary.all_scores(results))
    runs = [{"method": r.entry.label, "run": r.run.name, "settings": r.entry.config.to_dict()} for r in results]
    write_json(outdir / "runs.json", runs, indent=1)
    shown = [names[0], *(n for n in names if n.startswith("quality"))]
    for score in shown:
        for against in ("steps", "seconds"):
            summary.save_curves(outdir / f"{score}-{against}.png", results, score, against)
    summary.save_pictures(outdir / "pictures.png", results, print)
    print(text)
    print(f"wrote table.md, scores.csv, runs.json, pictures.png and {shown[0]}-steps.png to {outdir}")
    return results
