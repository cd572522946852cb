"""Scores that would mean nothing are refused, with what is needed."""

from __future__ import annotations

import math

import pytest
import torch

from logan.cli.main import main
from logan.config import DataConfig
from logan.errors import InputError
from logan.evaluation import names, protocols
from logan.evaluation.protocols import Protocol
from logan.metrics import classifier, manifold
from logan.metrics.classifier import ClassifierDetector, load_classifier, save_classifier, train_classifier
from logan.metrics.distances import FrechetStatistics, inception_score, kid

from ..evaluation import small

GOOD = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
SCORES = {
    "FID": lambda a, b: (FrechetStatistics.of(a), FrechetStatistics.of(b)),
    "KID": kid,
    "IS": lambda a, b: (inception_score(a), inception_score(b)),
    "precision and recall": manifold.precision_recall,
    "density and coverage": manifold.density_coverage,
}


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("side", [0, 1])
def test_features_that_are_not_finite(score, value, side):
    sets = [GOOD.clone(), GOOD.clone()]
    SCORES[score](*sets)
    sets[side][3, 1] = sets[side][5, 0] = value
    with pytest.raises(InputError, match=r"^2 of (40|80) images have features that are not finite numbers"):
        SCORES[score](*sets)


@pytest.mark.parametrize("n", [2, 6, 19])
def test_too_few_images_for_a_classifier(n):
    images, labels = torch.zeros(n, 1, 8, 8, dtype=torch.uint8), torch.arange(n) % 2
    with pytest.raises(
        InputError, match=rf"the set has {n} labelled images, .* needs 20 or more; use `detector` efficientnet-lite0"
    ):
        train_classifier(images, labels, 2)


def test_a_class_that_is_only_held_out():
    labels = torch.zeros(40, dtype=torch.int64)
    labels[9::10] = 1
    with pytest.raises(InputError, match="of two classes to learn from"):
        train_classifier(torch.zeros(40, 1, 8, 8, dtype=torch.uint8), labels, 2)


def prepare(path, *metrics, detector_weights=None, **more):
    said = []
    made = protocols.prepare(
        Protocol("training", metrics=metrics), DataConfig(str(path)), device=torch.device("cpu"), say=said.append,
        weights=detector_weights, **more,
    )  # fmt: skip
    return made, said


def test_what_training_and_evaluation_say_of_few_images(tmp_path):
    few = small.folder_of_images(tmp_path / "few", 12)
    with pytest.raises(InputError, match="has 12 labelled images, and a classifier to score with needs 20 or more"):
        prepare(few, "fid10k", detector="classifier")
    with pytest.raises(InputError, match="has 6 images; fid10k, is10k needs 10 or more"):
        prepare(small.folder_of_images(tmp_path / "six", 6), "fid10k", "is10k")


def test_a_classifier_that_guesses_is_said_to(tmp_path, monkeypatch):
    monkeypatch.setenv("LOGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(classifier, "IMAGES_SHOWN", 2 * classifier.BATCH)
    _, said = prepare(small.folder_of_images(tmp_path / "noise", 60), "fid10k")
    assert any("little more than chance" in line for line in said)


@pytest.mark.parametrize("accuracy", [math.nan, math.inf, -0.1, 1.1])
def test_a_file_of_a_classifier_without_an_accuracy(tmp_path, accuracy):
    good = small.classifier()
    save_classifier(tmp_path / "c.safetensors", ClassifierDetector(good.network, good.shape, accuracy))
    with pytest.raises(InputError, match="damaged, or no classifier of this version of logan .*accuracy"):
        load_classifier(tmp_path / "c.safetensors")


def test_a_file_of_a_classifier_whose_weights_are_not_finite(tmp_path):
    bad = small.classifier()
    bad.network.head.bias[0] = math.nan
    save_classifier(tmp_path / "c.safetensors", bad)
    with pytest.raises(InputError, match="not all of its weights are finite numbers"):
        load_classifier(tmp_path / "c.safetensors")


def test_real_features_that_are_not_finite(tmp_path, monkeypatch):
    """A detector may overflow on some images."""
    monkeypatch.setattr(ClassifierDetector, "__call__", lambda self, x: (torch.full((len(x), 4), math.nan),) * 2)
    weights = str(small.classifier_file(tmp_path / "c.safetensors", channels=3))
    with pytest.raises(InputError, match="the detector is damaged"):
        prepare(small.folder_of_images(tmp_path / "reals", 40), "fid10k", detector_weights=weights)


@pytest.mark.parametrize("n", [1, 6, 9])
def test_folders_of_few_images_are_named_and_no_metric_that_nobody_typed(tmp_path, capsys, n):
    reals, fakes = (
        small.folder_of_images(tmp_path / "reals", 40),
        small.folder_of_images(tmp_path / "fakes", n, classes=1),
    )
    weights = str(small.classifier_file(tmp_path / "c.safetensors", channels=3))
    for asked in ([], ["--metrics", "fid10k"]):
        assert main(["evaluate", str(reals), str(fakes), "--detector-weights", weights, *asked]) == 2
        line = capsys.readouterr().err.splitlines()[-1]
        assert f"fakes has {n} image" in line
        assert f"fid{n}" not in line
        assert f"{names.LEAST} or more" in line


def test_curves_of_few_images(tmp_path, capsys):
    assert main(["curve", str(tmp_path), "--n", "6"]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line == "logan: error: --n must be >= 10, not 6"
