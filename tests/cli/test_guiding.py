"""D's help on the command line: sample, evaluate and curve with --guide."""

import csv
import json
import re
from dataclasses import fields, replace
from typing import get_args

import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

import logan
from logan.cli.guiding import PREFIX, GuideArguments, GuideName
from logan.cli.main import main
from logan.evaluation import protocols, records, snapshots
from logan.guide import GUIDES
from logan.sampling import snapshot

from ..evaluation.small import DIGITS, RING, fails, runs


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    outdir = tmp_path_factory.mktemp("runs")
    runs("train", *DIGITS, "--outdir", outdir)
    return outdir / "00000-digits-ngd"


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    outdir = tmp_path_factory.mktemp("runs")
    runs("train", *RING, "--outdir", outdir)
    return outdir / "00000-ring-ngd"


def test_every_guide_has_a_word_and_every_setting_a_flag():
    assert set(get_args(GuideName)) == set(GUIDES)
    flags = {f.name for f in fields(GuideArguments)}
    for kind in GUIDES.values():
        for field in fields(kind):
            assert PREFIX + ("steps" if field.name == kind.budget else field.name) in flags, (kind.name, field.name)


def test_a_sheet_is_what_python_draws_and_its_name_says_how(run, tmp_path, capsys):
    runs(
        "sample",
        run,
        "--n",
        "4",
        "--guide",
        "latent",
        "--guide-steps",
        "3",
        "--guide-alpha",
        "0.5",
        "--out",
        tmp_path / "a.npz",
    )
    said = capsys.readouterr().err
    assert "guide latent: 4 passes through D(G(z))" in said
    assert "->" in said
    runs("sample", run, "--n", "4", "--guide", "latent", "--guide-steps", "3", "--guide-alpha", "0.5")
    assert [p.name for p in run.glob("samples*latent*")] == ["samples000001-seed0-n4-latent-alpha0.5-steps3.png"]
    runs("sample", run, "--n", "4", "--guide", "langevin", "--guide-steps", "3", "--calibrate")
    (name,) = [p.name for p in run.glob("samples*langevin*")]
    assert name == "samples000001-seed0-n4-langevin-steps3-calibrated.png"
    assert "calibrated: d = " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--guide", "langevin"], "--guide langevin needs the logit of a density ratio, .*--loss hinge.*pass --calibrate"),
        (["--guide", "reject"], "pass --calibrate"),
        (["--guide-steps", "5"], "--guide-steps is of guides; say which"),
        (["--calibrate"], "--calibrate is of guides"),
        (["--guide", "latent", "--guide-steps", "-1"], "--guide-steps must be a whole number >= 0, not -1"),
        (["--guide", "latent", "--guide-temperature", "2"], "--guide-temperature is not a setting .*--guide-beta"),
        (["--guide", "reject", "--calibrate", "--guide-steps", "0"], "--guide-steps must be a whole number >= 1, not 0"),
        (["--guide", "flow", "--calibrate", "--guide-step-size", "0"], "--guide-step-size must be > 0"),
        (["--guide", "metropolis", "--calibrate", "--trunc", "0.5"], "--trunc 0.5 has no meaning with --guide metropolis"),
        (["--guide", "latent", "--calibrate"], "--guide latent takes D's scores as they are; leave --calibrate out"),
        (["--guide", "latent", "--guide-portion", "0.01"], "--guide-portion 0.01 of 8 latent dimensions"),
        (["--guide", "reject", "--calibrate", "--guide-gamma", "-1", "--guide-percentile", "80"], "--guide-gamma and"),
        (["--guide", "latent", "--latent-steps", "2"], "--latent-steps and --guide are one or the other"),
        (["--guide", "langvin"], "langevin"),
        (["--guide", "reject", "--calibrate", "--data", "nowhere.zip"], "nowhere.zip: no such file"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["sample", "evaluate"])
def test_what_cannot_be_is_said_in_a_line(run, flags, message, command, capsys):
    assert re.search(message, fails(capsys, command, run, *flags))


def test_scores_and_records(run, capsys):
    before = len(records.read(run, "fid50"))
    runs("evaluate", run, "--metrics", "fid50", "--guide", "latent", "--guide-steps", "2")
    said = capsys.readouterr().out
    assert "guide latent: 3 passes" in said
    last = records.read(run, "fid50")[-1]
    assert len(records.read(run, "fid50")) == before + 1
    assert (last["guide"]["name"], last["guide"]["steps"], last["calibration"]) == ("latent", 2, None)
    assert last["guided"]["evaluations"] == 3
    assert last["guided"]["after"] > last["guided"]["before"]
    runs(
        "evaluate",
        run,
        "--metrics",
        "fid50",
        "--guide",
        "reject",
        "--guide-steps",
        "3",
        "--guide-percentile",
        "80",
        "--calibrate",
    )
    last = records.read(run, "fid50")[-1]
    assert last["guide"]["most"] == 3
    assert last["guide"]["maximum"] is not None  # as measured
    assert last["calibration"]["reals"] > 0


def test_a_guided_score_does_not_pass_for_the_plain_one(run):
    runs("evaluate", run, "--metrics", "fid50", "--seed", "77", "--guide", "latent")
    model, path = logan.load(run), snapshot.find(run)
    config = model.info.config
    protocol = protocols.PROTOCOLS["training"]
    protocol = replace(protocol, metrics=("fid50",))
    evaluator = protocols.prepare(protocol, config.data, detector="auto", device=model.device)
    assert snapshots.known(path, model, evaluator, protocol, seed=77) is None
    runs("evaluate", run, "--metrics", "fid50", "--seed", "77")
    assert snapshots.known(path, model, evaluator, protocol, seed=77) is not None


def test_a_guide_is_for_runs(tmp_path, capsys):
    assert "--guide is for runs" in fails(capsys, "evaluate", tmp_path, tmp_path, "--guide", "latent")
    assert "--calibrate is for runs" in fails(capsys, "evaluate", tmp_path, tmp_path, "--calibrate")


def read(folder):
    return list(csv.DictReader((folder / "curve.csv").read_text().splitlines()))


def test_a_curve_of_guides(run, tmp_path, capsys):
    runs("curve", run, "--guide", "latent", "transport", "--guide-steps", "1", "3", "--n", "30", "--out", tmp_path)
    assert [(r["guide"], r["steps"], r["evaluations"]) for r in read(tmp_path)] == [
        ("latent", "0", "0"), ("latent", "1", "2"), ("latent", "3", "4"),
        ("transport", "0", "0"), ("transport", "1", "2"), ("transport", "3", "4"),
    ]  # fmt: skip
    first = read(tmp_path)[0]
    assert {"fid30", "is30", "precision30", "recall30", "ms_per_image", "detector"} <= first.keys()
    assert float(read(tmp_path)[2]["ms_per_image"]) > 0
    for picture in ("curve.png", f"samples-{run.name}.png"):
        with Image.open(tmp_path / picture) as image:
            assert min(image.size) > 200
    assert "run,guide,steps" in capsys.readouterr().out


def test_a_curve_of_points(mixture, tmp_path):
    runs(
        "curve",
        mixture,
        "--guide",
        "reject",
        "metropolis",
        "--guide-steps",
        "1",
        "3",
        "--calibrate",
        "--n",
        "50",
        "--out",
        tmp_path,
    )
    assert {"modes50", "quality50"} <= read(tmp_path)[0].keys()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--guide", "latent", "--levels", "0.5"], "--levels, --match-is and --match-fid are of truncation"),
        (["--guide", "latent", "latent"], "names one of them twice"),
        (["--guide", "latent", "--guide-steps", "0", "1"], "--guide-steps must be whole numbers >= 1"),
        (["--guide", "latent", "--guide-steps", "-3"], "--guide-steps must be whole numbers >= 1"),
        (["--guide", "langevin"], "pass --calibrate"),
        (["--guide", "latent", "--guide-noise", "0.5"], "--guide-noise is not a setting of --guide latent"),
        (["--guide-noise", "0.5"], "--guide-noise is of guides"),
        (["--guide-steps", "5"], "--guide-steps is of guides"),
        (["--guide"], "--guide"),
        (["--guide", "latent", "transport", "--calibrate"], "leave --calibrate out"),
        (["--guide", "flow", "reject", "--calibrate", "--guide-gamma", "1"], "--guide-gamma of flow and of reject"),
        (
            ["--guide", "latent", "transport", "--guide-noise", "0.5"],
            "--guide-noise is not a setting of --guide latent or",
        ),
        (["--calibrate"], "--calibrate is of guides"),
    ],
)
def test_curves_that_cannot_be(run, flags, message, tmp_path, capsys):
    assert message in fails(capsys, "curve", run, *flags, "--n", "30", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_snapshot_without_d(run, tmp_path, capsys):
    """Its weights cut off: a line, and no guide."""
    source = snapshot.find(run)
    tensors = {k: v for k, v in load_file(source).items() if not k.startswith("discriminator")}
    save_file(tensors, tmp_path / source.name, {"snapshot": json.dumps({})})
    assert main(["sample", str(tmp_path / source.name), "--guide", "latent"]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_data_without_calibration_would_do_nothing(run, capsys):
    assert "--data is for --calibrate" in fails(capsys, "sample", run, "--data", "nowhere")


def test_a_curve_calibrates_only_what_needs_a_logit(mixture, tmp_path):
    runs("curve", mixture, "--guide", "latent", "--guide-steps", "3", "--n", "50", "--out", tmp_path / "a")
    flags = "--guide latent metropolis --guide-steps 3 --calibrate --n 50"
    runs("curve", mixture, *flags.split(), "--out", tmp_path / "b")
    alone, both = read(tmp_path / "a"), read(tmp_path / "b")
    assert both[1]["quality50"] == alone[1]["quality50"]
    assert "alpha=" in both[1]["settings"]
    assert both[1]["calibration"] == ""
    assert "scale=" in both[3]["calibration"]
