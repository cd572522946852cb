"""``benchmarks/family.py``: what it computes against closed forms, what it counts, and a run of it."""

import csv
import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "family.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("family", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cosine(a, b):
    return (a.flatten() @ b.flatten() / (a.norm() * b.norm())).item()


def test_a_bilinear_pair_by_hand(script):
    """f = wᵀBz. LOGAN: αBBᵀw, −αw(Bᵀw)ᵀ; SGA: w‖z̄‖², (Bz̄ − x̄)z̄ᵀ; H of the ordinary game has ±i‖z̄‖ and zeros alone."""
    member = next(m for m in script.family(1, [script.BILINEAR]) if m.loss == "wasserstein")
    gd, ngd = script.measure(member)
    g, d = script.build(member)
    real = script.points(script.BATCH, member, script.TRAINING_STEPS * script.TRAINING_BATCH)
    z = script.latents(script.BATCH)
    b, w = g[0].weight.detach(), d[0].weight.detach().squeeze(0)
    x_mean, z_mean = real.mean(0), z.mean(0)
    assert gd["cosine_d"] == pytest.approx(cosine(b @ b.T @ w, w))
    assert gd["cosine_g"] == pytest.approx(cosine(-torch.outer(w, b.T @ w), torch.outer(b @ z_mean - x_mean, z_mean)))
    assert gd["error_21"] == pytest.approx(0, abs=1e-12)  # M_D and M_G do not depend on z
    length = (b.T @ w).norm().item()
    assert gd["norm_g"] == pytest.approx(length)
    assert gd["delta_z"] == pytest.approx(0.1 * length)
    assert ngd["delta_z"] == pytest.approx(0.9 * length / (0.1 + length**2))
    assert gd["growth"] == pytest.approx(1 + (0.1 * length) ** 2 / z.square().sum(1).mean().item())
    mirrored = torch.cat([z, -z])
    assert gd["longer"] == ((mirrored + 0.1 * b.T @ w).norm(dim=1) > mirrored.norm(dim=1)).double().mean().item()
    assert gd["omega_plain"] == ngd["omega_plain"] == pytest.approx(z_mean.norm().item())
    assert (gd["real_plain"], gd["least_plain"]) == pytest.approx((0, 0), abs=1e-9)
    assert gd["imaginary_plain"] == pytest.approx(z_mean.norm().item())


def test_squared_gradients_are_those_of_single_samples(script):
    member = script.Member(script.GENTLE, "silu", "hinge", (5,), 3)
    g, d = script.build(member)
    z = script.latents(4)
    expected = []
    for one in z:
        gradients = torch.autograd.grad(d(g(one[None])).sum(), [*g.parameters()])
        expected.append(sum(x.square().sum() for x in gradients))
    torch.testing.assert_close(script.squared_gradients(g, d, z), torch.stack(expected))


def test_the_family_is_what_its_head_says(script):
    members = script.family(2)
    assert len(members) == len({m.seed for m in members}) == 5 * 36
    for group in script.GROUPS[1:]:
        mine = [m for m in members if m.group == group]
        for part, kinds in (("activation", script.ACTIVATIONS), ("loss", script.PLAYED), ("hidden", script.SHAPES)):
            assert [sum(getattr(m, part) == kind for m in mine) for kind in kinds] == [36 // len(kinds)] * len(kinds)
    steep = next(m for m in members if m.group == script.STEEP)
    once, twice, gentle = script.build(steep), script.build(steep), script.build(steep._replace(group=script.GENTLE))
    for a, b, c in zip(once[0].parameters(), twice[0].parameters(), gentle[0].parameters(), strict=True):
        assert torch.equal(a, b)
        torch.testing.assert_close(a, script.STEEPNESS * c)


def test_trained_pairs_are_trained_each_in_its_way(script, monkeypatch):
    monkeypatch.setattr(script, "TRAINING_STEPS", 3)
    member = script.Member(script.TRAINED, "tanh", "non-saturating", (4,), 5)
    pairs = [
        script.build(member._replace(group=group)) for group in (script.GENTLE, script.TRAINED, script.TRAINED_NGD)
    ]
    weights = [nn.utils.parameters_to_vector(network.parameters()) for pair in pairs for network in pair]
    for g_or_d in (0, 1):
        start, plain, ngd = weights[g_or_d::2]
        assert 0 < (plain - start).abs().max() < 4 * script.RATE
        assert 0 < (ngd - start).abs().max() < 4 * script.RATE
        assert not torch.equal(ngd, plain)
    rows = [*script.measure(member)]
    assert [row["step"] for row in rows] == ["gd", "ngd"]
    assert all(math.isfinite(v) for row in rows for v in row.values() if isinstance(v, float))


def test_what_is_counted(script):
    def row(**values):
        return {"real_plain": 3.0, "imaginary_plain": -4.0, "omega_plain": 1.0, **values}

    rows = [row(omega=x, cosine_g=c) for x, c in ((2.0, -1.0), (1.0 + 4e-9, 0.5), (0.5, math.nan), (1.0 + 6e-9, -0.4))]
    assert script.rose(rows, "omega") == 0.5  # 4e-9 is rounding beside |3 − 4i|
    assert script.QUANTITIES["… G's part: mean (share below 0)"](rows) == "-0.30 (67%)"
    np.testing.assert_equal(script.column(rows, "cosine_g"), [-1, 0.5, -0.4])


def test_the_slope_at_which_a_natural_gradient_step_is_longest(script):
    looks = [("ngd", 0.3, 0.5), ("ngd", 0.31, -0.1), ("ngd", 0.32, -0.7), ("gd", 0.1, 1.0)]
    rows = [{"step": step, "norm_g": norm, "cosine_d": cosine} for step, norm, cosine in looks]
    assert script.by_slope(rows) == (
        "ngd, all groups: where the mean ‖g‖ is at most √β, D's cosine is 0.20 in the mean and above 0 in 50% of 2 pairs; "
        "where the mean ‖g‖ is above √β, D's cosine is -0.70 in the mean and above 0 in 0% of 1 pairs.\n"
    )
    assert "above √β" not in script.by_slope(rows[:1])


def test_from_end_to_end(script, tmp_path, capsys):
    out = tmp_path / "bilinear"
    script.main(["--draws", "1", "--groups", "bilinear", "--out", str(out)])
    text = (out / "table.md").read_text()
    assert capsys.readouterr().out == text + "\n"
    assert "| gd, α = 0.1 | bilinear |" in text
    assert "| ngd, α = 0.9, β = 0.1 | bilinear |" in text
    assert "| error of approximation 21: median (largest) | 0 (0) |" in text
    assert "| … its mean square over the batch: share of pairs | 100% |" in text  # z and −z
    assert {p.name for p in out.iterdir()} == {"members.csv", "table.md", "family.png", "family.svg", "family.csv"}
    with open(out / "members.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 36
    assert {row["loss"] for row in rows} == set(script.PLAYED)
