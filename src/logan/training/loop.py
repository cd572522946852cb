"""The training loop. :func:`train` is what ``logan train`` calls."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from logan import prior, snapshot
from logan.config import Config
from logan.data import Mixture
from logan.errors import InputError
from logan.report.curves import save_curves
from logan.report.pictures import save_picture
from logan.training import folder, state
from logan.training.averaging import AveragedGenerator, recompute_statistics
from logan.training.setup import Parts, architecture, build, open_configured
from logan.training.watch import Watch

Measure = Callable[[nn.Module, nn.Module], dict[str, float]]
STATISTICS_IMAGES = 2048
"""Images over which the batch-norm statistics of the averaged generator are measured before it is used."""
POINTS = 2000
"""Points in a picture of a 2-D mixture."""


@dataclass
class Run:
    """A run in progress: its parts, its average, how far it is, and where it writes."""

    parts: Parts
    average: AveragedGenerator
    progress: state.Progress
    path: Path
    log: folder.StatsLog
    watch: Watch
    measure: Measure | None = None
    sums: dict[str, Tensor] = field(default_factory=dict)
    since_tick: tuple[float, int] = (0.0, 0)

    @property
    def config(self) -> Config:
        return self.parts.config

    @property
    def total(self) -> int:
        return self.config.run.kimg * 1000


def train(
    config: Config,
    *,
    outdir: str | Path = "runs",
    desc: str | None = None,
    resume: str | Path | None = None,
    measure: Measure | None = None,
    quiet: bool = False,
) -> Path:
    """Train a GAN, or go on with a run that was stopped.

    Args:
        config: the settings; see :mod:`logan.presets`. When a run folder is resumed they must be that run's own (lengths,
            cadence and device apart).
        outdir: where the numbered run folder is made.
        desc: the folder's name after its number; ``PRESET-LATENT`` by default.
        resume: a run folder or its ``training-state-latest.pt``: go on exactly where it stopped, in the same folder.
            Or a ``network-snapshot-….safetensors``: a new run that starts from those weights.
        measure: called at every snapshot with the averaged generator and the discriminator, both in evaluation mode; the
            scores that it returns (``{"fid10k": …}``) are logged and shown.
        quiet: show nothing.

    Returns:
        The run folder.

    Raises:
        InputError: for anything that a person can mend.
        KeyboardInterrupt: after saving the state, if the run was interrupted.
    """
    warnings = config.check()
    resumed = _resumed_folder(resume)
    if resumed is not None:
        _check_same_settings(folder.read_options(resumed), config, resumed)
    data = open_configured(config)
    parts = build(config, data)
    average = AveragedGenerator(parts.generator, config.game.ema_kimg)
    progress = state.Progress()
    if resumed is not None:
        path = resumed
        folder.remove_partial_files(path)
        if (path / state.FILE_NAME).exists():  # else it was stopped before its first step: start again
            progress = state.load(path / state.FILE_NAME, parts, average)
        folder.write_options(path, config)
    else:
        if resume is not None:
            _start_from_snapshot(Path(resume), parts, average)
        path = folder.create(outdir, desc or f"{config.preset}-{config.latent.latent}", config)
    watch = Watch(config.run.kimg * 1000, progress.images, quiet)
    run = Run(parts, average, progress, path, folder.StatsLog(path, progress.ticks), watch, measure)
    run.sums = {k: torch.tensor(v, dtype=torch.float64) for k, v in progress.sums.items()}
    for warning in [*warnings, *getattr(data, "notices", [])]:
        watch.say(f"warning: {warning}")
    watch.say(f"{path}: {data.name}, {config.networks.network}, latent step {config.latent.latent}, {parts.device}")
    with watch, _interrupts() as interrupted:
        _play(run, interrupted)
    return path


def _play(run: Run, interrupted: Callable[[], bool]) -> None:
    """Steps until the end, with a tick every so many images and a snapshot every so many ticks."""
    p, game = run.progress, run.parts.game
    if p.images == 0:
        _first_pictures(run)
        state.save(run.path / state.FILE_NAME, run.parts, run.average, p)
    stream = run.parts.reals(p.images)
    run.since_tick = (time.monotonic(), p.images)
    while p.images < run.total:
        turn = game.step(lambda: next(stream), run.parts.latents)
        images = run.config.game.batch * game.real_batches_per_step
        p.images += images
        p.steps += 1
        run.average.update(run.parts.generator, images, p.images)
        _accumulate(run, {"d_loss": turn.d_loss, "g_loss": turn.g_loss} | turn.report)
        run.watch.advance(p.images)
        last = p.images >= run.total
        if last or p.images >= (p.ticks + 1) * run.config.run.tick * 1000:
            _tick(run, snap=last or (p.ticks + 1) % run.config.run.snap == 0)
        elif interrupted():
            _save_state(run)
        if interrupted() and not last:
            run.watch.say(f"stopped at {p.images / 1000:.1f} kimg; go on with: logan train --resume {run.path}")
            raise KeyboardInterrupt


def _tick(run: Run, snap: bool) -> None:
    """Write a line of the log; with ``snap``, pictures, snapshot, scores and state."""
    p = run.progress
    now, images_before = time.monotonic(), run.since_tick[1]
    seconds = now - run.since_tick[0]
    p.seconds += seconds
    rate = (p.images - images_before) / max(seconds, 1e-9)
    record: dict[str, Any] = {
        "tick": p.ticks,
        "kimg": p.images / 1000,
        "steps": p.steps,
        **{name: total.item() / p.count for name, total in run.sums.items()},
        "images_per_second": rate,
        "seconds": p.seconds,
        "seconds_left": (run.total - p.images) / rate,
    }
    _warn_if_broken(run, record)
    p.ticks += 1
    p.count, run.sums = 0, {}
    metrics = _pictures_and_snapshot(run) if snap else {}
    run.log.append(record | ({"metrics": metrics} if metrics else {}))
    run.watch.tick(record | {"metrics": metrics})
    if snap:
        save_curves(run.path / "training-curves.png", folder.read_stats(run.path))
        _save_state(run)
    run.since_tick = (time.monotonic(), p.images)


def _save_state(run: Run) -> None:
    run.progress.sums = {name: total.item() for name, total in run.sums.items()}
    state.save(run.path / state.FILE_NAME, run.parts, run.average, run.progress)


def _accumulate(run: Run, report: dict[str, Tensor | None]) -> None:
    """Add up on the device, without waiting for it; read at the next tick."""
    run.progress.count += 1
    for name, value in report.items():
        if value is not None:
            wide = value.detach().to("cpu" if value.device.type == "mps" else value.device, torch.float64)
            run.sums[name] = run.sums[name] + wide if name in run.sums else wide


def _warn_if_broken(run: Run, record: dict[str, Any]) -> None:
    losses = [record[k] for k in ("d_loss", "g_loss") if k in record]
    if any(value != value or abs(value) == float("inf") for value in losses):
        run.watch.say("warning: a loss is not finite; the run has diverged. Try a smaller --g-lr, --d-lr or --alpha")


def _first_pictures(run: Run) -> None:
    """``reals.png`` and ``fakes_init.png``."""
    parts = run.parts
    n = POINTS if isinstance(parts.data, Mixture) else _grid_size(run)[0]
    images = _first_reals(parts, n)
    save_picture(run.path / "reals.png", images, columns=_grid_size(run)[1], centres=_centres(parts))
    _save_fakes(run, "fakes_init.png")


def _pictures_and_snapshot(run: Run) -> dict[str, float]:
    parts, p = run.parts, run.progress
    _save_fakes(run, f"fakes{p.images // 1000:06d}.png")
    names = list(parts.data.class_names) if run.config.data.conditional else []
    description = snapshot.Snapshot(architecture(run.config, parts.data), run.config, p.images, names)
    snapshot.save(run.path / snapshot.file_name(p.images), description, run.average.module, parts.discriminator)
    if run.measure is None:
        return {}
    with torch.random.fork_rng([parts.device] if parts.device.type == "cuda" else []):
        parts.discriminator.eval()
        try:
            return run.measure(run.average.module, parts.discriminator)
        finally:
            parts.discriminator.train()


@torch.no_grad()
def _save_fakes(run: Run, name: str) -> None:
    """Pictures by the averaged generator from latents that are the same all through the run."""
    parts, config = run.parts, run.config
    source = torch.Generator(parts.device).manual_seed(config.run.seed + 1)

    def draw(n: int) -> Tensor:
        return prior.draw(config.networks.prior, n, config.networks.latent_dim, source)

    n, columns = _grid_size(run)
    classes = parts.data.num_classes if config.data.conditional else 0
    n = POINTS if isinstance(parts.data, Mixture) else n
    z, labels = draw(n), None
    if classes:  # a row per class
        labels = torch.arange(n, device=parts.device) // columns % classes

    def statistics_inputs() -> Iterator[tuple[Tensor, Tensor | None]]:
        batch = config.game.batch
        for _ in range(-(-STATISTICS_IMAGES // batch)):
            y = torch.randint(classes, (batch,), generator=source, device=parts.device) if classes else None
            yield draw(batch), y

    generator = run.average.module
    recompute_statistics(generator, statistics_inputs())
    chunks = zip(z.split(config.game.batch), labels.split(config.game.batch) if labels is not None else [None] * n, strict=False)
    images = torch.cat([generator(a) if b is None else generator(a, b) for a, b in chunks])
    save_picture(run.path / name, images, columns=columns, centres=_centres(parts))


def _first_reals(parts: Parts, n: int) -> Tensor:
    """Real images in the order in which D will see them."""
    stream, found = parts.reals(0), 0
    batches: list[Tensor] = []
    while found < n:
        batches.append(next(stream)[0])
        found += len(batches[-1])
    return torch.cat(batches)[:n]


def _grid_size(run: Run) -> tuple[int, int]:
    """Images in a grid and its columns: 10 x 10; a row of 10 per class (at most 20); 8 x 8 for larger images."""
    data = run.parts.data
    if run.config.data.conditional:
        return 10 * min(data.num_classes, 20), 10
    return (100, 10) if data.image_size <= 64 else (64, 8)


def _centres(parts: Parts) -> Tensor | None:
    return parts.data.centres if isinstance(parts.data, Mixture) else None


# Starting and stopping


def _resumed_folder(resume: str | Path | None) -> Path | None:
    """The run folder that ``--resume`` names, or None if it names a snapshot or nothing."""
    if resume is None:
        return None
    path = Path(resume)
    if path.name == state.FILE_NAME:
        return path.parent
    if path.is_dir():
        return path
    if path.suffix == ".safetensors":
        return None
    if not path.exists():
        raise InputError(f"--resume {path} does not exist; pass a run folder or a network-snapshot-….safetensors")
    raise InputError(f"--resume {path} is neither a run folder, a {state.FILE_NAME}, nor a network-snapshot-….safetensors")


def _check_same_settings(old: Config, new: Config, path: Path) -> None:
    """Only the length, the cadence and the machine may differ: anything else would not be the same run."""
    free = {"kimg": new.run.kimg, "tick": new.run.tick, "snap": new.run.snap, "device": new.run.device}
    allowed = replace(
        old,
        run=replace(old.run, **free),
        data=replace(old.data, data=new.data.data, workers=new.data.workers),
    )
    if allowed != new:
        before, after = _flatten(allowed.to_dict()), _flatten(new.to_dict())
        name = next(k for k in before if before[k] != after[k])
        raise InputError(
            f"--{name.replace('_', '-')} {after[name]} is not what {path} was started with ({before[name]}); leave it out, "
            f"or start a new run from one of its snapshots"
        )


def _flatten(values: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat.update(value if isinstance(value, dict) else {name: value})
    return flat


def _start_from_snapshot(path: Path, parts: Parts, average: AveragedGenerator) -> None:
    _, tensors = snapshot.read(path)
    snapshot.load_weights(path, tensors, parts.generator, parts.discriminator)
    average.module.load_state_dict(parts.generator.state_dict())


@contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C and SIGTERM into a request to stop after the current step; a second Ctrl-C stops at once."""
    requested: list[int] = []

    def handler(number: int, frame: object) -> None:
        if requested:
            raise KeyboardInterrupt
        requested.append(number)

    try:
        previous = {s: signal.signal(s, handler) for s in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread: leave signals to the program that we are part of
        yield lambda: False
        return
    try:
        yield lambda: bool(requested)
    finally:
        for s, old in previous.items():
            signal.signal(s, old)
