"""Published ways to measure, and that everything which can be missing is found before work starts."""

from dataclasses import replace

import pytest
import torch

from logan.config import DataConfig
from logan.data import open_data
from logan.errors import InputError
from logan.evaluation import detectors, protocols
from logan.evaluation.protocols import Protocol

from .small import classifier, classifier_file, folder_of_images, idx_folder, never


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return str(classifier_file(tmp_path_factory.mktemp("weights") / "c.safetensors"))


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A cache that is empty, and no training."""
    monkeypatch.setenv("LOGAN_CACHE", str(tmp_path / "kept"))
    monkeypatch.setattr(detectors, "train_classifier", never)
    return tmp_path / "kept"


def prepare(protocol, data, **options):
    return protocols.prepare(protocol, DataConfig(str(data)), device=torch.device("cpu"), **options)


@pytest.mark.parametrize(
    ("name", "metrics", "split", "reals", "splits"),
    [
        ("training", ("fid10k", "is10k"), "train", 50_000, 1),
        ("A", ("fid50k", "is50k"), "train", 50_000, 10),
        ("B", ("fid10k", "is10k"), "train", 10_000, 1),
        ("C", ("fid5k", "is5k"), "test", 10_000, 1),
    ],
)
def test_what_they_are(name, metrics, split, reals, splits):
    assert protocols.get(name) == Protocol(name, metrics, split, reals, splits)


def test_unknown_protocols():
    with pytest.raises(InputError, match="`protocol` is one of training, A, B, C, not 'D'"):
        protocols.get("D")


def real_features(evaluator, images):
    """Whether the evaluator's real features are those of these images."""
    expected, _ = classifier()(images)
    found = evaluator.reference.features.features
    return found.shape == expected.shape and torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["training", "A", "B"])
def test_these_compare_with_training_images(tmp_path, weights, name):
    folder = idx_folder(tmp_path / "d", 40, 30)
    evaluator = prepare(protocols.get(name), folder, weights=weights)
    assert real_features(evaluator, open_data(str(folder)).images)


def test_c_compares_with_test_images(tmp_path, weights):
    folder = idx_folder(tmp_path / "d", 40, 30)
    evaluator = prepare(protocols.get("C"), folder, weights=weights)
    assert real_features(evaluator, open_data(str(folder), split="test").images)


def test_the_first_so_many_reals(tmp_path, weights):
    folder = idx_folder(tmp_path / "d")
    evaluator = prepare(Protocol("mine", reals=12), folder, weights=weights)
    assert real_features(evaluator, open_data(str(folder)).images[:12])


def test_metrics_and_splits_reach_the_evaluator(tmp_path, weights):
    evaluator = prepare(protocols.get("A"), idx_folder(tmp_path / "d"), weights=weights)
    assert [m.name for m in evaluator.metrics] == ["fid50k", "is50k"]
    assert evaluator.splits == 10


def test_the_classifier_learns_training_images_whatever_the_split(tmp_path, monkeypatch):
    shown = []

    def train(images, labels, classes, **options):
        shown.append(images)
        return classifier()

    monkeypatch.setattr(detectors, "train_classifier", train)
    folder = idx_folder(tmp_path / "d", 40, 30)
    prepare(protocols.get("C"), folder)
    assert torch.equal(shown[0], open_data(str(folder)).images)


def test_data_without_a_test_split(tmp_path, kept):
    with pytest.raises(InputError, match="digits has no test images"):
        prepare(protocols.get("C"), "digits")
    with pytest.raises(InputError, match="no t10k-images|no test"):
        prepare(protocols.get("C"), idx_folder(tmp_path / "d"))
    with pytest.raises(InputError, match="test"):
        prepare(protocols.get("C"), folder_of_images(tmp_path / "f"))
    assert not kept.exists()


def test_missing_inception_weights_stop_before_any_work(tmp_path, kept):
    with pytest.raises(InputError, match="no Inception weights"):
        prepare(protocols.get("B"), idx_folder(tmp_path / "d"), detector="inception")
    assert not kept.exists()


def test_missing_weights_stop_before_the_test_images_are_read(monkeypatch):
    monkeypatch.setattr(protocols, "open_configured", never)
    with pytest.raises(InputError, match="no Inception weights"):
        prepare(protocols.get("C"), "digits", train=open_data("digits"), detector="inception")


def test_missing_labels_stop_before_any_work(tmp_path, kept):
    folder = folder_of_images(tmp_path / "f", classes=1)
    with pytest.raises(InputError, match="needs class labels"):
        prepare(protocols.get("B"), folder, detector="classifier")
    assert not kept.exists()


@pytest.mark.parametrize("metric", ["fud10", "fid5", "modes10"])
def test_a_wrong_metric_stops_before_any_work(tmp_path, kept, metric):
    with pytest.raises(InputError, match=metric):
        prepare(Protocol("mine", ("fid10", metric)), idx_folder(tmp_path / "d"))
    assert not kept.exists()


def test_mixtures_need_neither_detector_nor_features(kept):
    evaluator = prepare(Protocol("mine", ("modes100",)), "ring", detector="inception")
    assert evaluator.mixture.name == "ring"
    assert (evaluator.detector, evaluator.reference) == (None, None)
    assert not kept.exists()


def test_image_metrics_for_a_mixture():
    with pytest.raises(InputError, match="fid10k does not fit these data; use modes10k"):
        prepare(protocols.get("B"), "ring")


def test_no_metric_needs_no_detector(kept):
    evaluator = prepare(Protocol("mine", ("none",)), "digits", detector="inception")
    assert (evaluator.metrics, evaluator.detector) == ((), None)
    assert not kept.exists()


def test_a_set_that_is_open_is_not_opened_again(monkeypatch, weights):
    data = open_data("digits")
    monkeypatch.setattr(protocols, "open_configured", never)
    assert len(prepare(Protocol("mine"), "digits", train=data, weights=weights).reference.features) == 1797


def test_manifolds_of_more_images_than_there_are_reals_are_refused(weights):
    with pytest.raises(InputError, match="and digits has 1,797: pr1797"):
        prepare(Protocol("training", ("pr10k",)), "digits", weights=weights)


def test_published_protocols_are_for_images():
    with pytest.raises(InputError, match="protocol A is for images, and ring is points"):
        prepare(replace(protocols.get("A"), metrics=("modes10k",)), "ring")


def test_fewer_reals_than_a_protocol_asks_for_are_said(weights):
    told = []
    prepare(protocols.get("B"), "digits", weights=weights, say=told.append)
    assert told == ["protocol B asks for 10,000 real images, and digits has 1,797"]
