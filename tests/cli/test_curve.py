"""logan curve: FID against IS as the latents are truncated."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import logan
from logan.config import RunConfig, ScoreConfig, presets
from logan.evaluation import protocols, records
from logan.report import truncation_curves

from ..evaluation.small import DIGITS, RING, fails, never, runs

SMALL = ["--n", "30", "--levels", "1.0", "0.5", "0.1"]


def train(outdir, *flags):
    runs("train", *DIGITS, *flags, "--outdir", outdir)
    return max(outdir.iterdir())


@pytest.fixture(scope="module")
def outdir(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def one(outdir):
    return train(outdir, "--kimg", "2")


@pytest.fixture(scope="module")
def two(outdir):
    return train(outdir, "--latent", "none", "--metrics", "none")


@pytest.fixture(scope="module")
def curve(one, two, tmp_path_factory):
    """The folder that a curve of two runs fills."""
    out = tmp_path_factory.mktemp("out") / "deep" / "curve"
    runs("curve", one, two, *SMALL, "--out", out)
    return out


def lines(out):
    """Of curve.csv, as dictionaries, with ``fid30`` and ``is30`` called ``fid`` and ``is``."""
    found = csv.DictReader((out / "curve.csv").read_text().splitlines())
    return [{k.removesuffix("30"): v for k, v in line.items()} for line in found]


def test_a_line_per_run_and_level(curve, one, two):
    assert [(x["run"], x["truncation"]) for x in lines(curve)] == [
        (run.name, level) for run in (one, two) for level in ("1", "0.5", "0.1")
    ]


def test_every_level_has_scores_of_its_own(curve):
    for column in ("fid", "is"):
        values = [float(x[column]) for x in lines(curve)]
        assert np.isfinite(values).all()
        assert len(set(values)) == 6


def test_the_picture(curve):
    with Image.open(curve / "curve.png") as picture:
        assert picture.size[0] > 500


def test_without_a_match_there_are_no_samples(curve):
    assert {p.name for p in curve.iterdir()} == {"curve.csv", "curve.png"}


def test_the_csv_is_printed_too(one, tmp_path, capsys):
    runs("curve", one, "--n", "30", "--levels", "1.0", "--out", tmp_path)
    text = capsys.readouterr().out
    assert text.startswith("run,truncation,fid30,is30\n")
    written = (tmp_path / "curve.csv").read_text().splitlines()
    assert written[0] == "run,truncation,fid30,is30,detector,detector_sha256,n_real,seed"
    assert written[1].startswith(text.splitlines()[1] + ",classifier,")
    assert written[1].endswith(",1797,0")
    last = text.splitlines()[-1]
    assert last.startswith("by classifier ")
    assert last.endswith(f" 30 generated images; wrote curve.csv, curve.png to {tmp_path}")


@pytest.mark.parametrize("level", ["1.0", "0.5"])
def test_the_scores_are_those_of_evaluate_with_the_same_seed(one, tmp_path, level):
    runs("curve", one, "--n", "30", "--levels", level, "--seed", "4", "--out", tmp_path)
    runs("evaluate", one, "--metrics", "fid30", "is30", "--seed", "4", "--trunc", level)
    (line,) = lines(tmp_path)
    for column in ("fid", "is"):
        expected = records.read(one, f"{column}30")[-1]["results"][f"{column}30"]
        assert float(line[column]) == pytest.approx(expected, rel=1e-5)


def test_a_curve_leaves_the_run_as_it_was(one, tmp_path):
    before = {p: p.read_bytes() for p in one.iterdir()}
    runs("curve", one, "--n", "30", "--levels", "1.0", "--out", tmp_path)
    assert {p: p.read_bytes() for p in one.iterdir()} == before


@pytest.fixture
def matched(monkeypatch):
    """What is put into matched.png."""
    drawn, save = {}, truncation_curves.save_samples

    def noted(path, samples, columns, detector):
        assert detector == "classifier"
        drawn.update(samples)
        save(path, samples, columns, detector)

    monkeypatch.setattr(truncation_curves, "save_samples", noted)
    return drawn


@pytest.mark.parametrize(("flag", "column"), [("--match-fid", "fid"), ("--match-is", "is")])
def test_matching_takes_the_nearest_point_of_each_run(curve, one, two, tmp_path, matched, flag, column):
    wanted = float(lines(curve)[1][column])
    runs("curve", one, two, *SMALL, flag, str(wanted), "--out", tmp_path)
    assert (tmp_path / "matched.png").exists()
    for run in (one, two):
        points = [x for x in lines(tmp_path) if x["run"] == run.name]
        nearest = min(points, key=lambda x: abs(float(x[column]) - wanted))
        assert matched[run.name][0].trunc == float(nearest["truncation"])


def test_matched_samples_are_those_of_the_matched_truncation(one, tmp_path, matched):
    runs("curve", one, "--n", "30", "--levels", "0.1", "--match-fid", "1", "--seed", "3", "--out", tmp_path)
    expected = logan.load(one).sample(64, seed=3, trunc=0.1)
    assert np.allclose(matched[one.name][1], expected, atol=1e-5)


def test_snapshots_of_one_run_have_names_of_their_own(one, tmp_path):
    snapshots = [one / f"network-snapshot-00000{k}.safetensors" for k in (1, 2)]
    runs("curve", *snapshots, "--n", "30", "--levels", "1.0", "--out", tmp_path)
    assert [x["run"] for x in lines(tmp_path)] == [f"{one.name}/{p.stem}" for p in snapshots]


@pytest.mark.parametrize("flag", [("--workers", "1"), ("--mirror",), ("--conditional",)], ids=" ".join)
def test_runs_of_the_same_images_compare(outdir, one, tmp_path, flag):
    """Real images are never mirrored for scores, and how they are read is no matter."""
    other = train(outdir, *flag, "--metrics", "none")
    runs("curve", one, other, "--n", "30", "--levels", "1.0", "--out", tmp_path)
    assert len(lines(tmp_path)) == 2


# Bad input.


@pytest.fixture
def no_work(monkeypatch):
    monkeypatch.setattr(protocols, "prepare", never)


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--levels 1.5", "--levels must be in (0, 1], not 1.5"),
        ("--levels 1.0 0", "--levels must be in (0, 1]"),
        ("--match-is 2 --match-fid 3", "one or the other"),
        ("--n 9", "--n must be >= 10"),
        ("--batch 0", "--batch must be"),
        ("--seed=-1", "--seed must be"),
        ("--detector vgg", "--detector"),
        ("--metrics fid10k", "unknown flag"),
    ],
)
def test_impossible_settings(capsys, one, tmp_path, flags, message):
    assert message in fails(capsys, "curve", one, *flags.split(), "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("no_work")
def test_runs_that_are_missing_or_twice(capsys, one, tmp_path):
    assert "at least one run" in fails(capsys, "curve")
    assert "does not exist" in fails(capsys, "curve", tmp_path / "nowhere")
    assert "is given twice" in fails(capsys, "curve", one, one, one)


def test_a_mixture(capsys, outdir, tmp_path):
    runs("train", *RING, "--metrics", "none", "--outdir", tmp_path / "runs")
    line = fails(capsys, "curve", tmp_path / "runs" / "00000-ring-ngd", *SMALL, "--out", tmp_path / "out")
    assert "truncation curves are of images" in line
    assert not (tmp_path / "out").exists()


def test_runs_of_other_data(capsys, one, outdir, monkeypatch):
    other = train(outdir, "--pad", "4", "--metrics", "none")
    monkeypatch.setattr(protocols, "prepare", never)
    assert "these runs are of different data" in fails(capsys, "curve", one, other)


def test_latents_on_the_sphere_cannot_be_truncated(capsys, tmp_path, monkeypatch):
    settings = presets.get("digits", "cs")
    short = replace(settings, run=RunConfig(kimg=1, tick=1, snap=1, engine="plain", threads=1), scores=ScoreConfig())
    run = logan.train(short, outdir=tmp_path, quiet=True)
    monkeypatch.setattr(protocols, "prepare", never)
    for levels in (("1.0", "0.5"), ("0.5", "1.0")):
        assert "--trunc has no meaning" in fails(capsys, "curve", run, "--levels", *levels)


def test_no_detector(capsys, one, tmp_path):
    assert "no Inception weights" in fails(capsys, "curve", one, "--detector", "inception", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_out_that_cannot_be_made(capsys, one, tmp_path):
    (tmp_path / "file").write_text("")
    line = fails(capsys, "curve", one, *SMALL, "--out", tmp_path / "file" / "deeper")
    assert "--out" in line
    assert "cannot be written" in line
