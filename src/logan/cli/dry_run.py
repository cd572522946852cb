"""What ``logan train --dry-run`` prints."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import replace
from pathlib import Path

import torch
from rich.table import Table
from rich.text import Text

from logan import errors, networks
from logan.cli.streams import tables
from logan.config import Config
from logan.config.findings import known
from logan.cs_gan import give_step_size
from logan.data import Dataset, Mixture
from logan.data.stream import check_batch
from logan.devices import choose_device
from logan.errors import InputError
from logan.evaluation import detectors, names, protocols
from logan.files import check_writable
from logan.sampling import snapshot
from logan.sampling.model import evaluation_step
from logan.training import folder, state
from logan.training.forecast import forecast
from logan.training.resume import AUTO, run_to_go_on_with
from logan.training.setup import architecture, choose_engine, training_data


def _check_what_begins(config: Config, data: Dataset | Mixture, device: torch.device, ranks: int) -> list[str]:
    """Refuse what a run would refuse before its first step: an engine, a batch, metrics, a detector (InputError); its warnings."""
    if not config.run.checkpointing:
        choose_engine(config.run.engine, device, ranks)
    check_batch(data, config.game.batch)
    s = config.scores
    if names.parse_all(s.metrics):
        evaluation_step(config, s.metric_latent_steps)
    protocol = replace(protocols.PROTOCOLS["training"], metrics=s.metrics)
    said: list[str] = []
    try:
        protocols.prepare(
            protocol, config.data, data, detector=s.detector, weights=s.detector_weights, device=device, say=said.append,
            only_check=True,
        )  # fmt: skip
    except detectors.NoDetectorError as error:
        said.append(f"training without scores: {error}")
    return [line.removeprefix("warning: ") for line in said]


def print_plan(config: Config, outdir: str, desc: str | None, resume: str | None, ranks: int) -> None:
    """Settings, data, parameter counts and plan; checks all that can be checked without starting, and writes nothing."""
    warnings, name = config.check(ranks), folder.run_name(config, desc)
    outdir = os.path.expanduser(outdir)
    device = choose_device(config.run.device)
    resumed = run_to_go_on_with(config, outdir, desc, resume)
    data = training_data(config)
    warnings += _check_what_begins(config, data, device, ranks)
    generator, discriminator = networks.create(**architecture(config, data))
    if config.latent.latent == "cs":
        give_step_size(generator)
    if resumed is not None and not (resumed / state.FILE_NAME).exists():
        raise InputError(f"{resumed / state.FILE_NAME} does not exist; start a new run from a snapshot")
    if resumed is None and resume not in (None, AUTO):
        snapshot.load_weights(Path(resume), snapshot.read(resume)[1], generator, discriminator)
    console = tables(120)

    settings = Table("group", "setting", "value", title="Settings", title_justify="left")
    for group in ("data", "networks", "latent", "game", "run", "scores"):
        for i, f in enumerate(dataclasses.fields(getattr(config, group))):
            settings.add_row("" if i else group, f.name, _plain(str(getattr(getattr(config, group), f.name))))
    console.print(settings)

    many = "drawn as they are needed" if isinstance(data, Mixture) else f"{len(data):,}"
    size = f"{data.channels} x {data.image_size} x {data.image_size}"
    step_images = config.game.batch * config.game.d_steps
    total = config.run.kimg * 1000
    steps = -(-total // step_images)
    snapshots = -(-total // (config.run.tick * config.run.snap * 1000))
    where = resumed or folder.next_path(Path(outdir), name)
    plan = Table("what", "how much", title="Plan", title_justify="left")
    for what, how_much in (
        ("real images", f"{data.name}: {many}, {size}, {data.num_classes} classes"),
        ("generator", f"{networks.count_parameters(generator):,} parameters"),
        ("discriminator", f"{networks.count_parameters(discriminator):,} parameters"),
        ("latent step", str(config.latent_step())),
        ("length", f"{config.run.kimg:,} kimg = {steps:,} steps of {step_images} real images"),
        ("snapshots", f"{snapshots}, every {config.run.tick * config.run.snap} kimg"),
        ("device", str(device)),
        *_expected(config, data, ranks),
        ("run folder", str(where)),
    ):
        plan.add_row(what, _plain(how_much))
    console.print(plan)
    for warning in warnings:
        console.print(_plain(errors.wording(f"warning: {warning}")))
    for finding in known(config, device.type):
        console.print(_plain(errors.wording(f"note: {finding}")))
    check_writable(outdir, "outdir")
    console.print("dry run: nothing was started or written")


def _plain(words: str) -> Text:
    """What comes from files: neither a terminal nor rich obeys it."""
    return Text(errors.printable(words))


def _expected(config: Config, data: Dataset | Mixture, ranks: int) -> list[tuple[str, str]]:
    """Lines about the time that the run would take here."""
    if ranks > 1:
        return []
    foreseen = forecast(config, data)
    device = choose_device(config.run.device).type
    if foreseen is None:
        return [("expected time", "not timed: a step takes long on this cpu; logan plan says what it takes on a GPU")]
    return foreseen.lines(config, device)
