"""``logan demo RUN``: a trained generator in the browser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from logan.cli.choosing import choose_for, say
from logan.cli.command import Command
from logan.cli.parsing import parse
from logan.errors import InputError

DESCRIPTION = """Play with a trained generator in the browser: seeds, classes, truncation, interpolation, latent optimisation live.

The page is for this machine alone unless --host says otherwise, and nothing is sent anywhere (extra: demo)."""


@dataclass(frozen=True)
class DemoArguments:
    """What ``logan demo`` takes."""

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """A run folder, a network-snapshot-....safetensors, an export, or hub:USER/NAME."""
    snapshot: str = "auto"
    """Of a run folder: best (by the scores of training), latest, a number of kimg, or auto: the best if there is one, else the
    latest."""
    host: str = "127.0.0.1"
    """Where to listen; 0.0.0.0 lets in everybody who can reach this machine."""
    port: int | None = None
    """By default the first that is free from 7860 on."""
    browser: bool = False
    """Open a browser."""
    device: str = "auto"
    """auto, cpu, cuda ..."""


COMMAND = Command(
    "demo",
    DemoArguments,
    DESCRIPTION,
    examples=(
        ("demo runs/00000-digits-ngd --browser", "its page, in a new tab"),
        ("demo hub:USER/digits --port 8080", "a model from the Hub, at http://127.0.0.1:8080"),
    ),
)


def main(args: Sequence[str]) -> int:
    """Run the command."""
    given = parse(COMMAND, args)
    if given.port is not None and not 1 <= given.port <= 65535:
        raise InputError(f"--port must be in 1 ... 65535, not {given.port}")
    from logan.demo.app import gradio, serve
    from logan.sampling import load

    gradio()  # says what is missing before anything is loaded
    choice = choose_for(given.run, given.snapshot)
    model = load(choice.path, given.device)
    say(choice)
    serve(model, _title(choice.path), given.host, given.port, open_browser=given.browser)
    return 0


def _title(path: Path) -> str:
    return path.absolute().parent.name or path.stem
