"""``logan doctor``: what is installed, what is chosen here by itself, and what is missing."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from logan import __version__, errors
from logan.cli import help as helping
from logan.cli.command import Command
from logan.cli.parsing import parse
from logan.errors import InputError, first_line
from logan.files import cache_folder, check_writable, size_text

PACKAGE = "logan-gan"
LEAST_ROOM = 2**30
"""Bytes that should be free where runs are written: snapshots and the state of a small run."""
OURS = ("torch", "numpy", "pillow", "tyro", "rich", "safetensors", "matplotlib", "filelock")


@dataclass(frozen=True)
class DoctorArguments:
    """What ``logan doctor`` takes."""

    outdir: str = "runs"
    """Where runs would be written: its disk is looked at."""
    json: bool = False
    """Print JSON."""


COMMAND = Command(
    "doctor",
    DoctorArguments,
    """Say what is installed, which device, precision and engine are chosen here, where the cache is and how much room there is.
Exit status 0 if all is well enough to train, else 2, and what is wrong stands at the end.""",
    examples=(("doctor", "before the first run"), ("doctor --json > doctor.json", "for a report of a mistake")),
)


def main(args: Sequence[str]) -> int:
    """Run the command."""
    given = parse(COMMAND, args)
    found = examine(Path(given.outdir).expanduser())
    if given.json:
        print(json.dumps(found, indent=1))
    else:
        print("\n".join(_lines(found)))
    return 2 if found["wrong"] else 0


def examine(outdir: Path) -> dict[str, Any]:
    """Everything, by what it is about; ``wrong`` has a line for each thing that has to be mended, ``notes`` for what may be."""
    wrong: list[str] = []
    notes: list[str] = []
    return {
        "versions": _versions(wrong),
        "extras": _extras(notes),
        **_computing(wrong, notes),
        "cache": _cache(wrong),
        "runs": _room(outdir, wrong),
        "terminal": _terminal(),
        "notes": notes,
        "wrong": wrong,
    }


def _versions(wrong: list[str]) -> dict[str, str]:
    found = {"logan": __version__, "python": platform.python_version(), "system": platform.platform(terse=True)}
    for name in OURS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = ""
            wrong.append(f"{name} is missing; pip install {name}")
    if found["torch"] and tuple(map(int, re.findall(r"\d+", found["torch"])[:2])) < (2, 6):
        wrong.append(f"torch {found['torch']} is too old; pip install --upgrade 'torch>=2.6'")
    return found


def _extras(notes: list[str]) -> dict[str, list[str]]:
    """What is missing of each extra: nothing, of those that can be used."""
    try:
        required = metadata.requires(PACKAGE) or []
    except metadata.PackageNotFoundError:
        notes.append("logan runs from its sources, so its extras are not known; pip install -e . makes them so")
        return {}
    missing: dict[str, list[str]] = {}
    for line in required:
        extra = re.search(r"""extra\s*==\s*['"]([\w-]+)""", line)
        name = re.match(r"[\w.-]+", line)
        if extra and name and extra[1] not in ("dev", "docs"):
            missing.setdefault(extra[1], [])
            if not _installed(name[0]):
                missing[extra[1]].append(name[0])
    return missing


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _computing(wrong: list[str], notes: list[str]) -> dict[str, Any]:
    import torch

    from logan.devices import choose_device, rounds_to_tf32
    from logan.training.setup import choose_engine

    devices: list[dict[str, Any]] = [
        {"name": "cpu", "what": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    ]
    for i in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(i)
        gib = {"gib": round(about.total_memory / 2**30, 1), "free_gib": round(torch.cuda.mem_get_info(i)[0] / 2**30, 1)}
        devices.append({"name": f"cuda:{i}", "what": about.name, "capability": f"{about.major}.{about.minor}", **gib})
    if torch.backends.mps.is_available():
        devices.append({"name": "mps", "what": "Apple GPU"})
    device = choose_device("auto")
    bfloat16 = _computes(device, torch.bfloat16)
    for kind, works in (("float32", _computes(device, torch.float32)), ("bfloat16", bfloat16)):
        if works is not True:
            (wrong if kind == "float32" else notes).append(f"{device} cannot compute in {kind}: {works}")
    precision: dict[str, Any] = {"bfloat16": bfloat16 is True}
    if device.type == "cuda":
        precision["tf32 in convolutions"] = torch.cuda.get_device_capability()[0] >= 8 and rounds_to_tf32()
    compiler = _compiler(device.type)
    if not compiler:
        notes.append(
            "no C++ compiler, so --engine compiled is not to be had; apt install g++ (or clang) brings one"
            if device.type == "cpu"
            else "no triton, so nothing is compiled and steps are slower; pip install triton"
        )
    engine = choose_engine("auto", device)
    return {
        "devices": devices,
        "device": str(device),
        "precision": precision,
        "engine": {"auto": engine, "compiler": compiler},
        "threads": {"torch": torch.get_num_threads(), "cores": _cores()},
    }


def _computes(device: Any, dtype: Any) -> bool | str:
    """Whether a small product of matrices comes out; else why not."""
    import torch

    try:
        a = torch.full((8, 8), 2.0, device=device, dtype=dtype)
        return float((a @ a).sum()) == 8 * 8 * 8 * 4 or "a product of matrices is wrong"
    except (RuntimeError, AssertionError) as error:
        return first_line(error)


def _compiler(device: str) -> str:
    """What torch.compile makes kernels with; empty for nothing."""
    if device == "cuda":
        return f"triton {metadata.version('triton')}" if _installed("triton") else ""
    names = [os.environ.get("CXX", ""), "g++", "clang++", "cl"]
    return next((path for name in names if name and (path := shutil.which(name))), "")


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cache(wrong: list[str]) -> dict[str, Any]:
    try:
        folder = cache_folder()
    except InputError as error:
        wrong.append(str(error))
        return {"folder": "", "bytes": 0}
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if not os.access(folder, os.W_OK):
        wrong.append(f"the cache {folder} cannot be written; set LOGAN_CACHE to a folder that can")
    return {"folder": str(folder), "bytes": size}


def _room(outdir: Path, wrong: list[str]) -> dict[str, Any]:
    place = outdir.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    try:
        check_writable(str(outdir), "outdir")
    except InputError as error:
        wrong.append(str(error))
    if free < LEAST_ROOM:
        wrong.append(f"{place} has {size_text(free)} free, which a run soon fills; choose another --outdir")
    return {"folder": str(outdir), "free_bytes": free}


def _terminal() -> dict[str, Any]:
    stream = sys.stdout
    return {
        "terminal": bool(stream and stream.isatty()),
        "columns": shutil.get_terminal_size((80, 24)).columns,
        "encoding": getattr(stream, "encoding", None) or "",
    }


def _lines(found: dict[str, Any]) -> list[str]:
    versions, engine, threads = found["versions"], found["engine"], found["threads"]
    missing = {extra: names for extra, names in found["extras"].items() if names}
    able = ", ".join(f"{name} {'yes' if works else 'no'}" for name, works in found["precision"].items())
    there = ", ".join(extra for extra in found["extras"] if extra not in missing) or "none"
    terminal = found["terminal"]
    rows = [
        ("versions", ", ".join(f"{name} {version or 'missing'}" for name, version in versions.items())),
        *((d["name"], ", ".join(f"{k} {v}" if k != "what" else str(v) for k, v in d.items() if k != "name"))
          for d in found["devices"]),
        ("auto", f"device {found['device']}, engine {engine['auto']}"),
        ("precision", f"float32 yes, {able}"),
        ("compiler", engine["compiler"] or "none"),
        ("threads", f"{threads['torch']} of {threads['cores']} cores"),
        ("extras", there),
        *((f"not {extra}", f"pip install \"{PACKAGE}[{extra}]\" brings {', '.join(names)}") for extra, names in missing.items()),
        ("cache", f"{found['cache']['folder'] or 'none'}, {size_text(found['cache']['bytes'])}"),
        ("runs", f"{found['runs']['folder']}, {size_text(found['runs']['free_bytes'])} free"),
        ("terminal", f"{terminal['columns']} columns, {terminal['encoding']}" if terminal["terminal"] else "none"),
        *(("note", errors.wording(line)) for line in found["notes"]),
        *(("wrong", errors.wording(line)) for line in found["wrong"]),
    ]  # fmt: skip
    return [*helping.table(rows), "", "something has to be mended" if found["wrong"] else "all is well: logan train"]
