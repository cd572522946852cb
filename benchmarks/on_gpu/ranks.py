"""One rank under torchrun: ``logan train`` with it and without it, and sums over a group of one (NCCL on a GPU)."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from logan.config import RunConfig
from logan.devices import choose_device
from on_gpu.settings import machine
from on_gpu.sheet import NotPlayedError, Sheet

TRAIN = ["train", "--preset", "digits", "--network", "dcgan", "--batch", "32", "--tick", "1", "--metrics", "none",
         "--threads", "1", "--snap", "1000"]  # fmt: skip
SAID = re.compile(r"logan: error|\w+Error: ")
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", "1"]
"""Told its address: nobody may be there to ask for the name of the machine."""
HUNG = "none: it hung"


def play(sheet: Sheet) -> None:
    """All at the same time; the run without torchrun twice, to see what the device's own order of sums does."""
    sheet.put(machine=machine(choose_device("auto")))
    group = _start(sheet, "group", [*TORCHRUN, "-m", "on_gpu.one_rank", str(sheet.work / "group.json")])
    missing = [name for name in ("tyro", "rich") if importlib.util.find_spec(name) is None]
    try:
        if missing:
            raise NotPlayedError(f"logan train needs {' and '.join(missing)}, not installed here; see --wheels")
        _compare(sheet)
    finally:
        _end_of_group(sheet, group)


def _compare(sheet: Sheet) -> None:
    """``logan train`` alone, again, and under torchrun."""
    flags = [*TRAIN, *(("--deterministic",) if hasattr(RunConfig(), "deterministic") else ())]
    flags += [
        *(
            ("--width", "4", "--kimg", "1", "--engine", "plain")
            if sheet.tiny
            else ("--kimg", "8", "--engine", "recorded")
        )
    ]
    names = ("alone", "torchrun") if sheet.tiny else ("alone", "torchrun", "again")
    runs = {}
    for name in names:
        under = TORCHRUN if name == "torchrun" else ()
        command = [*under, "-m", "logan.cli.main", *flags, "--outdir", str(sheet.work / name)]
        runs[name] = _start(sheet, name, command)
    codes = {name: _ended(process, sheet.left() - 6) for name, process in runs.items()}
    sheet.put(flags=flags, exit_status=codes)
    if any(codes.values()):
        raise RuntimeError("; ".join(_last_line(sheet, name) for name, code in codes.items() if code))
    for other in names[1:]:
        sheet.put(**{f"{other}_against_alone": difference(*(_run(sheet.work / n) for n in ("alone", other)))})


def _start(sheet: Sheet, name: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
    with open(sheet.work / f"{name}.log", "wb") as log:
        environment = os.environ | {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}  # docs/large.md
        return subprocess.Popen([sys.executable, *command], stdout=log, stderr=subprocess.STDOUT, env=environment)


def _end_of_group(sheet: Sheet, process: subprocess.Popen[bytes]) -> None:
    """What it has written, even if it hangs afterwards."""
    code = _ended(process, sheet.left() - 4)
    found = sheet.work / "group.json"
    wrong = {"error": f"exit status {code}; {_last_line(sheet, 'group')}"}
    sheet.put(group=json.loads(found.read_text()) | ({} if code == 0 else wrong) if found.exists() else wrong)


def _ended(process: subprocess.Popen[bytes], seconds: float) -> int | str:
    """The exit status; what is not over after so long is stopped, torchrun in a way that it stops its ranks."""
    try:
        return process.wait(max(1.0, seconds))
    except subprocess.TimeoutExpired:
        process.terminate()
    try:
        process.wait(2.0)
    except subprocess.TimeoutExpired:
        process.kill()
    return HUNG


def _last_line(sheet: Sheet, name: str) -> str:
    lines = (sheet.work / f"{name}.log").read_text(errors="replace").strip().splitlines()
    said = [line for line in lines if SAID.search(line)]
    return f"{name}: {(said or lines or ['nothing was said'])[-1]}"


def _run(outdir: Path) -> Path:
    return next(outdir.glob("00000-*"))


def difference(one: Path, other: Path) -> dict[str, Any]:
    """How far two runs are apart: their last weights, relative to each tensor's largest entry, and the losses of the log."""
    a, b = (load_file(sorted(run.glob("network-snapshot-*.safetensors"))[-1]) for run in (one, other))
    weights = {
        name: ((a[name].double() - b[name].double()).abs().max() / a[name].double().abs().max().clamp_min(1e-30)).item()
        for name in a
    }
    worst = max(weights, key=lambda name: weights[name])
    logs = [[json.loads(x) for x in (run / "stats.jsonl").read_text().splitlines()] for run in (one, other)]
    losses = [abs(x["d_loss"] - y["d_loss"]) for x, y in zip(*logs, strict=True)]
    return {
        "equal": a.keys() == b.keys() and not any(weights.values()) and not any(losses),
        "weights": weights[worst],
        "where": worst,
        "first_loss": losses[0],
        "last_loss": losses[-1],
    }
