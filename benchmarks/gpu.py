"""Everything that a machine with a GPU should be asked, in a few minutes: ``make gpu``.

    python benchmarks/gpu.py --minutes 9 --out docs/results/gpu-NAME --data data/cifar-10-batches-py

Parts in order of value, each in a process of its own with its own time limit and its own file, so that a crash or the end of the
time loses nothing before it: tests marked `cuda`, a step of SN-DCGAN by engine and precision, the kernels of the LOGAN step, steps
per second in the training loop, four games at once, BigGAN-deep at 128x128, one rank under torchrun, and Table 2 in lockstep for
the rest of the time. --only plays some of them.

Writes report.md (aims beside what was measured), report.json, curves.png, pictures.png and parts/, under 16 MiB in all. Needs no
network, and nothing beyond the package's own dependencies; without a GPU every part is played on the CPU, for which --tiny is
small enough. logan is that of this checkout, installed or not.

On a machine that lacks pure-Python packages, fetch them before:
    pip download --only-binary :all: --dest wheels tyro rich pytest
and bring the folder along: --wheels wheels.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import signal
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from on_gpu import conduct, written
from on_gpu.parts import PARTS
from on_gpu.sheet import DONE, read

MOST_BYTES = 16 * 2**20


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [part.name for part in PARTS]
    parser.add_argument("--minutes", type=float, default=9.0, help="for everything; 9 by default")
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT") or "runs/gpu"))
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="PART", help=", ".join(names))
    parser.add_argument("--data", help="CIFAR-10 for table2, as logan train takes it, or a tar archive of images; by default "
                        "what the presets cifar10 and fashion look for, else the digits of the package")  # fmt: skip
    parser.add_argument("--methods", nargs="+", metavar="METHOD",
                        help="of table2: none, ngd, gd, cs; METHOD:SETTING=VALUE:... changes settings (ngd:beta=5:seed=1); "
                        "mean is ngd with alpha and beta of the batch mean's gradient: alpha B, beta B^2. "
                        "By default none, ngd and mean with both orders of updates")  # fmt: skip
    parser.add_argument("--engine", help="of games that are played together; cuda-graph by default on a GPU, else auto")
    parser.add_argument("--wheels", type=Path, help="a folder of pure-Python wheels that this machine lacks")
    parser.add_argument(
        "--tiny", action="store_true", help="small enough for a CPU: says whether it works, not how fast"
    )
    given = parser.parse_args()
    if not 0 < given.minutes <= 24 * 60:
        parser.error(f"--minutes must be > 0 and at most a day, not {given.minutes:g}")
    if given.data is not None and given.data != "digits" and not Path(given.data).expanduser().exists():
        parser.error(f"--data {given.data}: no such file or folder")
    return given


def main() -> int:
    """Play the parts; 0 if all that could be played went through."""
    given, started = arguments(), time.monotonic()
    out = given.out.expanduser().resolve()
    (out / "parts").mkdir(parents=True, exist_ok=True)
    parts = [part for part in PARTS if part.name in given.only]
    shown = Progress([part.name for part in parts])
    work = Path(tempfile.mkdtemp(prefix="logan-gpu-"))
    asked = {"out": str(out), "work": str(work), "tiny": given.tiny, "data": given.data, "methods": given.methods,
             "engine": given.engine}  # fmt: skip
    earlier = {part.name: read(out / "parts" / f"{part.name}.json") for part in PARTS if part not in parts}
    earlier = {name: figures | {"earlier": True} for name, figures in earlier.items() if figures}
    reported = [part for part in PARTS if part in parts or part.name in earlier]
    found: dict[str, Any] = {}

    def after(so_far: dict[str, Any]) -> None:
        found.update(so_far)
        written.save(out, reported, earlier | found, given.minutes, time.monotonic() - started, given.tiny)
        name = list(so_far)[-1]
        shown.say(f"{name}: {so_far[name]['status']}", so_far[name])

    before = signal.signal(
        signal.SIGTERM, lambda number, frame: sys.exit(128 + number)
    )  # what is there is still written
    try:
        conduct.play_all(parts, asked, given.minutes, environment(given.wheels, work), shown, after)
    finally:
        signal.signal(signal.SIGTERM, before)
        shutil.rmtree(work, ignore_errors=True)
        keep_small(out)
    shown.say(f"wrote {out}/report.md")
    return 0 if all(f["status"] == DONE or f["status"].startswith("not played") for f in found.values()) else 1


def environment(wheels: Path | None, work: Path) -> dict[str, str]:
    """Of the parts' processes: they find logan in this checkout, and the packages that were brought along."""
    checkout = conduct.HERE.parent
    paths = [checkout / "src", conduct.HERE, *(unpacked(wheels, work / "packages") if wheels is not None else ())]
    given = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    return os.environ | {"PYTHONPATH": os.pathsep.join([*map(str, paths), *given]), "PYTHONUNBUFFERED": "1"}


def unpacked(wheels: Path, folder: Path) -> list[Path]:
    """A folder with what the wheels hold, those of packages that are here already left out."""
    for wheel in sorted(wheels.expanduser().glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            tops = {Path(name).parts[0].removesuffix(".py") for name in archive.namelist()}
            packages = [top for top in tops if top.isidentifier()]
            if not packages or any(importlib.util.find_spec(top) is None for top in packages):
                archive.extractall(folder)
    return [folder]


def keep_small(out: Path) -> None:
    """Drop the largest files until everything is under 16 MiB, as it should have been all along."""
    files = sorted((p for p in out.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    while sum(p.stat().st_size for p in files) > MOST_BYTES:
        print(f"dropped {files[-1]}: the results were over {MOST_BYTES // 2**20} MiB", file=sys.stderr)
        files.pop().unlink()


class Progress:
    """Which part is being played, and what time is left: one line on a terminal, a line now and then elsewhere."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = list(names)
        self.live = sys.stderr.isatty()
        self._said = 0.0

    def __call__(self, number: int, spent: float, limit: float, left: float) -> None:
        now = time.monotonic()
        if now - self._said < (0.5 if self.live else 30) and not (spent < 2 * conduct.LOOK and not self.live):
            return
        self._said = now
        minutes, seconds = divmod(max(0, int(left)), 60)
        text = f"[{number + 1}/{len(self.names)}] {self.names[number]}: {spent:.0f} of {limit:.0f} s; {minutes}:{seconds:02d} left"
        print(f"\r{text:<70}" if self.live else text, end="" if self.live else "\n", file=sys.stderr, flush=True)

    def say(self, text: str, figures: Any = None) -> None:
        """A line that stays."""
        took = f" ({figures['took_seconds']:.0f} s)" if figures and "took_seconds" in figures else ""
        reason = f": {figures['reason'].splitlines()[0][:150]}" if figures and figures.get("reason") else ""
        print(f"\r{text}{took}{reason:<40}" if self.live else f"{text}{took}{reason}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
