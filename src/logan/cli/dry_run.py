"""What ``logan train --dry-run`` prints."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from rich.console import Console
from rich.table import Table

from logan import errors, networks
from logan.config import Config
from logan.config.findings import known
from logan.cs_gan import give_step_size
from logan.data import Dataset, Mixture
from logan.devices import choose_device
from logan.errors import InputError
from logan.files import check_writable
from logan.sampling import snapshot
from logan.training import folder, state
from logan.training.forecast import forecast
from logan.training.resume import AUTO, run_to_go_on_with
from logan.training.setup import architecture, training_data


def print_plan(config: Config, outdir: str, desc: str | None, resume: str | None, ranks: int) -> None:
    """Settings, data, parameter counts and plan; checks all that can be checked without starting, and writes nothing."""
    warnings, name = config.check(ranks), folder.run_name(config, desc)
    outdir = os.path.expanduser(outdir)
    device = choose_device(config.run.device)
    resumed = run_to_go_on_with(config, outdir, desc, resume)
    data = training_data(config)
    generator, discriminator = networks.create(**architecture(config, data))
    if config.latent.latent == "cs":
        give_step_size(generator)
    if resumed is not None and not (resumed / state.FILE_NAME).exists():
        raise InputError(f"{resumed / state.FILE_NAME} does not exist; start a new run from a snapshot")
    if resumed is None and resume not in (None, AUTO):
        snapshot.load_weights(Path(resume), snapshot.read(resume)[1], generator, discriminator)
    console = Console(width=120, highlight=False)

    settings = Table("group", "setting", "value", title="Settings", title_justify="left")
    for group in ("data", "networks", "latent", "game", "run", "scores"):
        for i, f in enumerate(dataclasses.fields(getattr(config, group))):
            settings.add_row("" if i else group, f.name, str(getattr(getattr(config, group), f.name)))
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
        plan.add_row(what, how_much)
    console.print(plan)
    for warning in warnings:
        console.print(errors.wording(f"warning: {warning}"))
    for finding in known(config, device.type):
        console.print(errors.wording(f"note: {finding}"))
    check_writable(outdir, "outdir")
    console.print("dry run: nothing was started or written")


def _expected(config: Config, data: Dataset | Mixture, ranks: int) -> list[tuple[str, str]]:
    """Lines about the time that the run would take here."""
    if ranks > 1:
        return []
    foreseen = forecast(config, data)
    device = choose_device(config.run.device).type
    if foreseen is None:
        return [("expected time", "not timed: a step takes long on this cpu; logan plan says what it takes on a GPU")]
    return foreseen.lines(config, device)
