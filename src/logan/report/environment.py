"""On what a run is trained: versions, device, precision; kept beside its settings."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch

from logan import __version__
from logan.config import Config
from logan.files import write_json
from logan.report.material import ENVIRONMENT


def environment(config: Config, device: torch.device, ranks: int, engine: str) -> dict[str, Any]:
    """Versions and device, by name, for people and for JSON; nothing that says whose machine it is."""
    found: dict[str, Any] = {
        "logan": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "device": _named(device),
        "ranks": ranks,
        "precision": config.game.precision,
        "engine": engine,
    }
    if device.type == "cuda":
        found |= {"cuda": str(torch.version.cuda), "cudnn": str(torch.backends.cudnn.version())}
    else:
        found["threads"] = torch.get_num_threads()
    return found


def write(run: Path, config: Config, device: torch.device, ranks: int, engine: str) -> None:
    """Write ``environment.json`` into a run folder; raises WriteError if that cannot be."""
    write_json(run / ENVIRONMENT, environment(config, device, ranks, engine))


def _named(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{device}: {torch.cuda.get_device_name(device)}"
    return f"{device}: {_processor()}" if device.type == "cpu" and _processor() else str(device)


def _processor() -> str:
    """What the processor is called; nothing where the system does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
