"""What ``logan`` alone shows: the commands, those first that one uses every day."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from logan import __version__
from logan.cli import help as helping
from logan.cli import hints
from logan.cli.command import Command
from logan.errors import did_you_mean

COMMANDS = {
    "train": "train a GAN with latent optimisation, or go on with a run",
    "sample": "draw images from a trained generator",
    "project": "find the latent whose picture is nearest to a photograph",
    "interpolate": "go from one sample or projected photograph to another, as GIF, WebP, MP4 or a strip",
    "evaluate": "score a run's snapshots, or a folder of images against another",
    "report": "write one HTML file about a run, or about several beside each other",
    "demo": "play with a trained generator in the browser",
    "export": "share a trained generator: a folder or the Hugging Face Hub, with a model card",
    "compare": "train several methods over several seeds, and put their scores side by side",
    "data": "pack a large set of images for training, or look at what a set holds",
    "curve": "draw truncation curves: FID against IS",
    "reproduce": "run what a claim of the paper needs: table2, mixtures, figure4a to 5b, dynamics",
    "plan": "what a run would take on other devices: operations, memory, days",
    "bench": "measure what a step costs: time, operations, memory",
    "doctor": "say what is installed, what is chosen here by itself, and what is missing",
    "completion": "print what lets bash, zsh or fish complete commands and flags",
}
"""By name: the file of the same name in this folder has ``main(args)``, and ``COMMAND`` or ``COMMANDS`` to explain them."""
EVERYDAY = {
    "train": "logan train --preset images64 --data photos.zip",
    "sample": "logan sample runs/00000-digits-ngd --n 64 --trunc 0.7",
    "evaluate": "logan evaluate runs/00000-digits-ngd --metrics fid10k",
    "compare": "logan compare --preset ring --methods none ngd --seeds 3",
    "report": "logan report runs/00000-digits-ngd",
}
"""The five things that one does, each with an example."""
SAID_ELSEWHERE = {
    "generate": "sample",
    "gen": "sample",
    "draw": "sample",
    "invert": "project",
    "inversion": "project",
    "projector": "project",
    "encode": "project",
    "lerp": "interpolate",
    "slerp": "interpolate",
    "morph": "interpolate",
    "animate": "interpolate",
    "gif": "interpolate",
    "video": "interpolate",
    "gen_video": "interpolate",
    "eval": "evaluate",
    "score": "evaluate",
    "fid": "evaluate",
    "metrics": "evaluate",
    "calc_metrics": "evaluate",
    "fit": "train",
    "run": "train",
    "resume": "train --resume RUN",
    "dataset": "data",
    "info": "data info",
    "prepare": "data prepare",
    "estimate": "plan",
    "benchmark": "bench",
    "profile": "bench profile",
    "check": "doctor",
    "version": "--version",
    "list": "--help",
}
"""What other programs call it."""


def load_commands() -> dict[str, Sequence[Command[Any]]]:
    """Every command with what it takes, by the word after logan; of ``data``, the several below it."""
    found: dict[str, Sequence[Command[Any]]] = {}
    for name in COMMANDS:
        module = importlib.import_module(f"logan.cli.{name}")
        found[name] = getattr(module, "COMMANDS", None) or (module.COMMAND,)
    return found


def page() -> str:
    """The page that ``logan`` alone shows."""
    lines = helping.wrapped(f"logan {__version__}: latent optimisation for generative adversarial networks")
    for name, example in EVERYDAY.items():
        lines += ["", *helping.wrapped(f"{name}: {COMMANDS[name]}"), f"    {example}"]
    rest = [(name, what) for name, what in COMMANDS.items() if name not in EVERYDAY]
    lines += ["", "and:", *helping.table(rest)]
    return "\n".join(
        [*lines, "", *helping.wrapped("logan COMMAND --help begins with an example; --help-all has everything.")]
    )


def unknown_command(args: Sequence[str]) -> str:
    """What is said of a command that is none."""
    word = args[0]
    meant = SAID_ELSEWHERE.get(word.lower().lstrip("-"), "")
    path = Path(word).expanduser()
    if meant:
        hint = f" (did you mean 'logan {meant}'?)"
    elif word.startswith("-"):
        hint = f": a command comes before the flags, as in 'logan train {' '.join(args[:2])}'"
    elif hints.is_run(path):
        hint = f" (did you mean 'logan sample {word}'?)"
    elif hints.is_place(word):
        hint = f" (did you mean 'logan train --data {word}'?)"
    else:
        hint = did_you_mean(word.lower(), list(COMMANDS))
    return f"unknown command {word!r}{hint}; commands: {', '.join(COMMANDS)}"
