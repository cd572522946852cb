"""The process that reads the damaged files: ``python -m tests.faults.child FOLDER`` is told a kind and a number a line."""

from __future__ import annotations

import importlib
import json
import logging
import os
import shutil
import sys
import time
import traceback
import warnings
from pathlib import Path
from random import Random

from logan.errors import InputError

from . import guard
from .kinds import Input, Kind, Seed, digest, make

MODULES = ("kinds_of_images", "kinds_of_sets", "kinds_of_runs", "kinds_of_exports", "kinds_of_latents")
MOST_MESSAGE = 1000
"""Characters of a refusal, with its paths."""


def kinds_of(names: str) -> dict[str, Kind]:
    """All kinds in the modules of these names, parted by commas."""
    modules = [importlib.import_module(f"tests.faults.{name}") for name in names.split(",")]
    return {kind.name: kind for module in modules for kind in module.KINDS}


class Reader:
    """Reads damaged files in ``folder`` / here, which is empty before each; the good ones are made in ``folder`` / seeds."""

    def __init__(self, folder: Path, kinds: dict[str, Kind]) -> None:
        self.folder, self.kinds, self.here = folder, kinds, folder / "here"
        self.guard = guard.Guard(self.here)
        self.seeds: dict[str, list[Seed]] = {}
        self.good: dict[tuple[str, int], str] = {}

    def seeds_of(self, kind: Kind) -> list[Seed]:
        """The good files of a kind, each of which was read once."""
        if kind.name not in self.seeds:
            (self.folder / "seeds").mkdir(parents=True, exist_ok=True)
            self.seeds[kind.name] = kind.seeds(self.folder / "seeds")
            for at, seed in enumerate(self.seeds[kind.name]):
                for attempt in range(6 if at == 0 else 1):  # all ways to open it, so that nothing is imported later
                    self._empty()
                    try:
                        found = digest(kind.read(self.here, seed.name, seed.data, Random(attempt)))
                    except InputError:
                        if seed.exact:
                            raise
                        found = ""  # good, and yet refused: pixels of unknown range
                    self.good[kind.name, at] = found
        return self.seeds[kind.name]

    def input(self, name: str, number: int) -> Input:
        """An input by its number."""
        kind = self.kinds[name]
        return make(kind, self.seeds_of(kind), number)

    def __call__(self, name: str, number: int) -> dict[str, object]:
        """What became of it: ``verdict`` is accepted, refused, or what is wrong; ``seconds`` and ``bytes`` are what it took."""
        given = self.input(name, number)
        self._empty()
        os.chdir(self.here)  # what a file has written without a folder goes there, and is seen
        self.guard.seen.clear()
        detail, start = "", time.monotonic()
        at_rest = guard.forget_peak()
        self.guard.watching = True
        try:
            value = self.kinds[name].read(self.here, given.name, given.data, given.rng)
            verdict = "accepted"
        except InputError as error:
            verdict, detail = "refused", str(error)[: 2 * MOST_MESSAGE]
            if "\n" in detail or len(detail.replace(str(self.here), "")) > MOST_MESSAGE:
                verdict = "a message that is not one clear line"
        except BaseException as error:
            self.guard.watching = False
            verdict, detail = f"{type(error).__name__}", traceback.format_exc()[-3000:]
        self.guard.watching = False
        seconds, taken = time.monotonic() - start, max(0, guard.peak() - at_rest)
        seed = self.seeds[name][given.seed]
        if verdict == "accepted" and seed.exact and not given.resealed and digest(value) != self.good[name, given.seed]:
            verdict = "damage that a checksum should have shown"
        if self.guard.seen:
            verdict, detail = "something that no reader may do", "; ".join(self.guard.seen[:5]) + " " + detail
        elif taken > guard.MOST_MEMORY:
            verdict = "more memory than the bound"
        elif (self.here / "out").exists():
            verdict = "a program ran"
        os.chdir("/")
        return {"verdict": verdict, "detail": detail, "seconds": round(seconds, 4), "bytes": taken}

    def _empty(self) -> None:
        os.chdir("/")
        shutil.rmtree(self.here, ignore_errors=True)
        self.here.mkdir(parents=True)


def main(folder: str, modules: str) -> None:
    """Answer every line ``NUMBER KIND`` with one of JSON; first with an empty one."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    warnings.simplefilter("ignore")
    logging.disable()
    os.environ.update(
        LOGAN_CACHE=f"{folder}/cache", HOME=f"{folder}/home", TMPDIR=f"{folder}/tmp", MPLCONFIGDIR=f"{folder}/home"
    )
    for name in ("cache", "home", "tmp"):
        Path(folder, name).mkdir(parents=True, exist_ok=True)
    reader = Reader(Path(folder), kinds_of(modules))
    guard.raise_fence()
    print("{}", file=out, flush=True)
    for line in sys.stdin:
        number, name = line.rstrip("\n").split(" ", 1)
        reader.seeds_of(reader.kinds[name])
        print("{}", file=out, flush=True)  # from here on the time counts
        print(json.dumps(reader(name, int(number))), file=out, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
