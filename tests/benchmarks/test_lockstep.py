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

from ..training.test_whole_steps import give_graphs


def small(latent, **game):
    run = {"threads": 1, "kimg": 1, "engine": "plain"}
    return changed(presets.get("digits", latent), {"networks": {"width": 8}, "run": run, "game": {"batch": 50, **game}})


@pytest.mark.parametrize("graphs", [False, True])
def test_games_in_lockstep_are_what_they_are_alone(graphs, tmp_path, monkeypatch):
    """Each ends where ``logan train`` does with its settings: weights, average, and means of the log."""
    configs = {"none": small("none"), "ngd": small("ngd", update="alternating")}
    if graphs:
        made = give_graphs(monkeypatch)
        configs = {name: changed(c, {"run": {"engine": "cuda-graph"}}) for name, c in configs.items()}
    device = torch.device("cpu")
    games = [begin(name, c, training_data(c), device) for name, c in configs.items()]
    advance(games, 13)
    advance(games, 7)
    assert not graphs or len(made) == 2
    for game in games:
        path = train(configs[game.label], outdir=tmp_path, measure=lambda g, d: {}, quiet=True)
        trained = load(path, "cpu")
        assert (game.steps, game.run.progress.images) == (20, 1000)
        for own, other in zip(game.parts.discriminator.parameters(), trained.discriminator.parameters(), strict=True):
            assert torch.equal(own, other)
        for own, other in zip(game.average.module.parameters(), trained.generator.parameters(), strict=True):
            assert torch.equal(own, other)
        (line,) = (json.loads(x) for x in (path / "stats.jsonl").read_text().splitlines())
        means = game.means()
        assert means == pytest.approx({name: line[name] for name in means}, rel=1e-6)
        assert game.means() == {}
