"""The training loop. :func:`train` is what ``logan train`` calls."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from logan.analysis.probe import Probe
from logan.config import Config
from logan.devices import synchronize
from logan.distributed import World
from logan.errors import AlarmError
from logan.evaluation import records
from logan.files import WriteError, append_line, finite
from logan.interrupts import Stop, interrupts
from logan.report.curves import save_curves
from logan.training import folder, state
from logan.training.begin import Request, Run, begin
from logan.training.guard import Guard, Verdict
from logan.training.meanwhile import Meanwhile
from logan.training.outputs import Measure, Samples, first_pictures, save_fakes, save_snapshot, take_scores
from logan.training.scoring import Scorer
from logan.training.stopping import forget, keep_something, leave
from logan.training.whole_steps import choose_steps


def train(
    config: Config,
    *,
    outdir: str | Path = "runs",
    desc: str | None = None,
    resume: str | Path | None = None,
    measure: Measure | None = None,
    quiet: bool = False,
    world: World | None = None,
    report: bool = False,
) -> Path:
    """Train a GAN, or go on with a run that was stopped.

    Args:
        config: the settings; see :mod:`logan.config.presets`. When a run folder is resumed they must be that run's own (lengths,
            cadence and device apart).
        outdir: where the numbered run folder is made.
        desc: the folder's name after its number; ``PRESET-LATENT`` by default.
        resume: a run folder or its ``training-state-latest.pt``: go on exactly where it stopped, in the same folder.
            Or a ``network-snapshot-….safetensors``: a new run that starts from those weights. Or ``auto``: the latest run
            in ``outdir`` with these settings, and a new run if there is none.
        measure: called at every snapshot with the averaged generator and the discriminator, both in evaluation mode, in
            the place of ``config.scores``; the scores that it returns (``{"fid10k": …}``) are logged and shown.
        quiet: show nothing.
        world: the ranks that train together (:meth:`logan.distributed.World.joined`); every one of them calls this. They
            share ``outdir`` and the data; rank 0 alone writes. ``measure`` is called on all of them.
        report: write ``report.html`` into the run folder at the start, at snapshots and at the end; a browser that shows it
            follows the run. It changes no number of the run (:mod:`logan.training.live_report`).

    Returns:
        The run folder.

    Raises:
        InputError: for anything that a person can mend.
        KeyboardInterrupt: after saving the state, if the run was interrupted; before the first snapshot, after writing one too.
        AlarmError: after saving the state, if an alarm stopped the run (``config.run.on_alarm``).
        RanksLostError: if another rank died. What was saved last is whole.
    """
    world = World() if world is None else world
    request = Request(config, outdir, desc, resume, measure, quiet or not world.first, report=report)
    with interrupts(held=True) as stop:
        turns = running(request, stop, world)
        while True:
            try:
                next(turns)
            except StopIteration as end:
                if stop.requested:  # at the very end; whoever called must not go on with another run
                    raise KeyboardInterrupt from None
                return end.value


def running(request: Request, stop: Stop, world: World) -> Generator[None, None, Path]:
    """A run from its beginning to its end, which yields between steps and returns its folder; raises what :func:`train` does."""
    with ExitStack() as until_the_end:
        with stop.at_once():
            run = begin(request, world, until_the_end)
        until_the_end.callback(run.parts.end)
        if run.progress.images >= run.total and run.progress.due is None:
            run.watch.say(f"nothing to do: {run.path} is at {run.progress.images / 1000:g} kimg; pass a larger `kimg`")
            return run.path
        if world.first:
            folder.write_options(run.path, run.config)  # after the state: a folder with options can be resumed
        with run.watch:
            try:
                yield from _play(run, stop)
            except WriteError as error:
                raise WriteError(error.problem, f"go on with `resume` {run.path}") from None
            except (KeyboardInterrupt, AlarmError):
                if run.report is not None:
                    run.report.stopped()
                raise
    return run.path


def _play(run: Run, stop: Stop) -> Iterator[None]:
    """Steps until the end, with a tick every so many images and a snapshot every so many ticks; yields between steps."""
    p, cadence = run.progress, run.config.run
    probe = Probe(run.parts.game, run.config.scores.probe, run.config.scores.probe_eigenvalues)
    if p.images == 0:
        _first_pictures(run, stop)
    if run.report is not None:
        run.report.first()
    guard = Guard(run)
    if p.due is not None and _finish_snapshot(run, guard, stop) == "stop":
        raise guard.stop()
    steps, meanwhile = choose_steps(run, probe), Meanwhile(run)
    run.stopwatch.start(p.images)
    while p.images < run.total:
        until = min(_next(p.images, cadence.tick * 1000), run.total)
        played = steps.play(at_most=-(-(until - p.images) // steps.images))
        run.stopwatch.leave_out(spent := probe.take_seconds())
        p.probes += probe.take()
        p.probe_seconds += spent
        before, p.images, p.steps = p.images, p.images + played * steps.images, p.steps + played
        run.watch.advance(p.images)
        last = p.images >= run.total
        snap = last or p.images >= _next(before, cadence.tick * cadence.snap * 1000)
        stopping = run.world.any_rank(stop.requested)
        if snap or p.images >= until:
            verdict = _end_tick(run, guard, stop, snap, stopping)
            if verdict == "stop":
                keep_something(run)
                raise guard.stop()
            if verdict == "back":
                steps = choose_steps(run, probe)
            if snap:
                steps.check_next()
            meanwhile.ticked(snap)
            run.stopwatch.start(p.images)  # seconds and rate are of training, without pictures and scores
        else:
            meanwhile.look()
        if stopping:
            if p.due is None:
                p.seconds += run.stopwatch.read(p.images).seconds
                _save_state(run)
            raise leave(run)
        with run.stopwatch.stopped():
            yield


def _first_pictures(run: Run, stop: Stop) -> None:
    run.watch.say("drawing the first pictures")
    try:
        with stop.at_once():
            first_pictures(run.path if run.world.first else None, run.parts, run.average)
    except KeyboardInterrupt:
        raise leave(run) from None


def _next(images: int, length: int) -> int:
    """The next multiple of ``length``: a step ends a tick, or a snapshot's ticks, if it reaches or passes it."""
    return (images // length + 1) * length


def _end_tick(run: Run, guard: Guard, stop: Stop, snap: bool, stopping: bool) -> Verdict:
    """The tick's line of the log; with ``snap`` what belongs to a snapshot, unless the run is to stop: then it is due. Returns what
    alarms want."""
    record = _tick(run)
    if snap:
        run.progress.due = record
        _save_state(run)
        return "go on" if stopping else _finish_snapshot(run, guard, stop)
    guard.look(record, None)
    verdict = guard.judge(record, last=False)
    _log(run, record)
    if verdict == "stop":
        _save_state(run)
    return verdict


def _tick(run: Run) -> dict[str, Any]:
    """What the log says of the steps since the last tick; the sums begin anew."""
    p = run.progress
    synchronize(run.parts.device)
    lap = run.stopwatch.read(p.images)
    p.seconds += lap.seconds
    record: dict[str, Any] = {
        "tick": p.ticks,
        "kimg": p.images / 1000,
        "steps": p.steps,
        **{name: total / run.sums.counts[name] for name, total in run.sums.read(run.world).items()},
        "images_per_second": lap.images_per_second,
        "seconds": p.seconds,
        "seconds_left": max(0.0, (run.total - p.images) / lap.images_per_second),
    }
    if p.probes:
        record |= {"probe": p.probes, "probe_seconds": p.probe_seconds}
    p.probes = []
    run.sums.clear()
    return record


def _log(run: Run, record: dict[str, Any]) -> None:
    """Write the tick's line; if there is no room for it, go on, and try again with the next."""
    if run.world.first:
        run.unlogged.append(record)
        try:
            while run.unlogged:
                append_line(run.path / folder.STATS, run.unlogged[0])
                del run.unlogged[0]
        except WriteError as error:
            if len(run.unlogged) == 1:
                run.watch.say(f"warning: {error.problem}. Training goes on, and its log is written once there is room")
    run.watch.tick(record)
    run.progress.ticks += 1


def _finish_snapshot(run: Run, guard: Guard, stop: Stop) -> Verdict:
    """Pictures, snapshot, scores and the tick's line, which are due where the state is saved, and the state after them.

    A run that is stopped in between goes on with the same again: what it has written of it already is dropped then. Returns what
    alarms want.
    """
    p = run.progress
    record = dict(p.due or {})
    try:
        with stop.at_once():
            samples, scores = _snapshot(run)
            record |= {"metrics": finite(scores)} if scores else {}
            guard.look(record, samples)
        verdict = guard.judge(record, last=p.images >= run.total)
        _log(run, record)
        with stop.at_once():
            if run.world.first:
                save_curves(run.path / "training-curves.png", folder.read_stats(run.path))
    except KeyboardInterrupt:
        raise leave(run) from None
    p.due = None
    _save_state(run)
    guard.saved(record)
    if run.report is not None:
        run.report.refresh()
    return verdict


def _snapshot(run: Run) -> tuple[Samples, dict[str, float]]:
    """Picture, snapshot and scores; returns the picture's images, and the scores.

    All ranks compute, and rank 0 writes, and keeps the best snapshot.
    """
    p, first = run.progress, run.world.first
    run.world.check_in_sync([*run.parts.generator.parameters(), *run.parts.discriminator.parameters()])
    samples = save_fakes(run.path / f"fakes{p.images // 1000:06d}.png" if first else None, run.parts, run.average)
    if first:
        save_snapshot(run.path, run.parts, run.average, p.images)
        forget(run.path)
    own = run.measure if isinstance(run.measure, Scorer) else None
    if own is not None and not own.is_due(p.images, run.average.module, run.parts.discriminator):
        return samples, {}
    scores = take_scores(run.measure, run.parts, run.average)
    run.watch.scored_by = "" if own is None else own.detector
    if first:
        try:
            by = records.UNKNOWN if own is None else own.write(run.path, p.images, p.steps, p.seconds)
        except WriteError as error:
            run.watch.say(
                f"warning: {error.problem}. The scores are in {folder.STATS} alone, and choose no best snapshot"
            )
        else:
            records.keep_best(run.path, p.images, scores, by)
    return samples, scores


def _save_state(run: Run) -> None:
    """The ranks wait until it is there."""
    run.progress.sums, run.progress.counts = run.sums.read(run.world), run.sums.counts
    if run.world.first:
        state.save(run.path / state.FILE_NAME, run.parts, run.average, run.progress)
    run.world.barrier()
