"""The probe sees what happens, and changes nothing."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from logan import LatentStep
from logan.analysis.probe import Probe
from logan.game import Game
from logan.losses import wasserstein
from logan.training import folder
from logan.training.loop import train

from .small import config

F64 = torch.float64
LATENT = LatentStep("ngd", alpha=0.5, beta=0.3, portion=0.75, penalty=0.2)


def small_game(latent=LATENT, lr=0.1, norm=nn.utils.parametrizations.spectral_norm) -> Game:
    torch.manual_seed(3)
    g = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Dropout(0.2), nn.Linear(5, 3)).double()
    d = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1), nn.Flatten(0)).double()
    norm(d[0])
    optimisers = [torch.optim.SGD(n.parameters(), lr=lr) for n in (g, d)]
    return Game(g, d, *optimisers, loss=wasserstein, latent=latent)


def batches():
    source = torch.Generator().manual_seed(0)
    return (
        lambda: (torch.randn(6, 3, generator=source, dtype=F64), None),
        lambda n: torch.rand(n, 4, generator=source, dtype=F64) - 0.5,
    )


def state_of(game: Game) -> list[torch.Tensor]:
    return [t.clone() for n in (game.generator, game.discriminator) for t in n.state_dict().values()]


NORMS = {"new": nn.utils.parametrizations.spectral_norm, "old": nn.utils.spectral_norm}
RANDOM = replace(LATENT, method="gd", subset="random")


@pytest.mark.parametrize(
    ("latent", "norm"),
    [(None, "new"), (RANDOM, "old")]
    + [pytest.param(*case, marks=pytest.mark.slow) for case in ((LATENT, "old"), (None, "old"), (LATENT, "new"))],
)
def test_a_probed_game_is_the_same_game(latent, norm):
    """Weights, buffers and random numbers after three steps, with dropout, batch norm and spectral norm, new and old."""
    ends = []
    for every in (0, 1, 2):
        game, (reals, latents) = small_game(latent, norm=NORMS[norm]), batches()
        torch.manual_seed(7)
        probe = Probe(game, every, eigenvalues=2 if every == 2 else 0)
        for _ in range(3):
            probe.step(reals, latents)
        ends.append([*state_of(game), torch.get_rng_state()])
        assert [r["steps"] for r in probe.records] == {0: [], 1: [1, 2, 3], 2: [1, 3]}[every]
    for other in ends[1:]:
        assert all(torch.equal(a, b) for a, b in zip(ends[0], other, strict=True))


def test_updates_are_the_lengths_of_the_steps():
    """Plain gradient descent: the step is the rate times the gradient that the turn reports."""
    game, (reals, latents) = small_game(lr=0.25), batches()
    probe = Probe(game, 1)
    turn = probe.step(reals, latents)
    for name, gradients in (("d_update", turn.d_gradients), ("g_update", turn.g_gradients)):
        expected = 0.25 * torch.cat([g.flatten() for g in gradients]).norm().item()
        assert probe.records[0][name] == pytest.approx(expected, rel=1e-5)


def test_what_the_latent_step_did():
    """On linear networks g is one vector for all samples: everything is known."""
    g, d = nn.Linear(2, 2, bias=False).double(), nn.Sequential(nn.Linear(2, 1, bias=False), nn.Flatten(0)).double()
    with torch.no_grad():
        g.weight.copy_(torch.tensor([[3.0, 0.0], [0.0, 1.0]]))
        d[0].weight.copy_(torch.tensor([[0.0, 2.0]]))  # f(z) = 2 z_2
    latent = LatentStep("ngd", alpha=0.5, beta=1.0, portion=1.0, bounds=None, penalty=0.0)
    game = Game(g, d, *[torch.optim.SGD(n.parameters(), lr=0.0) for n in (g, d)], loss=wasserstein, latent=latent)
    probe = Probe(game, 1)
    probe.step(lambda: (torch.zeros(3, 2, dtype=F64), None), lambda n: torch.zeros(n, 2, dtype=F64))
    seen = probe.take()[0]
    assert probe.take() == []
    assert seen["norm_g"] == pytest.approx(2)
    assert seen["scale"] == pytest.approx(0.5 / (1 + 4))
    assert seen["curvature"] == pytest.approx(1 / (1 + 4))
    assert seen["delta_z"] == pytest.approx(0.2)
    assert seen["delta_f"] == pytest.approx(0.4)
    assert seen["d_update"] == seen["g_update"] == 0


def test_what_it_does_not_know_it_does_not_say():
    game, (reals, latents) = small_game(latent=None), batches()
    probe = Probe(game, 1)
    probe.step(reals, latents)
    assert set(probe.records[0]) == {"steps", "d_update", "g_update", "seconds"}
    game, (reals, latents) = small_game(replace(LATENT, method="gd")), batches()
    probe = Probe(game, 1)
    probe.step(reals, latents)
    assert "scale" not in probe.records[0]
    assert {"norm_g", "delta_z", "delta_f"} < set(probe.records[0])


def test_eigenvalues_are_those_of_the_field():
    """The bilinear game f = w v: H has ±i, all of it rotation."""
    g = nn.Linear(1, 1, bias=False).double()
    d = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Flatten(0)).double()
    game = Game(g, d, *[torch.optim.SGD(n.parameters(), lr=0.0) for n in (g, d)], loss=wasserstein)
    probe = Probe(game, 1, eigenvalues=2)
    probe.step(lambda: (torch.zeros(1, 1, dtype=F64), None), lambda n: torch.ones(n, 1, dtype=F64))
    seen = probe.records[0]
    assert sorted(v[1] for v in seen["eigenvalues"]) == pytest.approx([-1, 1])
    assert [v[0] for v in seen["eigenvalues"]] == pytest.approx([0, 0], abs=1e-9)
    assert seen["potential"] == pytest.approx([0, 0], abs=1e-9)
    assert seen["rotation"][0] == pytest.approx(1)


def test_a_run_with_a_probe(tmp_path):
    """The log has the looks, and the weights are those of the run without."""
    plain = train(config(subset="leading"), outdir=tmp_path, quiet=True)
    settings = config(subset="leading", probe=8)
    probed = train(settings, outdir=tmp_path, quiet=True)
    looks = [p for r in folder.read_stats(probed) for p in r.get("probe", [])]
    assert [p["steps"] for p in looks] == list(range(1, 81, 8))
    assert all(math.isfinite(v) for p in looks for v in p.values())
    last = folder.read_stats(probed)[-1]
    assert last["probe_seconds"] >= sum(p["seconds"] for p in looks) * 0.9
    for name in ("network-snapshot-000004.safetensors",):
        a, b = load_file(plain / name), load_file(probed / name)
        assert all(torch.equal(a[k], b[k]) for k in a)
    assert not any("probe" in r for r in folder.read_stats(plain))
