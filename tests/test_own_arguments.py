"""Objects check their own arguments: in Python no command line has looked at them before, and the error names the field."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from logan import LatentStep, networks, presets, prior
from logan.bench import planning
from logan.cs_gan import CSStep
from logan.data.prepare import prepare
from logan.errors import InputError
from logan.game import Game
from logan.sampling import evaluation_step
from logan.turns import Rules

DIGITS = presets.get("digits")


def changed(group, **values):
    return replace(DIGITS, **{group: replace(getattr(DIGITS, group), **values)}).check()


def game(**settings):
    g, d = nn.Linear(2, 2), nn.Linear(2, 1)
    return Game(g, d, torch.optim.SGD(g.parameters()), torch.optim.SGD(d.parameters()), **settings)


def packed(**settings):
    return prepare("nowhere", Path("x.zip"), **{"size": 8} | settings)


CASES = {
    "precision": lambda: changed("game", precision="x"),
    "bounds": lambda: changed("latent", bounds="x"),
    "prior": lambda: changed("networks", prior="x"),
    "latent": lambda: changed("latent", latent="x"),
    "channels": lambda: changed("data", channels=2),
    "activation": lambda: changed("networks", activation="x"),
    "kimg": lambda: changed("run", kimg=0),
    "trunc": lambda: prior.draw("uniform", 1, 2, torch.Generator(), trunc=2),
    "bounds of a step": lambda: LatentStep(bounds=3),
    "method": lambda: LatentStep("x"),
    "batch": lambda: CSStep(batch=0),
    "loss of CS-GAN": lambda: CSStep(loss="hinge"),
    "loss": lambda: Rules(loss="hinge"),
    "autocast": lambda: Rules(autocast="bfloat16"),
    "latent, a class": lambda: Rules(latent=LatentStep),
    "share": lambda: Rules(share=0),
    "latent_share": lambda: game(latent_share=2),
    "dynamics": lambda: game(dynamics="sga"),
    "engine": lambda: game(engine="x"),
    "update": lambda: game(update="x"),
    "latent_steps": lambda: evaluation_step(DIGITS, 1.5),
    "image_size": lambda: networks.create("dcgan", image_size=3, latent_dim=2),
    "gpus": lambda: planning.make(DIGITS, gpus=0),
    "batch of ranks": lambda: planning.make(DIGITS, gpus=3),
    "size": lambda: packed(size=0),
    "channels of a pack": lambda: packed(channels=2),
    "limit": lambda: packed(limit=0),
    "workers": lambda: packed(threads=0),
    "destination": lambda: prepare("nowhere", Path("x.foo"), size=8),
}


@pytest.mark.parametrize("name", CASES)
def test_the_error_names_the_field(name):
    with pytest.raises(InputError) as refused:
        CASES[name]()
    assert refused.value.field == name.split(" of ")[0].split(",")[0]
    assert "--" not in str(refused.value)
