"""What is said of presets that are known to fail, and the preset for one's own photographs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from logan import networks
from logan.cli.main import main
from logan.config import presets
from logan.config.findings import KNOWN, known, of_images
from logan.training.loop import train

from ..training.small import config


def changed(preset, latent=None, **changes):
    base = presets.get(preset, latent)
    for name, value in changes.items():
        group = next(g for g in ("networks", "latent", "game") if hasattr(getattr(base, g), name))
        base = replace(base, **{group: replace(getattr(base, group), **{name: value})})
    return base


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        (changed("cifar10"), "FID after 42,400 steps was 4.5, and 2.7"),
        (changed("cifar10", width=16), "one texture"),
        (changed("emoji128"), "switches the latent step off in effect"),
        (changed("dcgan64"), "`preset` images64"),
    ],
)
def test_a_preset_that_fails_is_spoken_of_in_one_line(settings, part):
    (line,) = known(settings, "cpu")
    assert part in line
    assert "\n" not in line
    assert len(line) < 250


@pytest.mark.parametrize(
    "settings",
    [
        changed("cifar10", "none"),
        changed("cifar10", beta=409.6),
        changed("emoji128", "none"),
        changed("emoji128", beta=0.05),
        changed("digits"),
        changed("images64"),
        changed("dcgan64", width=16),
    ],
)
def test_what_was_mended_is_not(settings):
    assert known(settings, "cpu") == []


def test_what_is_of_cpus_is_not_said_of_gpus():
    assert known(changed("dcgan64"), "cuda") == []
    assert {k.preset for k in KNOWN} <= presets.PRESETS.keys()


def test_it_is_said_at_the_start_and_not_when_a_run_goes_on(tmp_path, capsys):
    settings = replace(config(kimg=1, latent="ngd", beta=5.0, batch=100), preset="emoji128")
    run = train(settings, outdir=tmp_path)
    assert capsys.readouterr().err.count("note: `beta` 5 (the paper's)") == 1
    train(replace(settings, run=replace(settings.run, kimg=2)), resume=run)
    assert "note: " not in capsys.readouterr().err


def test_images64_is_a_small_pair_and_has_a_picture_every_few_minutes():
    settings = presets.get("images64")
    assert settings.latent.latent == "none"
    assert settings.data.mirror
    pair = networks.create("dcgan", image_size=64, image_channels=3, latent_dim=100, width=24, spectral_norm=True)
    assert sum(map(networks.count_parameters, pair)) < 1_300_000
    assert settings.run.tick * settings.run.snap <= 20


@pytest.mark.parametrize(
    ("settings", "count", "size", "parts"),
    [
        (presets.get("digits"), 5000, 64, ["of `preset` digits (mlp)", "64x64: `preset` images64 fits photographs"]),
        (presets.get("ring"), 5000, 32, ["of `preset` ring (mlp)", "32x32"]),
        (presets.get("images64"), 200, 64, ["200 images are few", "What helps: `width` 16, `on_alarm` back"]),
        (presets.get("dcgan64"), 999, 64, ["999 images are few", "`mirror`, which doubles them, `preset` images64"]),
        (presets.get("digits"), 1797, 8, []),
        (presets.get("images64"), 1000, 64, []),
        (changed("digits", network="dcgan"), 5000, 64, []),
    ],
)
def test_what_is_said_of_a_training_set(settings, count, size, parts):
    lines = of_images(settings, count, size)
    assert len(lines) == (len(parts) > 0)
    for part in parts:
        assert part in lines[0]


def test_photographs_of_many_sizes_given_to_the_digits_preset(tmp_path, capsys):
    for i in range(3):
        Image.new("RGB", (80, 70 + i)).save(tmp_path / f"{i}.png")
    for flags in ([], ["--dry-run"]):
        assert main(["train", "--data", str(tmp_path), "--outdir", str(tmp_path / "runs"), *flags]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "pass --image-size" in line
        assert line.endswith("or take --preset images64, which is for photographs")
    assert main(["train", "--preset", "dcgan64", "--image-size", "9000", "--data", str(tmp_path)]) == 2
    assert "images64" not in capsys.readouterr().err


def test_photographs_given_to_the_digits_preset(tmp_path, capsys):
    """Few, and too large: two lines at the start."""
    source = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for i in range(60):
        pixels = source.integers(0, 256, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{i}.png")
    base = presets.get("digits")
    settings = replace(
        base,
        data=replace(base.data, data=str(tmp_path / "photos")),
        networks=replace(base.networks, width=8, latent_dim=4),
        game=replace(base.game, batch=50),
        run=replace(base.run, kimg=1, tick=1, snap=1),
        scores=replace(base.scores, metrics=()),
    )
    run = train(settings, outdir=tmp_path / "runs")
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert "20x20: `preset` images64 fits photographs" in said[0]
    assert said[1].startswith("note: 60 images are few for a GAN")
    train(replace(settings, run=replace(settings.run, kimg=2)), resume=run)
    assert "note: " not in capsys.readouterr().err
