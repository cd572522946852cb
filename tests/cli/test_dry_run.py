"""A dry run refuses what the run would refuse, in the same words; and trains nothing for that."""

import numpy as np
import pytest
import torch
from PIL import Image

from logan.cli.main import main
from logan.evaluation import detectors

SMALL = "--kimg 1 --tick 1 --snap 1 --width 8".split()


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for i in range(12):
        pixels = np.random.default_rng(i).integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


@pytest.mark.parametrize(
    "flags",
    [
        "--metrics fdi10k",
        "--metrics modes10k",
        "--metrics pr10k",
        "--preset ring --metrics fid10k",
        "--detector inception --detector-weights nowhere.pth",
        "--detector-weights nowhere.pt",
        "--data {photos} --batch 4 --metrics fid10k --detector classifier",
        "--data {photos} --batch 13 --metrics none",
        "--batch 5000",
        "--metric-latent-steps 5 --latent none",
        "--latent-dim 0",
        "--conditional --data {photos} --batch 4 --metrics none",
        *([] if torch.cuda.is_available() else ["--engine cuda-graph", "--engine compiled-graph", "--device cuda"]),
    ],
)
def test_a_dry_run_refuses_what_a_run_refuses(flags, unlabelled, tmp_path, capsys, monkeypatch):
    def never(*_, **__):
        raise AssertionError("a classifier is trained")

    args = ["train", *SMALL, *flags.format(photos=unlabelled).split(), "--outdir", str(tmp_path / "runs")]
    with monkeypatch.context() as m:
        m.setattr(detectors, "train_classifier", never)
        assert main([*args, "--dry-run"]) == 2
    out, dry = capsys.readouterr()
    assert out == ""
    assert dry.count("\n") == 1
    assert main(args) == 2
    assert capsys.readouterr().err.splitlines()[-1] == dry.strip()
    assert not (tmp_path / "runs").exists()


def test_what_a_run_would_train_is_not_trained(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(detectors, "train_classifier", lambda *_, **__: pytest.fail("a classifier is trained"))
    assert main(["train", *SMALL, "--metrics", "fid10k", "--outdir", str(tmp_path / "runs"), "--dry-run"]) == 0
    assert "nothing was started" in capsys.readouterr().out
