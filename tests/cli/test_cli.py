"""The command line: what it prints, what it writes, and one line for each kind of bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from logan.cli.main import main
from logan.config import presets
from logan.training import begin, setup

TINY = "--network dcgan --width 8 --latent-dim 8 --spectral-norm True --batch 50 --kimg 1 --tick 1 --snap 1 --metrics none".split()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    outdir = tmp_path_factory.mktemp("runs")
    assert main(["train", *TINY, "--outdir", str(outdir)]) == 0
    return outdir / "00000-digits-ngd"


def images(folder: Path, n: int = 60, size: int = 16) -> Path:
    folder.mkdir(exist_ok=True)
    source = np.random.default_rng(0)
    for i in range(n):
        Image.fromarray(source.integers(0, 256, (size, size, 3), dtype=np.uint8)).save(folder / f"{i:03d}.png")
    return folder


def fails(capsys, *args: str) -> str:
    """Run with bad input: exit status 2, nothing on standard output, one line on standard error, which is returned."""
    assert main([str(a) for a in args]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.strip().splitlines()
    assert lines[-1].startswith("logan: error: ")
    assert all(not line.startswith(("Traceback", "  File")) for line in lines)
    assert len(lines) == 1, lines
    return lines[0]


def test_files_of_a_run(run):
    names = {p.name for p in run.glob("[!.]*")}
    assert names == {
        "training_options.json",
        "stats.jsonl",
        "reals.png",
        "fakes_init.png",
        "fakes000001.png",
        "network-snapshot-000001.safetensors",
        "network-snapshot-000001.json",
        "training-state-latest.pt",
        "training-curves.png",
        "report.html",
        "environment.json",
    }
    record = json.loads((run / "stats.jsonl").read_text().splitlines()[0])
    assert record["kimg"] == 1.0
    assert record["steps"] == 20
    assert {"d_loss", "g_loss", "penalty", "grad_z_squared", "delta_z", "images_per_second", "seconds"} <= record.keys()
    options = json.loads((run / "training_options.json").read_text())
    assert options["game"]["batch"] == 50
    assert options["latent"]["latent"] == "ngd"


def test_runs_are_numbered(run):
    assert main(["train", *TINY, "--outdir", str(run.parent), "--latent", "none", "--desc", "mine"]) == 0
    assert (run.parent / "00001-mine").is_dir()


def test_dry_run_prints_the_plan_and_writes_nothing(tmp_path, capsys):
    assert main(["train", "--preset", "ring", "--dry-run", "--outdir", str(tmp_path / "new"), "--alpha", "0.5"]) == 0
    text = capsys.readouterr().out
    for expected in ("alpha", "0.5", "17,922 parameters", "6,000 steps", "00000-ring-ngd", "nothing was started"):
        assert expected in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("preset", presets.PRESETS)
@pytest.mark.parametrize("latent", presets.LATENT_METHODS)
def test_every_preset_resolves_with_every_method_and_cites_its_source(preset, latent):
    config = presets.get(preset, latent)
    assert config.preset == preset
    assert config.latent.latent == latent
    assert config.check() == []
    assert "Source:" in presets.PRESETS[preset].__doc__
    assert type(config).from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("preset", ["ring", "grid"])
def test_mixtures_train(preset, tmp_path, monkeypatch):
    monkeypatch.setattr(begin, "build", setup.build)  # with the engine that users have
    assert main(["train", "--preset", preset, "--kimg", "2", "--tick", "1", "--outdir", str(tmp_path)]) == 0
    run = tmp_path / f"00000-{preset}-ngd"
    assert Image.open(run / "fakes000002.png").size == (500, 500)
    assert main(["sample", str(run), "--n", "50", "--out", str(tmp_path / "points.npz")]) == 0
    assert np.load(tmp_path / "points.npz")["arr_0"].shape == (50, 2)


def test_own_images_with_flags(tmp_path):
    folder = images(tmp_path / "photos")
    args = ["--preset", "dcgan64", "--data", folder, "--image-size", "16", "--width", "8", "--batch", "50"]
    assert main([str(a) for a in ["train", *args, "--kimg", "1", "--outdir", tmp_path / "runs"]]) == 0
    assert (tmp_path / "runs" / "00000-dcgan64-ngd" / "fakes000001.png").exists()


def test_sample_forms(run, tmp_path, capsys):
    assert main(["sample", str(run), "--n", "9"]) == 0
    grid = Path(capsys.readouterr().out.strip())
    assert grid.parent == run
    assert Image.open(grid).size == (3 * 50 + 2, 3 * 50 + 2)
    grid.unlink()
    assert main(["sample", str(run), "--n", "5", "--seed", "7", "--trunc", "0.5", "--out", str(tmp_path / "pngs")]) == 0
    files = sorted((tmp_path / "pngs").iterdir())
    assert [f.name for f in files] == [f"{i:06d}.png" for i in range(5)]
    assert (
        main(["sample", str(run), "--n", "5", "--seed", "7", "--trunc", "0.5", "--out", str(tmp_path / "a.npz")]) == 0
    )
    array = np.load(tmp_path / "a.npz")["arr_0"]
    assert array.shape == (5, 8, 8, 1)
    assert array.dtype == np.uint8
    assert all((np.asarray(Image.open(f)) == a[:, :, 0]).all() for f, a in zip(files, array, strict=True))


def test_help_and_version(capsys):
    assert main([]) == 0
    assert "train" in capsys.readouterr().out
    assert main(["--version"]) == 0
    for command in ("train", "sample"):
        with pytest.raises(SystemExit) as stop:
            main([command, "--help-all"])
        assert not stop.value.code
    text = capsys.readouterr().out
    for flag in (
        "--latent",
        "--alpha",
        "--beta",
        "--portion",
        "--penalty",
        "--kimg",
        "--tick",
        "--snap",
        "--resume",
        "--trunc",
    ):
        assert flag in text


def test_settings_without_effect_are_said(tmp_path, capsys):
    assert main(["train", *TINY, "--latent", "none", "--beta", "3", "--outdir", str(tmp_path)]) == 0
    assert "without effect, because of --latent none: --beta" in capsys.readouterr().err


# Bad input: one line, status 2.


def test_data_path_that_does_not_exist(capsys, tmp_path):
    assert "nowhere" in fails(capsys, "train", "--data", tmp_path / "nowhere", "--outdir", tmp_path)
    assert "dataset-fashion-mnist" in fails(capsys, "train", "--preset", "fashion", "--data", tmp_path / "no-fashion")
    assert "--data" in fails(capsys, "train", "--preset", "cifar10", "--outdir", tmp_path)
    assert "did you mean 'digits'" in fails(capsys, "train", "--data", "digit", "--outdir", tmp_path)


def test_empty_folder(capsys, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "empty" in fails(capsys, "train", "--data", tmp_path / "empty", "--outdir", tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_truncated_image_is_named_and_can_be_skipped(capsys, tmp_path):
    folder = images(tmp_path / "photos")
    bad = folder / "031.png"
    bad.write_bytes(bad.read_bytes()[:200])
    args = ["train", "--data", folder, *TINY, "--image-size", "16", "--outdir", tmp_path / "runs"]
    line = fails(capsys, *args)
    assert "031.png" in line
    assert "--skip-broken" in line
    assert main([str(a) for a in [*args, "--skip-broken"]]) == 0
    assert "031.png" in capsys.readouterr().err


def test_images_smaller_than_the_network(capsys, tmp_path):
    folder = images(tmp_path / "photos", size=16)
    line = fails(capsys, "train", "--preset", "dcgan64", "--data", folder, "--outdir", tmp_path / "runs")
    assert "16" in line
    assert "--image-size" in line
    assert "--image-size" in fails(capsys, "train", "--image-size", "32", "--outdir", tmp_path)


def test_size_that_the_network_cannot_build(capsys, tmp_path):
    folder = images(tmp_path / "photos", size=40)
    flags = ["--image-size", "40", "--batch", "20", "--outdir", tmp_path / "runs"]
    line = fails(capsys, "train", "--preset", "dcgan64", "--data", folder, *flags)
    assert "40" in line


def test_unknown_names(capsys):
    assert "did you mean 'digits'" in fails(capsys, "train", "--preset", "digit")
    assert "did you mean '--portion'" in fails(capsys, "train", "--portoin", "0.5")
    assert "did you mean 'train'" in fails(capsys, "trian")
    assert "did you mean 'ngd'" in fails(capsys, "train", "--latent", "ngb")
    assert "mlp" in fails(capsys, "train", "--network", "mpl")
    assert "--help" in fails(capsys, "train", "--kimg", "many")
    assert "hinge" in fails(capsys, "train", "--loss", "hing")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--portion 1.5", "--portion must be in (0, 1], not 1.5"),
        ("--beta 0", "--beta must be > 0"),
        ("--alpha -1", "--alpha must be >= 0"),
        ("--metrics fdi10k", "did you mean 'fid10k'"),
        ("--latent-steps 0", "--latent-steps must"),
        ("--kimg 0", "--kimg must be >= 1"),
        ("--batch 5000", "digits has 1797 images; pass a smaller --batch"),
        ("--d-steps 2", "--update alternating"),
        ("--adam-betas 0.5 1.5", "--adam-betas"),
        ("--prior normal --bounds clip", "--prior uniform"),
        ("--device warp", "--device"),
        ("--desc a/b", "--desc"),
        ("--g-lr nan", "--g-lr"),
        ("--seed 99999999999999999999999", "--seed must be"),
        ("--latent-dim 1000000000000", "--latent-dim must be"),
        ("--width 10000000", "--width must be"),
        ("--pad 999999", "--pad must be"),
        ("--preset ring --batch 100000000000", "--batch must be"),
        ("--threads 99999999", "--threads must be"),
        ("--threads -2", "--threads must be >= 0 and <= "),
        ("--device meta", "--device meta"),
        ("--data=", "--data must not be empty"),
        ("--preset=", "unknown preset ''"),
        ("--desc=", "--desc"),
        ("--portion 0.001", "--portion 0.001 of --latent-dim 64"),
    ],
)
def test_impossible_settings(capsys, tmp_path, flags, message):
    assert message in fails(capsys, "train", *flags.split(), "--outdir", tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_conditional_without_labels(capsys, tmp_path):
    folder = images(tmp_path / "photos")
    assert "class" in fails(capsys, "train", "--data", folder, *TINY, "--conditional", "--outdir", tmp_path / "runs")


def test_outdir_that_cannot_be_written(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    assert "--outdir" in fails(capsys, "train", *TINY, "--outdir", tmp_path / "file")
    assert "--outdir" in fails(capsys, "train", *TINY, "--outdir", tmp_path / "file" / "runs")
    assert "--outdir" in fails(capsys, "train", *TINY, "--outdir", "/proc/runs")


def test_damaged_and_foreign_files(capsys, run, tmp_path):
    snapshot = tmp_path / "network-snapshot-000001.safetensors"
    snapshot.write_bytes((run / snapshot.name).read_bytes()[:-100])
    assert "damaged" in fails(capsys, "sample", snapshot)
    assert "damaged" in fails(capsys, "train", "--resume", snapshot, "--outdir", tmp_path / "runs")
    flags = ["--width", "16", "--outdir", tmp_path / "runs"]
    line = fails(capsys, "train", "--resume", run / snapshot.name, *flags)
    assert "another architecture" in line
    assert "does not exist" in fails(capsys, "sample", tmp_path / "nothing")
    broken = tmp_path / "00000-broken"
    broken.mkdir()
    (broken / "training_options.json").write_bytes((run / "training_options.json").read_bytes())
    (broken / "training-state-latest.pt").write_bytes(b"PK" + os.urandom(100))
    assert "damaged" in fails(capsys, "train", "--resume", broken, "--kimg", "2")
    (broken / "training_options.json").write_text("{")
    assert "training_options.json is damaged" in fails(capsys, "train", "--resume", broken)


def test_impossible_samples(capsys, run, tmp_path):
    assert "--trunc" in fails(capsys, "sample", run, "--trunc", "2")
    assert "--n " in fails(capsys, "sample", run, "--n", "0")
    assert "--labels" in fails(capsys, "sample", run, "--labels", "1")
    assert ".gif" in fails(capsys, "sample", run, "--out", tmp_path / "a.gif")
    assert "--out" in fails(capsys, "sample", run, "--out", "/proc/x/a.png")


def test_sample_checks_the_place_before_it_draws_and_leaves_nothing(capsys, run, tmp_path):
    assert ".jpg" in fails(capsys, "sample", run, "--out", tmp_path / "new" / "a.jpg")
    assert not (tmp_path / "new").exists()
    images(tmp_path / "full", n=1)
    assert "not empty" in fails(capsys, "sample", run, "--out", tmp_path / "full")
    assert main(["sample", str(run), "--n", "1", "--out", str(tmp_path / "A.PNG")]) == 0


@pytest.mark.parametrize("number", ["9" * 23, "-1"])
def test_absurd_numbers_in_sample(capsys, run, number):
    assert "--n" in fails(capsys, "sample", run, "--n", number)
    assert "--seed" in fails(capsys, "sample", run, f"--seed={number}")


def test_resume_takes_its_settings_from_what_it_resumes(capsys, run, tmp_path):
    snapshot = run / "network-snapshot-000001.safetensors"
    assert main(["train", "--resume", str(snapshot), "--seed", "3", "--outdir", str(tmp_path)]) == 0
    options = json.loads((tmp_path / "00000-digits-ngd" / "training_options.json").read_text())
    assert options["networks"]["width"] == 8
    assert options["run"]["seed"] == 3
    capsys.readouterr()
    assert "--outdir has no place" in fails(capsys, "train", "--resume", run, "--outdir", tmp_path)
    assert "--latent" in fails(capsys, "train", "--resume", run, "--latent", "none")


def test_dry_run_checks_what_it_would_resume(capsys, run, tmp_path):
    assert main(["train", "--resume", str(run), "--kimg", "9", "--dry-run"]) == 0
    capsys.readouterr()
    assert "does not exist" in fails(capsys, "train", "--resume", tmp_path / "no.safetensors", "--dry-run")
    empty = tmp_path / "00000-empty"
    empty.mkdir()
    (empty / "training_options.json").write_bytes((run / "training_options.json").read_bytes())
    assert "training-state-latest.pt does not exist" in fails(capsys, "train", "--resume", empty, "--dry-run")
    (empty / "training-state-latest.pt").mkdir()
    assert "is not a file but a folder" in fails(capsys, "train", "--resume", empty)


def test_impossible_file_names(capsys, tmp_path):
    assert "name too long" in fails(capsys, "train", "--data", "x" * 5000)
    assert "name too long" in fails(capsys, "sample", "x" * 5000)


def test_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    images(tmp_path / "photos")
    flags = ["--data=~/photos", "--outdir=~/runs", "--image-size", "16", "--width", "8", "--batch", "50", "--kimg", "1"]
    assert main(["train", "--preset", "dcgan64", *flags]) == 0
    assert (tmp_path / "runs" / "00000-dcgan64-ngd").is_dir()


def test_one_line_without_utf8(tmp_path):
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "logan.cli.main", "train", "--kimg", "abc"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "---" not in done.stderr.replace("--kimg", "")
    assert "--kimg" in done.stderr


def test_no_traceback_from_the_shell(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "logan.cli.main", "train", "--portion", "1.5"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_scores_of_the_caller_are_logged_and_shown(tmp_path, capsys):
    """`logan.train(measure=…)`: what issue-specific metrics plug into, without touching the run."""
    import logan

    from ..training.small import assert_same_run, config

    def measure(generator, discriminator):
        assert not generator.training
        assert not discriminator.training
        return {"fid1k": float(torch.rand(()))}

    run = logan.train(config(kimg=2, snap=1), outdir=tmp_path, measure=measure)
    assert "fid1k" in capsys.readouterr().err
    records = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    assert all(0 <= r["metrics"]["fid1k"] <= 1 for r in records)
    plain = logan.train(config(kimg=2, snap=1), outdir=tmp_path, quiet=True)
    for r in records:
        del r["metrics"]
    (run / "stats.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    for name in ("best.json", "network-best.safetensors"):  # what the scores are for
        (run / name).unlink()
    assert_same_run(run, plain)


def test_ctrl_c_while_modules_are_loaded(tmp_path):
    """torch swallows the exception that Ctrl-C raises while it looks for numpy, as the loader here does."""
    code = """
import contextlib, importlib, os, signal, sys
from logan.cli.main import main
load = importlib.import_module
def swallowing(name):
    with contextlib.suppress(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        load("time").sleep(1)
    return load(name)
importlib.import_module = swallowing
sys.exit(main(["train", "--dry-run"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "logan: interrupted\n")
