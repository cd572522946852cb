"""``logan report RUN…``: one HTML file about a run, or about several beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from logan.cli.command import Command
from logan.cli.parsing import parse
from logan.errors import InputError
from logan.files import explained

DESCRIPTION = """Write one HTML file about a run, or about several beside each other: pictures over time, curves, what the
latent step does, nearest training images, warnings, settings. It needs no network and no server."""


@dataclass(frozen=True)
class ReportArguments:
    """What ``logan report`` takes."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN ...")]
    """Run folders, finished or not: one, or up to eight to be compared."""
    out: str | None = None
    """NAME.html; by default report.html in the run folder, and of several runs in the current one."""
    looks: bool = True
    """Show what only the networks can: latent step, truncation, interpolation, nearest training images."""
    device: str = "auto"
    """auto, cpu, cuda ..."""


COMMAND = Command(
    "report",
    ReportArguments,
    DESCRIPTION,
    examples=(
        ("report runs/00003-digits-ngd", "writes report.html into the run's folder"),
        ("report runs/00003-digits-ngd runs/00004-digits-none --out two.html", "two runs beside each other"),
    ),
)


def main(args: Sequence[str]) -> int:
    """Run the command."""
    from logan.devices import choose_device
    from logan.report import material, page
    from logan.report.networks_of import look_at

    given = parse(COMMAND, args)
    if not 1 <= len(given.runs) <= len(page.LETTERS):
        raise InputError(f"pass 1 to {len(page.LETTERS)} run folders, not {len(given.runs)}")
    choose_device(given.device)  # of a run without networks nobody would ask later
    paths = [Path(run).expanduser() for run in given.runs]
    out = _out(given.out, paths, page.NAME)
    runs = [replace(material.read(path), reached=_reached(path)) for path in paths]
    seen = [look_at(path, given.device, given.looks) for path in paths]
    with explained(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    page.write(out, runs, seen)
    print(out)
    return 0


def _reached(run: Path) -> float:
    """Thousands of images seen when the state was saved: a run that was stopped between two ticks is further than its log."""
    from logan.training import state

    path = run / state.FILE_NAME
    try:
        return state.read_progress(path).images / 1000 if path.exists() else 0.0
    except (InputError, OSError):  # the page says what there is
        return 0.0


def _out(given: str | None, paths: Sequence[Path], name: str) -> Path:
    if given is None:
        return paths[0] / name if len(paths) == 1 else Path(name)
    out = Path(given).expanduser()
    if out.is_dir():
        raise InputError(f"--out {given} is a folder; name a file, as in {out / name}")
    if out.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--out {given} should end with .html")
    return out
