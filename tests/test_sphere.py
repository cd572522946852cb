"""Runs whose generator knows the unit sphere only: CS-GAN, and LOGAN's step with ``--bounds sphere``."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import logan
from logan import losses, prior, sampling
from logan.cli.main import main
from logan.config import Config, LatentConfig, NetworkConfig, ScoreConfig, presets
from logan.cs_gan import CSStep, give_step_size
from logan.errors import InputError
from logan.latent import to_sphere
from logan.sampling import snapshot
from logan.training import outputs, setup, state
from logan.training.averaging import AveragedGenerator
from logan.training.scoring import Scorer

from .training.small import assert_same_run, config

FLAGS = "--network mlp --width 16 --latent-dim 8 --batch 50 --kimg 1 --tick 1 --snap 1 --metrics none --engine plain"
METHODS = {"cs": ["--latent", "cs"], "sphere": ["--latent", "ngd", "--bounds", "sphere"]}


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Path]:
    outdir = tmp_path_factory.mktemp("runs")
    for method, flags in METHODS.items():
        assert main(["train", *FLAGS.split(), *flags, "--desc", method, "--outdir", str(outdir)]) == 0
    return {method: outdir / f"{k:05d}-{method}" for k, method in enumerate(METHODS)}


@pytest.fixture(scope="module")
def run(runs) -> Path:
    """Of CS-GAN."""
    return runs["cs"]


def settings(method="cs", **changes) -> Config:
    """As the runs, not scored."""
    latent = {"cs": {"latent": "cs", "latent_steps": 3}, "sphere": {"latent": "ngd", "bounds": "sphere"}}[method]
    return replace(config(**{**latent, "prior": "normal", **changes}), scores=ScoreConfig())


def watched(generator: nn.Module) -> list[torch.Tensor]:
    """Every batch of latents that the generator will be given."""
    seen: list[torch.Tensor] = []
    generator.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach().clone()))
    return seen


def assert_on_sphere(batches: list[torch.Tensor]) -> None:
    assert batches
    for z in batches:
        torch.testing.assert_close(z.norm(dim=1), torch.ones(len(z)), rtol=1e-5, atol=0)


def saved(path: Path) -> dict:
    return torch.load(path / state.FILE_NAME, weights_only=True)


# Which runs, and what is drawn for them.


@pytest.mark.parametrize(
    ("latent", "bounds", "expected"),
    [
        ("cs", "auto", True),
        ("cs", "sphere", True),
        ("ngd", "sphere", True),
        ("gd", "sphere", True),
        ("ngd", "auto", False),
        ("ngd", "none", False),
        ("none", "sphere", False),
    ],
)
def test_which_runs_are_on_the_sphere(latent, bounds, expected):
    assert Config(latent=LatentConfig(latent=latent, bounds=bounds)).on_sphere() == expected


@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_latents_on_the_sphere_are_the_prior_s_directions(kind):
    on = replace(Config(), networks=NetworkConfig(prior=kind, latent_dim=6), latent=LatentConfig("cs"))
    z = sampling.model.draw_latents(on, 9, torch.Generator().manual_seed(1))
    torch.testing.assert_close(z, to_sphere(prior.draw(kind, 9, 6, torch.Generator().manual_seed(1))))
    assert_on_sphere([z])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("latent_steps", [0, 2])
def test_samples_come_from_the_sphere(runs, method, latent_steps):
    model = logan.load(runs[method])
    seen = watched(model.generator)
    assert model.sample(10, batch=4, latent_steps=latent_steps).shape == (10, 1, 8, 8)
    assert_on_sphere(seen)
    assert len(seen) == 3 * (1 + latent_steps)


@pytest.mark.parametrize("method", METHODS)
def test_pictures_and_statistics_of_a_run_are_of_the_sphere(method, tmp_path):
    set_up = settings(method)
    parts = setup.build(set_up, setup.training_data(set_up))
    average = AveragedGenerator(parts.generator, 1.0)
    seen = watched(average.module)
    outputs.save_fakes(tmp_path / "fakes.png", parts, average)
    assert_on_sphere(seen)


@pytest.mark.parametrize("method", METHODS)
def test_scores_of_a_run_are_of_the_sphere(method):
    ring = replace(presets.get("ring", "cs"), scores=ScoreConfig(metrics=("modes10",), metric_latent_steps=0))
    ring = replace(ring, latent=settings(method).latent)
    parts = setup.build(ring, setup.training_data(ring))
    seen = watched(parts.generator)
    scorer = Scorer(ring, parts.data, torch.device("cpu"), print, None)
    assert "modes10" in scorer(parts.generator.eval(), parts.discriminator.eval())
    assert_on_sphere(seen)


@pytest.mark.parametrize("changes", [{"latent_share": 0.5}, {"latent_every": 2}], ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_latents_that_rest_are_refused(method, changes):
    """They would be off the sphere, and a generator that is sampled there is not to be trained elsewhere."""
    with pytest.raises(InputError, match="unit sphere"):
        settings(method, **changes).check()


@pytest.mark.parametrize("method", METHODS)
def test_training_is_on_the_sphere(method):
    set_up = settings(method, engine="plain")
    parts = setup.build(set_up, setup.training_data(set_up))
    seen, stream = watched(parts.generator), parts.reals(0)
    for _ in range(2):
        parts.game.step(lambda: next(stream), parts.latents)
    assert_on_sphere(seen)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("command", ["sample", "evaluate", "curve"])
def test_truncation_is_refused(runs, method, command, capsys, tmp_path):
    flags = {"curve": ["--levels", "0.5", "1", "--out", str(tmp_path)]}.get(command, ["--trunc", "0.5"])
    assert main([command, str(runs[method]), *flags]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("logan: error: --trunc has no meaning")
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_no_truncation_is_not_refused(run):
    assert logan.load(run).sample(2, trunc=1.0).shape == (2, 1, 8, 8)


# CS-GAN's step size.


def test_the_step_size_is_trained_saved_averaged_and_loaded(run):
    held = saved(run)
    model = logan.load(run)
    start = math.log(0.01)
    assert abs(held["generator"]["log_step"] - start) > 1e-5
    assert held["average"]["log_step"] != held["generator"]["log_step"]
    assert abs(held["average"]["log_step"] - start) > 1e-6
    assert torch.equal(snapshot.read(run)[1]["generator.log_step"], held["average"]["log_step"])
    assert torch.equal(model.generator.log_step, held["average"]["log_step"])


def test_the_discriminator_s_optimiser_does_not_hold_it():
    parts = setup.build(settings(), setup.training_data(settings()))
    for optimiser, holds in ((parts.game.g_optimiser, True), (parts.game.d_optimiser, False)):
        held = [p for group in optimiser.param_groups for p in group["params"]]
        assert any(p is parts.generator.log_step for p in held) == holds


def test_the_step_size_is_averaged_as_the_weights_are():
    generator = give_step_size(nn.Linear(2, 3))
    average = AveragedGenerator(generator, half_life_kimg=1.0)
    start = generator.log_step.item()
    with torch.no_grad():
        generator.log_step.add_(2.0)
    average.update(generator, images=1000, images_seen=10**9)
    assert average.module.log_step.item() == pytest.approx(start + 1.0)


def test_a_run_that_was_stopped_goes_on_exactly(tmp_path):
    one, two = (settings(kimg=kimg, snap=1, engine="plain", latent_steps=1, network="mlp") for kimg in (1, 2))
    whole = logan.train(two, outdir=tmp_path, desc="whole", quiet=True)
    stopped = logan.train(one, outdir=tmp_path, desc="stopped", quiet=True)
    torch.manual_seed(99)
    logan.train(two, resume=stopped, quiet=True)
    assert "log_step" in saved(whole)["generator"]
    assert_same_run(whole, stopped)


def test_latent_steps_of_a_loaded_run_are_its_own(run):
    """The configured loss, the learned size, the batch of its training, and as many steps as are asked for."""
    model = logan.load(run)
    model.generator.log_step.fill_(math.log(20.0))  # so that a step can be seen
    z = sampling.model.draw_latents(model.info.config, 6, torch.Generator().manual_seed(5))
    step = CSStep(steps=2, loss=losses.hinge, batch=50).of(model.generator)
    moved = step(lambda z: model.discriminator(model.generator(z)), z)
    images = model.sample(6, seed=5, latent_steps=2)
    torch.testing.assert_close(images, model.generator(moved.z))
    assert (images - model.sample(6, seed=5)).abs().max() > 1e-3


def test_latent_steps_do_not_depend_on_the_images_per_pass(run):
    """``Model.sample``: "The same seed gives the same images, whatever the batch size"."""
    model = logan.load(run)
    model.generator.log_step.fill_(math.log(20.0))
    whole, parts = (model.sample(10, latent_steps=3, batch=b) for b in (64, 4))
    torch.testing.assert_close(whole, parts, rtol=1e-4, atol=1e-5)


# Its presets and flags.


@pytest.mark.parametrize("name", presets.PRESETS)
def test_presets(name):
    chosen = presets.get(name, "cs")
    assert chosen.networks.prior == "normal"
    assert chosen.scores.metric_latent_steps == 3
    assert chosen.latent_step() == CSStep(3, 3.0, losses.get(chosen.game.loss))
    assert chosen.check() == []
    assert chosen.scores.metrics == presets.get(name).scores.metrics
    published = name.startswith("imagenet128") and "logan" not in name  # as their own papers have it
    assert presets.get(name).networks.prior == presets.get(name, "none").networks.prior
    assert presets.get(name).networks.prior == ("normal" if published else "uniform")


@pytest.mark.parametrize("loss", losses.LOSSES)
def test_the_steps_are_on_the_game_s_loss(loss):
    assert settings(loss=loss).latent_step().loss is losses.get(loss)


@pytest.mark.parametrize(
    ("field", "value"), [("alpha", 0.5), ("beta", 1.0), ("portion", 0.5), ("subset", "random")], ids=str
)
def test_flags_without_effect_are_said(field, value):
    chosen = presets.get("digits", "cs")
    warned = replace(chosen, latent=replace(chosen.latent, **{field: value})).check()
    assert warned == [f"without effect, because of `latent` cs: `{field}`"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--bounds clip", "--bounds clip is not for --latent cs"),
        ("--bounds none", "--bounds none is not for --latent cs"),
        ("--latent-steps 0", "--latent-steps must"),
        ("--penalty -1", "--penalty must be >= 0"),
    ],
)
def test_impossible_settings(flags, message, capsys, tmp_path):
    assert main(["train", "--latent", "cs", *flags.split(), "--outdir", str(tmp_path / "runs")]) == 2
    out, err = capsys.readouterr()
    assert message in err
    assert (out, err.count("\n")) == ("", 1)


def test_a_run_without_latent_step_has_none_at_evaluation():
    with pytest.raises(InputError, match="`latent` gd, ngd or cs"):
        sampling.model.evaluation_step(presets.get("digits", "none"), 3)


def test_the_plan_counts_the_step_size(capsys, tmp_path):
    counts = []
    for latent in ("ngd", "cs"):
        assert main(["train", "--latent", latent, "--dry-run", "--outdir", str(tmp_path)]) == 0
        line = next(x for x in capsys.readouterr().out.splitlines() if "generator" in x and "parameters" in x)
        counts.append(int("".join(c for c in line if c.isdigit())))
    assert counts[1] == counts[0] + 1


def test_a_run_does_not_start_from_a_snapshot_of_the_other_kind(run, tmp_path, capsys):
    source = str(next(Path(run).glob("network-snapshot-*.safetensors")))
    assert main(["train", "--resume", source, "--latent", "ngd", "--outdir", str(tmp_path)]) == 2
    assert "learned step size" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
