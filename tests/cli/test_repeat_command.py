"""The command in a report repeats the run: read back, it gives the same settings."""

import dataclasses
import shlex

import pytest

from logan.cli.train import read_arguments
from logan.config import NetworkConfig, presets
from logan.report.repeat_command import command


def changed(config, **groups):
    return dataclasses.replace(
        config, **{name: dataclasses.replace(getattr(config, name), **fields) for name, fields in groups.items()}
    )


def again(config):
    words = shlex.split(command(config))
    assert words[:2] == ["logan", "train"]
    return read_arguments(words[2:]).config


@pytest.mark.parametrize("preset", presets.PRESETS)
@pytest.mark.parametrize("latent", [None, *presets.LATENT_METHODS])
def test_every_preset_and_method(preset, latent):
    config = presets.get(preset, latent)
    assert again(config) == config


@pytest.mark.parametrize(
    "groups",
    [
        {"data": {"data": "my photos/it's $HOME.zip", "image_size": 64, "mirror": True}},
        {"data": {"conditional": True, "channels": 3}, "game": {"adam_betas": (0.0, 0.9), "g_lr": 1e-4}},
        {"networks": {"width": 7, "depth": 1, "spectral_norm": True, "activation": "leaky-relu"}},
        {"scores": {"metrics": ("none",)}, "run": {"seed": 12, "deterministic": True}},
        {"scores": {"metrics": ("fid1k", "kid1k")}, "latent": {"alpha": 0.25, "stop_gradient": "both"}},
    ],
)
def test_changes(groups):
    config = changed(presets.get("digits"), **groups)
    assert again(config) == config


def test_another_network():
    base = presets.get("digits")
    config = dataclasses.replace(
        base, networks=NetworkConfig(network="dcgan", latent_dim=32, width=8, prior=base.networks.prior)
    )
    assert again(config) == config
    assert command(dataclasses.replace(base, preset="of a later version")) is None
