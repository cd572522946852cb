"""Readers that do all that a reader must not: proof that the harness sees it."""

from __future__ import annotations

import ctypes
import os
import subprocess
import time
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from logan.errors import InputError

from . import guard
from .kinds import Kind, Seed

guard.MOST_MEMORY = 2**26  # so that the proof takes no gibibyte
GOOD = b"good"


def damaged(rng: Random) -> bytes:
    return b"bad"


def _reader(harm: Any) -> Any:
    def read(folder: Path, name: str, data: bytes, rng: Random) -> Any:
        return None if data == GOOD else harm(folder)

    return read


def _refuse(message: str) -> None:
    raise InputError(message)


HARMS = {
    "nothing": lambda folder: 1,
    "a refusal": lambda folder: _refuse("x is damaged"),
    "a refusal of two lines": lambda folder: _refuse("x is\ndamaged"),
    "a long refusal": lambda folder: _refuse("x" * 2000),
    "another error": lambda folder: {}["x"],
    "the end": lambda folder: os._exit(3),
    "a crash": lambda folder: ctypes.string_at(0),
    "a hang": lambda folder: time.sleep(30),
    "a slow reader": lambda folder: time.sleep(1.7),
    "memory": lambda folder: np.ones(2**24).sum(),
    "more memory than there is": lambda folder: np.ones(2**33),
    "a file elsewhere": lambda folder: (folder.parent / "elsewhere").write_text("x"),
    "a file removed elsewhere": lambda folder: (folder.parent / "errors").unlink(),
    "a process": lambda folder: subprocess.run(["true"], check=True),
    "code": lambda folder: eval("1 + 1"),
    "a program that ran": lambda folder: (folder / "out").touch(),
}
KINDS = [Kind(name, lambda folder: [Seed("x", GOOD, (damaged,))], _reader(harm)) for name, harm in HARMS.items()]
KINDS.append(Kind("damage unseen", lambda folder: [Seed("x", GOOD, exact=True)], lambda folder, name, data, rng: data))
