"""What several parts share: presets made small for a trial, methods by name, the data, and what the machine is."""

from __future__ import annotations

import platform
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from logan.bench.steps import describe_machine
from logan.config import Config, presets
from logan.errors import InputError
from logan.fast import EngineName
from logan.training.setup import choose_engine
from on_gpu.sheet import Sheet

BIGGAN = "imagenet128-biggan-deep-logan-ngd"
SMALL: dict[str, dict[str, dict[str, Any]]] = {
    "cifar10": {"networks": {"width": 4, "latent_dim": 16}, "game": {"batch": 8}},
    "digits": {"networks": {"width": 32}},
    "ring": {"networks": {"width": 16}},
    BIGGAN: {
        "networks": {"network": "biggan", "width": 4, "latent_dim": 16},
        "data": {"image_size": 32},
        "game": {"batch": 4},
        "run": {"engine": "plain"},
    },
}
"""Changes to presets in a trial on a CPU."""
FEW_IMAGES = 64
"""Random images of a trial, in each of CIFAR-10's batches."""


def preset(sheet: Sheet, name: str, latent: str | None = None, **game: Any) -> Config:
    """A preset, small if this is a trial, with changes to its game."""
    config = presets.get(name, latent)
    if sheet.tiny:
        config = changed(config, {"run": {"threads": 1}})
        config = changed(config, SMALL[name])
    return replace(config, game=replace(config.game, **game))


def changed(config: Config, changes: dict[str, dict[str, Any]]) -> Config:
    """The config with other settings, by group and name."""
    return replace(config, **{group: replace(getattr(config, group), **values) for group, values in changes.items()})


def method(base: Config, label: str) -> Config:
    """The config of a method by its name, as ``logan compare`` takes it: none, ngd:beta=5, none:update=alternating.

    ``mean`` is ngd with the printed α and β read as those of the batch mean's gradient: in terms of the sum's, α B and β B².

    Raises:
        InputError: for an unknown method or setting.
    """
    name, *changes = label.split(":")
    own = presets.get(base.preset, "ngd" if name == "mean" else name)
    config = changed(base, {"networks": {"prior": own.networks.prior}})
    config = changed(config, {"scores": {"metric_latent_steps": own.scores.metric_latent_steps}})
    config = replace(config, latent=own.latent)
    if name == "mean":
        b, printed = base.game.batch, own.latent
        config = changed(config, {"latent": {"alpha": printed.alpha * b, "beta": printed.beta * b**2}})
    for change in changes:
        config = _with(config, label, change)
    config.check()
    return config


def _with(config: Config, label: str, change: str) -> Config:
    setting, equals, text = change.partition("=")
    setting = setting.replace("-", "_")
    values = config.to_dict()
    group = next((g for g, v in values.items() if isinstance(v, dict) and setting in v), None)
    if not equals or group is None:
        raise InputError(f"--methods {label}: {change!r} should be SETTING=VALUE, as in ngd:beta=5")
    values[group][setting] = _value(text)
    return Config.from_dict(values)


def _value(text: str) -> Any:
    if "/" in text:
        return [_value(part) for part in text.split("/")]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False, "none": None}.get(text.lower(), text)


def in_streams(sheet: Sheet, config: Config, device: torch.device) -> Config:
    """The config as it is played beside others: from a CUDA graph where there is one, unless another engine was asked for."""
    asked = sheet.asked.get("engine") or ("cuda-graph" if device.type == "cuda" else config.run.engine)
    return changed(config, {"run": {"engine": asked}})


def engines(device: torch.device) -> list[EngineName]:
    """Those that exist on the device."""
    found = []
    for name in get_args(EngineName):
        try:
            found.append(choose_engine(name, device))
        except InputError:
            continue
    return found


def images(sheet: Sheet) -> tuple[str, str]:
    """What Table 2 is played on: a preset, and where its data are."""
    given = sheet.asked.get("data")
    if given == "digits" or (given is None and sheet.tiny):
        return "digits", "digits"
    if given is not None:
        return "cifar10", str(_folder(Path(given).expanduser(), sheet.work))
    for name in ("cifar10", "fashion"):
        where = presets.get(name).data.data
        if Path(where).exists():
            return name, where
    return "digits", "digits"


def _folder(path: Path, work: Path) -> Path:
    """The path; for a tar archive of images, a folder with what it holds."""
    unpacked = work / path.name.partition(".")[0]
    if path.is_dir() or not tarfile.is_tarfile(path) or path.name.startswith("cifar-10-"):
        return path
    with tarfile.open(path) as archive:
        archive.extractall(unpacked, filter="data")
    inside = [p for p in unpacked.iterdir() if not p.name.startswith(".")]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else unpacked


def stand_in_cifar(folder: Path, images: int) -> Path:
    """CIFAR-10's own files with random pixels, for timings: they take as long as real ones."""
    folder.mkdir(parents=True, exist_ok=True)
    source = np.random.default_rng(0)
    for name in [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]:
        rows = source.integers(0, 256, (images, 1 + 3 * 32 * 32), np.uint8)
        rows[:, 0] %= 10
        rows.tofile(folder / f"{name}.bin")
    return folder


def machine(device: torch.device) -> dict[str, Any]:
    """What the figures depend on."""
    found = describe_machine(device) | {"python": platform.python_version()}
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        found |= {
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
            "memory_gib": properties.total_memory / 2**30,
            "multiprocessors": properties.multi_processor_count,
        }
    return found
