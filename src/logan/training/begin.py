"""What comes before the first step of a run: everything is checked, read and built, and only then is a folder made or changed."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from logan.config import Config
from logan.config.findings import known, of_images
from logan.data import Mixture
from logan.devices import choose_device, cpu_threads, kernels
from logan.distributed import World
from logan.evaluation import records
from logan.training import folder, job, lock, state
from logan.training.averaging import AveragedGenerator
from logan.training.board import Board
from logan.training.live_report import LiveReport
from logan.training.outputs import Measure
from logan.training.report_sums import Sums
from logan.training.resume import AUTO, run_to_go_on_with, start_from_snapshot
from logan.training.scoring import Scorer
from logan.training.setup import Parts, build, training_data
from logan.training.state import Progress
from logan.training.stopwatch import Stopwatch
from logan.training.watch import Watch, track


@dataclass(frozen=True)
class Request:
    """What :func:`logan.train` was asked for; the attributes are its arguments.

    ``board`` and ``label``: where and by what name it is shown, if it is one of several runs.
    """

    config: Config
    outdir: str | Path = "runs"
    desc: str | None = None
    resume: str | Path | None = None
    measure: Measure | None = None
    quiet: bool = False
    board: Board | None = None
    label: str = ""
    report: bool = False


@dataclass
class Run:
    """A run in progress: its parts, its average, how far it is, and where it writes."""

    parts: Parts
    average: AveragedGenerator
    progress: Progress
    path: Path
    watch: Watch
    measure: Measure
    sums: Sums
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    unlogged: list[dict[str, Any]] = field(default_factory=list)
    """Lines of the log for which there was no room yet."""
    report: LiveReport | None = None
    """The page about it, if one is wanted, on rank 0."""

    @property
    def config(self) -> Config:
        return self.parts.config

    @property
    def world(self) -> World:
        return self.parts.world

    @property
    def total(self) -> int:
        return self.config.run.kimg * 1000


def begin(request: Request, world: World, until_the_end: ExitStack) -> Run:
    """Everything before the first step; a new folder is made only when nothing can be wrong any more.

    ``until_the_end`` is given the folder's lock to hold.
    """
    config, resume, quiet = request.config, request.resume, request.quiet
    warnings, name = world.all_or_none(lambda: (config.check(world.size), folder.run_name(config, request.desc)))
    until_the_end.enter_context(cpu_threads(config.run.threads))
    until_the_end.enter_context(kernels(config.run.deterministic))  # before CUDA starts
    resumed = world.broadcast_result(lambda: run_to_go_on_with(config, request.outdir, request.desc, resume))
    if resumed is not None:
        warnings += until_the_end.enter_context(lock.locked(resumed, world))
    board, label = request.board, request.label
    data = world.all_or_none(lambda: training_data(config, None if quiet or board is not None else track))
    watch = Watch(config.run.kimg * 1000, quiet=quiet, board=board, label=label)
    measure = request.measure
    if measure is None:
        device, told = choose_device(world.device or config.run.device), watch.fraction_bar("training a classifier")
        with world.first_alone():  # the others find the classifier and the features in the cache
            measure = Scorer(config, data, device, watch.say, told, world, may_train=False)
    parts = build(config, data, world)
    average = AveragedGenerator(parts.generator, config.game.ema_kimg)
    if resumed is not None:
        path, (progress, inexact) = resumed, _go_on(resumed, parts, average)
        warnings += inexact
    else:
        if resume not in (None, AUTO):
            start_from_snapshot(Path(resume), parts, average)
        path, progress = world.broadcast_result(lambda: folder.create(request.outdir, name)), Progress()
        warnings += until_the_end.enter_context(lock.locked(path, world))
        if world.first:
            state.save(path / state.FILE_NAME, parts, average, progress)
    if world.first:
        job.claim(path)
        folder.tidy(path, progress.ticks)
    sums = Sums(parts.device, progress.sums, progress.counts)
    run = Run(parts, average, progress, path, watch, measure, sums)
    if request.report and world.first:
        run.report = LiveReport(run)
    watch.start = progress.images
    parts.game.steps_played = progress.steps  # decides which steps are latent steps
    parts.game.announce = lambda message: watch.say(f"warning: {message}")
    for warning in [*warnings, *data.notices]:
        watch.say(f"warning: {warning}")
    if broken := data.broken:
        named = ", ".join(broken[:5]) + (", …" if len(broken) > 5 else "")
        watch.say(f"warning: left out {len(broken)} broken image{'s' * (len(broken) > 1)}: {named}")
    watch.say(f"{path}: {_headline(parts)}")
    if resumed is None:
        of_data = [] if isinstance(data, Mixture) else of_images(config, len(data), data.image_size)
        for finding in (*known(config, parts.device.type), *of_data):
            watch.say(f"note: {finding}")
    if isinstance(measure, Scorer) and measure.by:
        watch.say(f"scores are by {measure.by}")
    if resumed is not None:
        watch.say(f"going on at {progress.images / 1000:g} kimg")
    elif resume not in (None, AUTO):
        watch.say(f"starting from the weights of {resume}")
    return run


def _go_on(path: Path, parts: Parts, average: AveragedGenerator) -> tuple[Progress, list[str]]:
    """Put the state of the run into its parts, and drop what was written after it."""
    progress, inexact = state.load(path / state.FILE_NAME, parts, average)
    parts.world.barrier()  # until all have read what rank 0 is about to tidy
    if parts.world.first:
        records.drop_after(path, progress.images - (progress.due is not None))
    return progress, inexact


def _headline(parts: Parts) -> str:
    """Data, networks and latent step in one line."""
    data, config, size = parts.data, parts.config, parts.world.size
    many = "" if isinstance(data, Mixture) else f"{len(data):,} images "
    where = str(parts.device) if size == 1 else f"{size} ranks, each with {config.game.batch // size} images a step"
    classes = f", conditional on {data.num_classes} classes" if config.data.conditional else ""
    return (
        f"{data.name} ({many}{data.channels}x{data.image_size}x{data.image_size}{classes}), {config.networks.network}, "
        f"latent step {config.latent.latent}, {config.run.kimg} kimg on {where}"
    )
