"""What a person may have meant by a word that no command knows."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from logan.cli.command import Command
from logan.config import presets

SAID_ELSEWHERE = {
    "lr": ("g-lr", "d-lr"),
    "learning-rate": ("g-lr", "d-lr"),
    "betas": ("adam-betas",),
    "beta1": ("adam-betas",),
    "epochs": ("kimg",),
    "iterations": ("kimg",),
    "steps": ("kimg",),
    "duration": ("kimg",),
    "cfg": ("preset",),
    "config": ("preset",),
    "arch": ("network",),
    "model": ("run", "network"),
    "ckpt": ("resume", "run"),
    "checkpoint": ("resume", "run"),
    "pretrained": ("resume",),
    "method": ("latent",),
    "dataset": ("data",),
    "path": ("data",),
    "dir": ("data",),
    "images": ("data", "n"),
    "output": ("outdir", "out"),
    "resolution": ("image-size", "size"),
    "size": ("image-size",),
    "res": ("image-size",),
    "cond": ("conditional",),
    "classes": ("labels", "conditional"),
    "class": ("labels", "conditional"),
    "z-dim": ("latent-dim",),
    "nz": ("latent-dim",),
    "ngf": ("width",),
    "flip": ("mirror",),
    "gpu": ("device",),
    "gpus": ("device",),
    "cpu": ("device",),
    "cuda": ("device",),
    "fp16": ("precision",),
    "bf16": ("precision",),
    "amp": ("precision",),
    "truncation": ("trunc",),
    "psi": ("trunc",),
    "num": ("n",),
    "count": ("n",),
    "samples": ("n",),
    "seeds": ("seed",),
    "nrow": ("n",),
    "batchsize": ("batch",),
    "name": ("desc",),
    "overwrite": ("force",),
    "yes": ("force",),
    "h": ("help",),
    "all": ("help-all",),
}
"""What other programs call it."""
MOST = 3


def plain_dashes(arg: str) -> str:
    """A flag that was copied from a text that makes one long dash of two."""
    return re.sub("^[–—―]-?(?=[a-z])", "--", arg)


def unknown(command: Command[Any], rest: Sequence[str]) -> str:
    """What is said of arguments that ``command`` has no use for."""
    flags = [arg for arg in rest if arg.startswith("--")]
    words = flags or list(rest)
    known = [flag.name for flag in command.flags() if not flag.positional]
    said = ", ".join(words)
    meant = _flags_meant(words[0], known) if flags else _place(command, words[0], known)
    hint = f" (did you mean {' or '.join(map(repr, meant))}?)" if meant else ""
    return f"unknown flag or word: {said}{hint}; see {command.prog} --help"


def unknown_flags(command: Command[Any], args: Sequence[str]) -> list[str]:
    """The flags among ``args`` that ``command`` does not have."""
    known = {flag.name for flag in command.flags()} | {name.removeprefix("--") for name in command.without}
    names = [arg.partition("=")[0][2:].replace("_", "-") for arg in args if arg.startswith("--")]
    return [f"--{n}" for n in names if n not in known and n.removeprefix("no-") not in known]


def _flags_meant(flag: str, known: Sequence[str]) -> list[str]:
    """The flags that ``flag`` is nearest to, in spelling or in meaning, the nearest first."""
    name = flag.partition("=")[0].lstrip("-").replace("_", "-").lower()
    switched_off = "no-" if name.startswith("no-") else ""
    name = name.removeprefix("no-")
    if name in known:
        return [f"--{name}"]
    found = [n for n in SAID_ELSEWHERE.get(name, ()) if n in known]
    parts = set(name.split("-"))
    found += [n for n in known if parts < set(n.split("-")) or (len(name) > 2 and n.startswith(name))]
    found += difflib.get_close_matches(name, known, n=MOST, cutoff=0.75)
    found += [] if found else difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return [f"--{switched_off}{n}" for n in list(dict.fromkeys(found))[:MOST]]


def _place(command: Command[Any], word: str, known: Sequence[str]) -> list[str]:
    """Where a word without a flag may belong."""
    if word.startswith("-") and len(word) > 2 and not word[1:2].isdigit():
        return _flags_meant(word, known)
    path = Path(word).expanduser()
    name, equals, _ = word.partition("=")
    for flag, fits in (
        (name, bool(equals) and name in known),
        ("resume", is_run(path)),
        ("preset", word in presets.PRESETS),
        ("latent", word in presets.LATENT_METHODS),
        ("data", is_place(word)),
    ):
        if fits and flag in known:
            return [f"--{word}" if equals and flag == name else f"--{flag} {word}"]
    names = [f.name for f in command.flags() if not f.positional]
    near = [f"--{n}" for n in difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.8)]
    near += [f"--preset {p}" for p in difflib.get_close_matches(word, [*presets.PRESETS], n=1) if "preset" in known]
    return near[:1]


def is_run(path: Path) -> bool:
    """Whether it is a run folder, or a snapshot."""
    return (path / "training_options.json").exists() or path.suffix == ".safetensors"


def is_place(word: str) -> bool:
    """Whether a word is a file or folder, or looks like one."""
    return (
        Path(word).expanduser().exists() or "/" in word or "\\" in word or bool(re.search(r"\.[A-Za-z]\w{1,5}$", word))
    )
