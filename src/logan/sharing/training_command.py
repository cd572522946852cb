"""The command that trains a run again: its preset, and every setting that differs."""

from __future__ import annotations

import dataclasses
import shlex
from typing import Any

from logan.config import Config, NetworkConfig, presets

NOT_REPEATED = ("device", "threads")
"""What belongs to the machine that trained it."""


def training_command(config: Config) -> str:
    """``logan train --preset … --kimg …``; the settings of ``config`` as flags, where they are not those of its preset.

    Example:
        >>> from dataclasses import replace
        >>> config = presets.get("ring")
        >>> training_command(replace(config, run=replace(config.run, kimg=100, seed=3)))
        'logan train --preset ring --kimg 100 --seed 3'
    """
    base = _base(config)
    words = ["logan", "train", "--preset", base.preset]
    if config.latent.latent != presets.get(base.preset).latent.latent:
        words += ["--latent", config.latent.latent]
    if config.networks.network != presets.get(base.preset, config.latent.latent).networks.network:
        words += ["--network", config.networks.network]
    for group in dataclasses.fields(Config):
        given, default = getattr(config, group.name), getattr(base, group.name)
        if not dataclasses.is_dataclass(given):
            continue
        for field in dataclasses.fields(given):
            value = getattr(given, field.name)
            if value != getattr(default, field.name) and field.name not in (*NOT_REPEATED, "latent", "network"):
                words += _flag(field, value)
    return shlex.join(words)


def _base(config: Config) -> Config:
    """What the flags of the command start from: of a preset that is known no more, the first one's settings."""
    name = config.preset if config.preset in presets.PRESETS else next(iter(presets.PRESETS))
    base = presets.get(name, config.latent.latent)
    n, network = base.networks, config.networks.network
    if network != n.network:  # as ``logan train`` does: another network starts from its own published sizes
        base = dataclasses.replace(
            base, networks=NetworkConfig(network=network, latent_dim=n.latent_dim, prior=n.prior)
        )
    return base


def _flag(field: dataclasses.Field[Any], value: Any) -> list[str]:
    flag = "--" + field.name.replace("_", "-")
    if field.type == "bool":  # one that may be None takes a value
        return [flag if value else flag.replace("--", "--no-", 1)]
    if isinstance(value, tuple):
        return [flag, *map(str, value or ("none",))]
    return [flag, str(value)]
