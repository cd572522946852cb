"""D that runs away, and a latent step that is off in effect: what the log shows of them, and what is said."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from logan.config import presets
from logan.training import folder
from logan.training.loop import train
from logan.training.notices import IDLE, Notices
from logan.training.runaway import FLAT, Runaway, length_of_z

from .small import config

# `cifar10 --width 16 --latent ngd --tick 2`, seed 1: every 128 steps D(x), D(G(z')), the gain and ‖g‖². At 32 kimg all samples
# were one texture.
COLLAPSE = [
    (0.909, -0.573, 0.0114, 1.48e-3), (1.32, -1.11, 0.0237, 3.1e-3), (2.16, -1.25, 0.00979, 1.19e-3),
    (2.76, -1.45, 0.00761, 9.17e-4), (5.91, -1.16, 0.00208, 2.4e-4), (2.25, -1.15, 0.00807, 1.02e-3),
    (5.62, -1.54, 0.00313, 3.58e-4), (9.53, -1.68, 0.00283, 3.25e-4), (14.9, -1.48, 0.00143, 1.64e-4),
    (21.8, -1.24, 0.000582, 6.56e-5), (28.9, -1.27, 0.000619, 6.98e-5), (32.1, -1.2, 0.000552, 6.24e-5),
]  # fmt: skip


def record(tick, real, fake, gain, slope, moved=0.1):
    return {"steps": 128 * (tick + 1), "real_score": real, "fake_score": fake, "score_gain": gain,
            "grad_z_squared": slope, "delta_z": moved}  # fmt: skip


def first_trouble(alarm, log):
    return next((trouble for tick, line in enumerate(log) if (trouble := alarm(record(tick, *line)))), None)


def test_the_collapse_that_was_met_is_named_before_the_pictures_are_one_texture():
    trouble = first_trouble(Runaway(presets.get("cifar10", "ngd")), COLLAPSE)
    assert trouble is not None
    assert trouble.since == 128 * 5
    assert "D runs away: its lead is 7.1" in trouble.what


@pytest.mark.parametrize("loss", ["hinge", "non-saturating", "minimax", "wasserstein"])
def test_far_is_what_the_loss_makes_of_it(loss):
    """Just short of the limits there is none, on either side; the Wasserstein loss has none."""
    preset = presets.get("cifar10", "ngd")
    preset = replace(preset, game=replace(preset.game, loss=loss))
    lead = {"hinge": 6.0, "non-saturating": 12.0, "minimax": 12.0, "wasserstein": 1e6}[loss]
    slope = (FLAT * lead / length_of_z(preset)) ** 2

    def raised(times, flatness):
        return first_trouble(Runaway(preset), [(times * lead, 0.0, 0.0, flatness * slope)] * 4) is not None

    assert raised(1.01, 0.9) == (loss != "wasserstein")
    assert not raised(0.99, 0.9)
    assert not raised(1.01, 1.1)


def test_one_tick_is_no_sign_and_neither_is_a_run_without_gradients():
    wild = (30.0, 0.0, 0.0, 1e-6)
    calm = (1.0, 0.0, 0.0, 1e-2)
    assert first_trouble(Runaway(presets.get("cifar10", "ngd")), [calm, calm, calm, wild, calm, calm]) is None
    alarm = Runaway(presets.get("cifar10", "none"))
    assert all(alarm({"steps": i, "real_score": 30.0, "fake_score": 0.0}) is None for i in range(9))


@pytest.mark.parametrize(
    ("prior", "bounds", "expected"), [("uniform", "clip", 64 / 3), ("normal", "none", 64), ("normal", "sphere", 0.5)]
)
def test_the_length_of_what_is_moved(prior, bounds, expected):
    preset = presets.get("cifar10", "ngd")
    networks = replace(preset.networks, prior=prior, latent_dim=128)
    latent = replace(preset.latent, portion=0.5, bounds=bounds)
    assert length_of_z(replace(preset, networks=networks, latent=latent)) == pytest.approx(math.sqrt(expected))


@pytest.mark.parametrize(("method", "named"), [("ngd", "beta"), ("gd", "alpha")])
def test_the_value_that_is_named_moves_z_by_a_twentieth(method, named):
    """With the step's own formula in its place."""
    preset = presets.get("emoji128", method)
    latent, norm, length = preset.latent, 0.01, length_of_z(preset)
    latent = replace(latent, alpha=1e-3) if method == "gd" else latent
    moved = latent.alpha * norm / (latent.beta + norm**2) if method == "ngd" else latent.alpha * norm
    assert moved < IDLE * length
    notices = Notices(replace(preset, latent=latent))
    said = [notices.see(record(i, 1.0, 0.0, 0.0, norm**2, moved)) for i in range(6)]
    assert [len(x) for x in said] == [0, 0, 0, 1, 0, 0]  # once
    what = said[3][0]["what"]
    better = float(what.partition(f"`{named}` ")[2].partition(f"`{named}` ")[2].split()[0])
    again = latent.alpha * norm / (better + norm**2) if method == "ngd" else better * norm
    assert again / length == pytest.approx(0.05, rel=0.3)  # it is said with one figure


def test_a_step_that_moves_is_not_spoken_of():
    preset = presets.get("digits", "ngd")
    notices = Notices(preset)
    assert not any(notices.see(record(i, 1.0, 0.0, 0.0, 1.0, 0.15)) for i in range(9))


def test_a_run_says_it_once_over_all_its_sittings(tmp_path, capsys):
    settings = config(kimg=5, snap=5, beta=1e5, batch=100)
    run = train(settings, outdir=tmp_path)
    assert capsys.readouterr().err.count("note: the latent step is off in effect") == 1
    (line,) = [r for r in folder.read_stats(run) if "notices" in r]
    assert line["tick"] == 3
    longer = replace(settings, run=replace(settings.run, kimg=10))
    train(longer, resume=run)
    assert "off in effect" not in capsys.readouterr().err
    assert sum("notices" in r for r in folder.read_stats(run)) == 1
