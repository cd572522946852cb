"""``benchmarks/on_gpu/lockstep.py``: games at once are what they are alone."""

from __future__ import annotations

import json

import pytest
import torch
from on_gpu.lockstep import advance, begin
from on_gpu.settings import changed

from logan import load
from logan.config import presets
from logan.training.loop import train
from logan.training.setup import training_data


def small(latent, **game):
    run = {"threads": 1, "kimg": 1, "engine": "plain"}
    return changed(presets.get("digits", latent), {"networks": {"width": 8}, "run": run, "game": {"batch": 50, **game}})


def test_games_in_lockstep_are_what_they_are_alone(tmp_path):
    """Each ends where ``logan train`` does with its settings: weights, average, and means of the log."""
    configs = {"none": small("none"), "ngd": small("ngd", update="alternating")}
    device = torch.device("cpu")
    games = [begin(name, c, training_data(c), device) for name, c in configs.items()]
    advance(games, 13)
    advance(games, 7)
    for game in games:
        path = train(configs[game.label], outdir=tmp_path, measure=lambda g, d: {}, quiet=True)
        trained = load(path, "cpu")
        assert (game.steps, game.images) == (20, 1000)
        for own, other in zip(game.parts.discriminator.parameters(), trained.discriminator.parameters(), strict=True):
            assert torch.equal(own, other)
        for own, other in zip(game.average.module.parameters(), trained.generator.parameters(), strict=True):
            assert torch.equal(own, other)
        (line,) = (json.loads(x) for x in (path / "stats.jsonl").read_text().splitlines())
        means = game.means()
        assert means == pytest.approx({name: line[name] for name in means}, rel=1e-6)
        assert game.sums == {}
