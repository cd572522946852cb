"""The command that repeats a run: its preset, and every setting that differs from the preset's."""

from __future__ import annotations

import dataclasses
import shlex
import typing
from dataclasses import dataclass
from typing import Any

from logan.config import Config, NetworkConfig, presets
from logan.errors import InputError


@dataclass(frozen=True)
class Change:
    """A setting that is not the preset's own."""

    group: str
    name: str
    value: Any
    usual: Any


def base_of(config: Config) -> Config | None:
    """The preset's settings that flags change; None for a preset that this version does not know."""
    try:
        base = presets.get(config.preset, config.latent.latent)
    except InputError:
        return None
    n = base.networks
    if config.networks.network != n.network:  # another network starts from its own published width, depth and so on
        own = NetworkConfig(network=config.networks.network, latent_dim=n.latent_dim, prior=n.prior)
        base = dataclasses.replace(base, networks=own)
    return base


def changes(config: Config) -> list[Change]:
    """What differs from the preset, group by group; nothing for an unknown preset."""
    base = base_of(config)
    if base is None:
        return []
    found = []
    for group in ("data", "networks", "latent", "game", "run", "scores"):
        ours, usual = getattr(config, group), getattr(base, group)
        for field in dataclasses.fields(ours):
            value, other = getattr(ours, field.name), getattr(usual, field.name)
            if value != other:
                found.append(Change(group, field.name, value, other))
    return found


def command(config: Config) -> str | None:
    """What to type, for a POSIX shell; None for a preset that this version does not know.

    Example:
        >>> import dataclasses
        >>> config = presets.get("ring", "none")
        >>> command(dataclasses.replace(config, run=dataclasses.replace(config.run, seed=3)))
        'logan train --preset ring --latent none --seed 3'
    """
    if base_of(config) is None:
        return None
    words = ["logan", "train", "--preset", config.preset, "--latent", config.latent.latent]
    changed = changes(config)
    if config.networks.network != presets.PRESETS[config.preset]().networks.network:
        words += ["--network", config.networks.network]
    for change in changed:
        kind = typing.get_type_hints(type(getattr(config, change.group)))[change.name]
        words += _flag(change.name, change.value, kind)
    return shlex.join(words)


def _flag(name: str, value: Any, kind: Any) -> list[str]:
    """A setting as ``logan train`` takes it."""
    flag = "--" + name.replace("_", "-")
    if kind is bool:
        return [flag if value else "--no-" + flag[2:]]
    if isinstance(value, tuple | list):
        return [flag, *(map(str, value) if value else ["none"])]
    return [flag, str(value)]
