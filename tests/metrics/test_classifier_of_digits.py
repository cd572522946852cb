"""The classifier of the embedded digits comes with the package: whoever scores digits trains nothing."""

import pytest
import torch

from logan.data import open_data
from logan.evaluation import detectors


@pytest.fixture(scope="module")
def digits():
    return open_data("digits")


@pytest.fixture
def shipped(digits, monkeypatch, tmp_path):
    def refuse(*args, **kwargs):
        raise AssertionError("a classifier was to be trained")

    monkeypatch.setattr(detectors, "train_classifier", refuse)
    monkeypatch.setenv("LOGAN_CACHE", str(tmp_path))
    return detectors.get("classifier", None, digits, say=refuse, progress=refuse)


def test_it_is_there_without_training_and_without_the_cache(shipped, tmp_path):
    assert shipped.name == "classifier"
    assert list(tmp_path.iterdir()) == []


def test_it_is_accurate(shipped):
    assert shipped.accuracy > 0.97


def test_its_accuracy_is_that_on_every_tenth_digit(shipped, digits):
    held = digits.images[9::10]
    right = shipped(held)[1].argmax(1) == digits.labels[9::10]
    assert right.double().mean().item() == pytest.approx(shipped.accuracy, abs=0.5 / len(held))


def test_its_weights_are_finite(shipped):
    assert all(torch.isfinite(p).all() for p in shipped.network.parameters())


def test_its_features_and_logits_do_not_change_between_versions(shipped, digits):
    """Else scores of digits would no longer compare, under the same sha256."""
    features, logits = shipped(digits.images[:3])
    assert features.norm(dim=1).tolist() == pytest.approx([38.96970, 33.08312, 35.36522], rel=1e-4)
    assert logits.norm(dim=1).tolist() == pytest.approx([31.30802, 24.79928, 27.30074], rel=1e-4)
