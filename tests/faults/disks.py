"""Disks that are full at every point, read-only, or take no large files: one line, nothing earlier lost, and exact afterwards.

As root the disk is a tmpfs, of every size from a page to all that the command writes. Elsewhere ``RLIMIT_FSIZE`` alone stands for
it, which lets files grow up to a limit and then fails the same calls. ``data prepare`` asks for room before it begins; so that its
writes are reached, it is told that there is plenty, as where a quota or another writer takes what was free.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .material import RESULTS, digits_folder, machine, quick_classifier, unreadable_files, what_differs, write_figures
from .program import ROOM, Program

PAGE = 4096
FLAGS = (
    "--network mlp --width 8 --latent-dim 4 --batch 50 --kimg 2 --tick 1 --snap 1 --metrics fid100 --engine plain --threads 1 "
    "--resume auto"
).split()
ENOUGH = "64m"


def main(args: list[str]) -> int:
    """The long form; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults disks")
    parser.add_argument("--every", type=int, default=1, help="pages between two sizes")
    parser.add_argument("--first", type=int, default=1, help="pages of the smallest disk")
    parser.add_argument("--only", nargs="+", choices=COMMANDS, help="these commands alone")
    parser.add_argument("--minutes", type=float, default=120, help="do less if that is over")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args(args)
    until = time.monotonic() + 60 * given.minutes
    with tempfile.TemporaryDirectory() as work:
        world = World(Path(work))
        found: dict[str, Any] = {"machine": machine(), "disk": "tmpfs" if can_mount() else "RLIMIT_FSIZE alone"}
        if can_mount():
            if not given.only:
                found["other places"] = other_places(world)
            for name in given.only or COMMANDS:
                found[name] = grow(world, name, range(given.first, 10**6, given.every), until)
        if not given.only:
            found["RLIMIT_FSIZE, train"] = limits(world, 10)
    write_figures(given.out / "disks.json", found)
    return int(any(map(_is_wrong, found.values())))


def _is_wrong(part: Any) -> bool:
    return isinstance(part, dict) and (bool(part.get("wrong")) or any(map(_is_wrong, part.values())))


class World:
    """What the commands read, and the run that always has room.

    Args:
        work: a folder on a disk that has room.
    """

    def __init__(self, work: Path) -> None:
        self.work, self.disk = work, work / "disk"
        self.disk.mkdir()
        data, weights = digits_folder(work / "images", 200), quick_classifier(work / "classifier.safetensors")
        self.flags = ["--data", data, *FLAGS, "--detector-weights", weights]
        self.score = ["--metrics", "fid100", "--detector-weights", weights]
        self.data, self.runs = data, work / "whole"
        self.partly = shutil.copytree(data, work / "partly-broken")
        for i, path in enumerate(sorted(self.partly.rglob("*.png"))[:40]):
            path.unlink()
            path.with_name(f"{i:02d}{'-of-a-long-name' * 13}.png").write_bytes(b"broken")
        program = Program(["train", *self.flags, "--outdir", self.runs], work)  # fills the cache too
        assert program.wait() == 0, program.output
        (self.whole,) = self.runs.glob("0*")
        self.made: dict[str, dict[str, bytes]] = {}  # by data prepare where there was room, by the name of the command

    def words(self, name: str, out: Path) -> list[Any]:
        """A command of :data:`COMMANDS` that writes to ``out``."""
        plain = [a for a in self.flags if a not in ("--resume", "auto")]
        pack = ["--size", 16, "--enlarge"]
        return {
            "train": ["train", *self.flags, "--outdir", out],
            "sample": ["sample", self.whole, "--out", out / "a.png"],
            "sample, an archive": ["sample", self.whole, "--out", out / "a.npz"],
            "data prepare, a zip": ["data", "prepare", self.data, out / "a.zip", "--size", 8],
            "data prepare, an array": ["data", "prepare", self.data, out / "a.npy", "--size", 8],
            "data prepare, a zip, told of room": ["data", "prepare", self.data, out / "a.zip", *pack, "--force"],
            "data prepare, an array, told of room": ["data", "prepare", self.data, out / "a.npy", *pack, "--force"],
            "data prepare, with files left out, told of room": [
                "data",
                "prepare",
                self.partly,
                out / "a.npy",
                *pack,
                "--force",
            ],
            "compare": ["compare", "--methods", "none", "--seeds", 1, *plain, "--outdir", out],
        }[name]

    def put_earlier(self, name: str) -> dict[Path, bytes]:
        """What is on the disk before the command begins, and is still to be there if it fails: a set that it would replace."""
        if not name.endswith(TOLD):
            return {}
        path = self.disk / self.words(name, self.disk)[3].name
        path.write_bytes(EARLIER)
        return {path: EARLIER}


TOLD = "told of room"
EARLIER = b"made earlier" * 300
COMMANDS = (
    "train",
    "sample",
    "sample, an archive",
    "data prepare, a zip",
    "data prepare, an array",
    "data prepare, a zip, told of room",
    "data prepare, an array, told of room",
    "data prepare, with files left out, told of room",
    "compare",
)


def grow(world: World, name: str, sizes: Iterable[int], until: float = float("inf")) -> dict[str, Any]:
    """The command on disks of so many pages, until one is enough."""
    seen: list[dict[str, Any]] = []
    for pages in sizes:
        with tmpfs(world.disk, f"{pages * PAGE}"):
            seen.append(_once(world, name, f"{pages} pages"))
        if seen[-1]["status"] == 0 or time.monotonic() > until:
            break
    return _summary(seen)


def _once(world: World, name: str, what: str) -> dict[str, Any]:
    """On the full disk, and then on the same with room."""
    words = world.words(name, world.disk)
    earlier = world.put_earlier(name)
    program = Program(words, world.work, environment={ROOM: str(2**40)} if name.endswith(TOLD) else None)
    status, said = program.wait(), program.output
    wrong = judged(status, said)
    left = [*world.disk.rglob("*.partial")] or unreadable_files(world.disk)
    wrong += [f"left: {left}"] if left else []
    wrong += [f"lost: {path}" for path, content in earlier.items() if status != 0 and path.read_bytes() != content]
    _mount("-o", f"remount,size={ENOUGH}", world.disk)
    again = Program([*words, "--force"] if words[0] == "data" and status == 0 else words, world.work)
    if again.wait() != 0:
        wrong.append(f"with room again: {again.output[-1500:]}")
    elif name == "train":
        difference = what_differs(world.whole, max(world.disk.glob("0*")))
        wrong += [f"with room again: {difference}"] if difference else []
    elif words[0] == "data":
        made = {path.name: path.read_bytes() for path in world.disk.iterdir()}
        wrong += ["with room again: another file"] if world.made.setdefault(name, made) != made else []
    return {"what": what, "status": status, "said": [_without_paths(said, world.work)], "wrong": wrong}


def judged(status: int | None, said: str) -> list[str]:
    """What is wrong with how a command ended that had no room: it is to say why in one line, or to have gone on without."""
    errors = [line for line in said.splitlines() if line.startswith("logan: error: ")]
    if status == 0:
        return [] if not errors and "Traceback" not in said else [said[-1500:]]
    why = ("disk is full", "free", "larger than files may be", "read-only", "no room", "no space left")
    fine = (
        status == 2 and len(errors) == 1 and "Traceback" not in said and any(word in errors[0].lower() for word in why)
    )
    return [] if fine else [f"status {status}: {said[-1500:]}"]


def _summary(seen: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "disks": len(seen),
        "statuses": dict(Counter(str(s["status"]) for s in seen)),
        "from": seen[0]["what"],
        "to": seen[-1]["what"],
        "wrong": [s for s in seen if s["wrong"]],
        "an_example": (seen[len(seen) // 2]["said"] or [""])[0],
    }


def other_places(world: World) -> dict[str, Any]:
    """Caches and temporary folders without room, and a disk that is read-only: what each command made of them."""
    found = {}
    full = {"LOGAN_CACHE": str(world.disk), "TMPDIR": str(world.disk)}
    for place, variable in full.items():
        for name in ("train", "compare", "sample", "data prepare, a zip"):
            out = world.work / f"{place}-{name}".replace(" ", "-").replace(",", "")
            out.mkdir()
            with tmpfs(world.disk, str(PAGE)):
                program = Program(world.words(name, out), world.work, environment={place: variable})
                status = program.wait()
            wrong = judged(status, program.output) + [f"status {status}"] * (status != 0)
            if name == "train" and status == 0:
                difference = what_differs(world.whole, next(out.glob("0*")))
                wrong += [difference] if difference else []
            said = _without_paths(program.output, world.work)
            found[f"{place} full: {name}"] = {"status": status, "said": said, "wrong": wrong}
    for name in (name for name in COMMANDS if not name.endswith(TOLD)):
        with tmpfs(world.disk, ENOUGH):
            _mount("-o", "remount,ro", world.disk)
            program = Program(world.words(name, world.disk), world.work)
            status = program.wait()
        found[f"read-only: {name}"] = {
            "status": status,
            "said": _without_paths(program.output, world.work),
            "wrong": judged(status, program.output) + ["status 0"] * (status == 0),
        }
    return found


def limits(world: World, count: int, sizes: Sequence[int] = ()) -> dict[str, Any]:
    """Training where no file may be larger than so many bytes: sizes up to that of its largest file."""
    largest = max(path.stat().st_size for path in world.whole.iterdir())
    seen = []
    for size in sizes or [largest * i // count for i in range(1, count + 1)]:
        out = world.work / f"limit-{size}"
        program = Program(["train", *world.flags, "--outdir", out], world.work, file_limit=size)
        status, said = program.wait(), program.output
        wrong = judged(status, said) + [f"left: {p.name}" for p in out.rglob("*.partial")] + unreadable_files(out)
        again = Program(["train", *world.flags, "--outdir", out], world.work)
        if again.wait() != 0:
            wrong.append(f"without a limit: {again.output[-1500:]}")
        elif difference := what_differs(world.whole, max(out.glob("0*"))):
            wrong.append(f"without a limit: {difference}")
        seen.append(
            {"what": f"{size} bytes", "status": status, "said": [_without_paths(said, world.work)], "wrong": wrong}
        )
    return _summary(seen)


def _without_paths(said: str, work: Path) -> str:
    """The last line, and the folder's name left out."""
    return (said.splitlines() or [""])[-1].replace(str(work), "…")


def can_mount() -> bool:
    """Whether this is root on Linux, outside of a container that forbids it."""
    with tempfile.TemporaryDirectory() as place:
        if subprocess.run(["mount", "-t", "tmpfs", "none", place], capture_output=True).returncode != 0:
            return False
        _unmount(Path(place))
    return True


@contextmanager
def tmpfs(place: Path, size: str) -> Iterator[None]:
    """A disk of so many bytes in the place of a folder."""
    _mount("-t", "tmpfs", "-o", f"size={size}", "none", place)
    try:
        yield
    finally:
        _unmount(place)


def _mount(*args: object) -> None:
    subprocess.run(["mount", *map(str, args)], check=True)


def _unmount(place: Path) -> None:
    subprocess.run(["umount", "--lazy", str(place)], check=True)
