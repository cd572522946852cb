"""``logan train``: train a GAN, or go on with one."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from logan.cli.arguments import PRESETS, WORDS, Settings
from logan.cli.command import Command
from logan.cli.parsing import parse, value_of
from logan.config import Config, NetworkConfig, presets
from logan.errors import InputError, RunStopped, SaidElsewhereError, first_line
from logan.training import folder

DESCRIPTION = f"""Train a GAN with latent optimisation.

--preset NAME and --latent METHOD choose the defaults of all other flags; what is shown here are the defaults of the
chosen ones. Without arguments: the digits that come with the package, with natural gradient descent on z.

{PRESETS}"""


@dataclass(frozen=True)
class TrainArguments:
    """What ``logan train`` takes."""

    config: Settings
    outdir: str = "runs"
    """Where the numbered run folder is made."""
    desc: str | None = None
    """Name of the run folder after its number; PRESET-LATENT by default."""
    resume: str | None = None
    """A run folder: go on exactly where it stopped. A network-snapshot-....safetensors: start a new run from it. auto: go on
    with the latest run in --outdir that has these settings, or start one."""
    report: bool = True
    """Write report.html into the run folder, and again at snapshots: a browser that shows it follows the run."""
    dry_run: bool = False
    """Print settings, parameter counts and plan; start nothing."""


COMMAND = Command(
    "train",
    TrainArguments,
    DESCRIPTION,
    examples=(
        ("train", "the digits that come with the package, in two minutes on one core"),
        ("train --preset images64 --data photos.zip", "your own images: a zip or a folder"),
        ("train --resume runs/00000-digits-ngd --kimg 900", "go on with a run, to 900 thousand images"),
    ),
    common=(
        "preset", "data", "image-size", "conditional", "network", "width", "latent", "alpha", "beta", "batch", "kimg", "tick",
        "snap", "metrics", "seed", "device", "outdir", "desc", "resume", "dry-run",
    ),
    words=WORDS,
)  # fmt: skip


def read_arguments(args: Sequence[str], prog: str = "logan train") -> TrainArguments:
    """Two passes: the preset, the latent method and the run to resume set the defaults; the flags change them."""
    resume, preset, latent = (value_of(f"--{name}", args) for name in ("resume", "preset", "latent"))
    if resume == "":
        raise InputError("--resume must not be empty; give a run folder, a snapshot, or auto")
    if resume not in (None, "auto") and preset is None:
        base = _resumed_config(Path(resume), args)
    else:
        base = presets.get("digits" if preset is None else preset, latent)
    if resume in (None, "auto") or preset is not None or resume.endswith(".safetensors"):
        n, network = base.networks, value_of("--network", args)
        if network not in (
            None,
            n.network,
        ):  # it starts from its own published width, depth, activation and normalisation
            base = replace(base, networks=NetworkConfig(network=network, latent_dim=n.latent_dim, prior=n.prior))
    return parse(replace(COMMAND, name=prog.removeprefix("logan ")), args, TrainArguments(base))


def _resumed_config(path: Path, args: Sequence[str]) -> Config:
    """The settings of the run that is continued, or of the snapshot that a new run starts from."""
    from logan.sampling import snapshot
    from logan.training.resume import resumed_folder

    run = resumed_folder(path)
    if run is not None:
        for flag in ("--outdir", "--desc"):
            if value_of(flag, args) is not None:
                raise InputError(f"{flag} has no place with --resume {path}: the run goes on in its own folder")
        return folder.read_options(run)
    config, latent = snapshot.read(path)[0].config, value_of("--latent", args)
    if latent in (None, config.latent.latent):
        return config
    if "cs" in (latent, config.latent.latent):
        raise InputError(
            f"--latent {latent} cannot start from {path}, of --latent {config.latent.latent}: the learned step size and the "
            f"sphere belong to cs alone; leave --latent out, or train from the start"
        )
    return replace(config, latent=presets.get(config.preset, latent).latent)


def main(args: Sequence[str]) -> int:
    """Run the command; as one of several ranks, if torchrun started it."""
    try:
        given = read_arguments(args)
        presets.check_data(given.config)
        if given.dry_run:
            from logan.cli.dry_run import print_plan

            print_plan(given.config, given.outdir, given.desc, given.resume, int(os.environ.get("WORLD_SIZE", 1)))
            return 0
    except InputError as error:
        if int(os.environ.get("LOCAL_RANK", 0)) > 0:
            # This machine's first rank reads the same flags, and sees the same files.
            raise SaidElsewhereError(str(error)) from None
        raise
    from logan.distributed.world import is_loss
    from logan.training.allocator import keep_freed_memory

    keep_freed_memory()
    try:
        _train(given)
    except RunStopped:  # which has said so
        return 130
    except RuntimeError as error:
        if "RANK" not in os.environ or not is_loss(error):
            raise
        print(
            f"logan: error: rank {os.environ['RANK']}: another rank is gone, so this one stops ({first_line(error)}). What was "
            f"saved last is whole: the same command with --resume auto goes on from there; torchrun --max-restarts does that "
            f"by itself",
            file=sys.stderr,
        )
        return 1
    return 0


def _train(given: TrainArguments) -> None:
    from logan.distributed import World
    from logan.training.ending import farewell
    from logan.training.loop import train

    with World.joined(given.config.run.device) as world:
        # Every machine's torchrun counts its own workers' failures: the count may be 0 where rank 0 is.
        restarted = world.any_rank(int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)) > 0)
        own = world.broadcast_result(lambda: _own_run(given)) if restarted else None
        resume = given.resume if own is None else own  # else: it died before there was one, so begin as the first time
        path = train(
            given.config, outdir=given.outdir, desc=given.desc, resume=resume, world=world, report=given.report
        )
        if world.first:
            print(farewell(path))


def _own_run(given: TrainArguments) -> Path | None:
    """The run that the ranks before the restart were in."""
    from logan.training import job
    from logan.training.resume import resumed_folder

    resumed = None if given.resume is None else resumed_folder(given.resume)
    return job.own_run([Path(given.outdir).expanduser(), *([] if resumed is None else [resumed.parent])])
