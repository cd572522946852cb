"""logan evaluate: scores of runs, and of one folder of images against another."""

import re
import shutil

import pytest
import torch
from PIL import Image

import logan
from logan.evaluation import records
from logan.metrics.detector import extract
from logan.metrics.distances import FrechetStatistics, fid
from logan.sampling import snapshot

from ..evaluation.small import DIGITS, RING, classifier, classifier_file, fails, folder_of_images, idx_folder, runs


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with two snapshots, measured."""
    outdir = tmp_path_factory.mktemp("runs")
    runs("train", *DIGITS, "--kimg", "2", "--outdir", outdir)
    return outdir / "00000-digits-ngd"


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    outdir = tmp_path_factory.mktemp("runs")
    runs("train", *RING, "--outdir", outdir)
    return outdir / "00000-ring-ngd"


@pytest.fixture(autouse=True)
def nothing_evaluated_yet(run, mixture):
    """Every test finds the records of training alone."""
    before = {p: p.read_bytes() for folder in (run, mixture) for p in folder.glob("metric-*")}
    yield
    for folder in (run, mixture):
        for path in folder.glob("metric-*"):
            path.write_bytes(before[path]) if path in before else path.unlink()


def evaluated(run, metric):
    return [r for r in records.read(run, metric) if not r["in_training"]]


def in_training(run, metric):
    return [r for r in records.read(run, metric) if r["in_training"]]


def test_the_latest_snapshot_with_the_seed_of_training_has_the_scores_of_training(run):
    runs("evaluate", run, "--metrics", "fid50", "is50", "--seed", "2")
    for metric in ("fid50", "is50"):
        (found,) = evaluated(run, metric)
        assert found["results"] == pytest.approx(in_training(run, metric)[-1]["results"], rel=1e-4)


def test_the_same_for_class_conditional_networks(tmp_path):
    runs("train", *DIGITS, "--conditional", "--seed", "5", "--outdir", tmp_path)
    run = tmp_path / "00000-digits-ngd"
    runs("evaluate", run, "--metrics", "fid50", "--seed", "7")
    assert evaluated(run, "fid50")[0]["results"] == pytest.approx(in_training(run, "fid50")[0]["results"], rel=1e-4)


def test_the_record(run):
    runs("evaluate", run, "--metrics", "fid30", "--seed", "4", "--trunc", "0.5", "--latent-steps", "1")
    (record,) = evaluated(run, "fid30")
    assert record.pop("real_key") == in_training(run, "fid50")[0]["real_key"]
    for name in ("results", "total_time", "timestamp"):
        record.pop(name)
    assert record == {
        "metric": "fid30",
        "detector": "classifier",
        "detector_sha256": in_training(run, "fid50")[0]["detector_sha256"],
        "detector_bytes": in_training(run, "fid50")[0]["detector_bytes"],
        "n_real": 1797,
        "n_fake": 30,
        "splits": None,
        "in_training": False,
        "snapshot": "network-snapshot-000002.safetensors",
        "images": 2000,
        "kimg": 2.0,
        "protocol": "training",
        "split": "train",
        "seed": 4,
        "latent_steps": 1,
        "trunc": 0.5,
    }


def test_what_is_printed(run, capsys):
    runs("evaluate", run, "--metrics", "fid30", "is30")
    scores, footnote = capsys.readouterr().out.splitlines()
    value = evaluated(run, "fid30")[0]["results"]["fid30"]
    assert scores.startswith(f"network-snapshot-000002.safetensors: fid30 {value:.4g}  is30 ")
    assert re.match(r"detector classifier [0-9a-f]{12}, 1,797 real images; compare only with", footnote)


def test_a_snapshot_by_its_name(run):
    runs("evaluate", run / snapshot.file_name(1000), "--metrics", "fid30")
    assert [r["images"] for r in evaluated(run, "fid30")] == [1000]


def test_all_snapshots(run):
    runs("evaluate", run, "--metrics", "fid50", "--seed", "2", "--snapshots", "all")
    found = evaluated(run, "fid50")
    assert [(r["snapshot"], r["images"]) for r in found] == [(snapshot.file_name(k), k) for k in (1000, 2000)]
    for one, two in zip(found, in_training(run, "fid50"), strict=True):
        assert one["results"] == pytest.approx(two["results"], rel=1e-4)


def test_the_best_snapshot(run):
    runs("evaluate", run, "--metrics", "fid50", "--seed", "2", "--snapshots", "best")
    (found,) = evaluated(run, "fid50")
    assert found["snapshot"] == "network-best.safetensors"
    lowest = min(r["results"]["fid50"] for r in in_training(run, "fid50"))
    assert found["results"]["fid50"] == pytest.approx(lowest, rel=1e-4)


@pytest.mark.parametrize("flags", [("--trunc", "0.5"), ("--latent-steps", "2"), ("--seed", "1")], ids=" ".join)
def test_how_images_are_drawn_matters(run, flags):
    runs("evaluate", run, "--metrics", "fid30")
    runs("evaluate", run, "--metrics", "fid30", *flags)
    plain, other = evaluated(run, "fid30")
    assert plain["results"] != other["results"]


def test_the_batch_size_does_not_matter(run):
    for batch in ("250", "7"):
        runs("evaluate", run, "--metrics", "fid30", "--batch", batch)
    one, two = evaluated(run, "fid30")
    assert one["results"] == pytest.approx(two["results"], rel=1e-3)


def test_protocol_a_has_ten_splits(run):
    runs("evaluate", run, "--protocol", "A", "--metrics", "is40")
    (record,) = evaluated(run, "is40")
    assert record["protocol"] == "A"
    assert record["splits"] == 10
    assert list(record["results"]) == ["is40", "is40_std"]


def test_protocol_c_has_the_test_split(run, tmp_path):
    data, weights = idx_folder(tmp_path / "d", 40, 30), classifier_file(tmp_path / "c.safetensors")
    flags = ["--data", data, "--detector-weights", weights, "--metrics", "fid20"]
    for protocol in ("B", "C"):
        runs("evaluate", run, "--protocol", protocol, *flags)
    found = evaluated(run, "fid20")
    assert [(r["protocol"], r["split"], r["n_real"]) for r in found] == [("B", "train", 40), ("C", "test", 30)]
    assert found[0]["results"] != found[1]["results"]


def test_other_detector_weights(run, tmp_path):
    runs("evaluate", run, "--metrics", "fid30", "--detector-weights", classifier_file(tmp_path / "c.safetensors"))
    assert evaluated(run, "fid30")[0]["detector_sha256"] == classifier().sha256


def test_a_mixture_is_scored_by_its_modes(mixture):
    runs("evaluate", mixture, "--metrics", "modes100", "--seed", "2")
    assert evaluated(mixture, "modes100")[0]["results"] == in_training(mixture, "modes100")[0]["results"]


def test_the_default_for_mixtures_is_modes10k(mixture):
    runs("evaluate", mixture)
    assert evaluated(mixture, "modes10k")[0]["n_fake"] == 10_000


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("folders")
    classifier_file(root / "c.safetensors", channels=3)
    return folder_of_images(root / "a"), folder_of_images(root / "b", seed=1), root / "c.safetensors"


def scores_of(text):
    return {k: float(v) for k, v in re.findall(r"(\w+\d+k?) (-?[\d.e+-]+)", text.splitlines()[0].partition(": ")[2])}


def test_a_folder_against_itself_has_no_distance(folders, capsys):
    real, _, weights = folders
    runs("evaluate", real, real, "--detector-weights", weights)
    scores = scores_of(capsys.readouterr().out)
    assert list(scores) == ["fid40", "is40"]
    assert abs(scores["fid40"]) < 1e-6


def test_what_is_left_out_of_a_folder_is_said(folders, tmp_path, capsys):
    real, fake, weights = folders
    shutil.copytree(fake, tmp_path / "fake")
    (tmp_path / "fake" / "x.heic").write_bytes(b"x")
    runs("evaluate", real, tmp_path / "fake", "--detector-weights", weights, "--metrics", "fid30")
    assert "left out 1 file of formats that are not read, such as x.heic" in capsys.readouterr().err


def test_a_folder_against_another(folders, capsys):
    real, fake, weights = folders
    runs("evaluate", real, fake, "--detector-weights", weights, "--metrics", "fid30")
    features = [
        extract(classifier(3), [logan.data.open_data(str(p)).batch(torch.arange(n))[0]]).features
        for p, n in ((real, 40), (fake, 30))
    ]
    expected = fid(*map(FrechetStatistics.of, features))
    assert scores_of(capsys.readouterr().out) == {"fid30": pytest.approx(expected, rel=1e-3)}


def test_folders_are_left_as_they_were(folders):
    real, fake, weights = folders
    before = sorted(real.rglob("*")) + sorted(fake.rglob("*"))
    runs("evaluate", real, fake, "--detector-weights", weights)
    assert sorted(real.rglob("*")) + sorted(fake.rglob("*")) == before


def test_folders_of_images_of_several_sizes(folders, tmp_path, capsys):
    real, fake, weights = folders
    mixed = tmp_path / "mixed"
    shutil.copytree(real, mixed)
    Image.new("RGB", (9, 12)).save(next(mixed.rglob("*.png")).with_name("odd.png"))
    flags = ["--metrics", "fid20", "--detector-weights", weights]
    assert "pass --image-size, at most 8" in fails(capsys, "evaluate", mixed, fake, *flags)
    runs("evaluate", mixed, fake, "--image-size", "8", *flags)
    assert "fid20 " in capsys.readouterr().out


def test_few_generated_images_are_warned_about(run, capsys):
    runs("evaluate", run, "--metrics", "fid30", "is30")
    assert "warning: fid30, is30: so few generated images say little; fid10k takes 10,000" in capsys.readouterr().err


def test_what_training_measured_on_other_latents_is_said(run, capsys):
    """The preset's seed is 0 here, and its scores are of seed 2."""
    runs("evaluate", run, "--metrics", "fid50")
    said = capsys.readouterr()
    assert "on other latents (seed 2, here 0); --seed 2 draws the same" in said.out
    assert "the best snapshot, " in said.err
    measured = [r["results"]["fid50"] for r in in_training(run, "fid50")]
    assert f"in training: fid50 {min(measured):.4g}, " in said.out
    runs("evaluate", run, "--metrics", "fid50", "--seed", "2")
    assert "on other latents" not in capsys.readouterr().out
