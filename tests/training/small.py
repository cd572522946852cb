"""Small runs for tests: everything that moves is switched on, nothing takes long."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file

from logan.config import Config, DataConfig, GameConfig, LatentConfig, NetworkConfig, RunConfig, ScoreConfig, presets


def config(**changes) -> Config:
    """Digits with batch norm in G, spectral norm in D, a random portion, mirroring, and an average of G."""
    base = replace(
        presets.get("digits"),
        data=DataConfig(mirror=True),
        networks=NetworkConfig(network="dcgan", latent_dim=8, width=8, spectral_norm=True),
        latent=LatentConfig(beta=0.5, portion=0.5, subset="random"),
        game=GameConfig(batch=50, ema_kimg=1),
        run=RunConfig(kimg=4, tick=1, snap=2, engine="plain"),  # recording would take longer than the run
        scores=ScoreConfig(),
    )
    for name, value in changes.items():
        group = next(
            g for g in ("data", "networks", "latent", "game", "run", "scores") if hasattr(getattr(base, g), name)
        )
        base = replace(base, **{group: replace(getattr(base, group), **{name: value})})
    return base


TIMES = {"images_per_second", "seconds", "seconds_left", "probe_seconds"}


def assert_same_run(a: Path, b: Path) -> None:
    """Bit-identical weights, optimisers, averages, random generators and logs (times apart)."""
    one, two = (torch.load(p / "training-state-latest.pt", weights_only=True) for p in (a, b))
    one["progress"], two["progress"] = (without_times(state["progress"]) for state in (one, two))
    _assert_equal(one, two, "state")
    logs = [[json.loads(x) for x in (p / "stats.jsonl").read_text().splitlines()] for p in (a, b)]
    assert without_times(logs[0]) == without_times(logs[1])
    for name in sorted(x.name for x in a.iterdir()):
        if name.endswith(".safetensors"):
            _assert_equal(load_file(a / name), load_file(b / name), name)
        elif name.endswith(".png") and name != "training-curves.png":
            assert (a / name).read_bytes() == (b / name).read_bytes(), name
    # Older versions of filelock leave their file.
    assert {x.name for x in a.glob("[!.]*")} == {x.name for x in b.glob("[!.]*")}


def without_times(value):
    """The same without what the clock decides, at every depth."""
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k not in TIMES}
    return [without_times(v) for v in value] if isinstance(value, list) else value


def _assert_equal(a: object, b: object, where: str) -> None:
    if isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for k in a:
            _assert_equal(a[k], b[k], f"{where}.{k}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            _assert_equal(x, y, f"{where}[{i}]")
    elif isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype, where
        assert torch.equal(a, b), where
    else:
        assert a == b, where
