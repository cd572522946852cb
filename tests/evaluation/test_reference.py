"""Features of real images are extracted once."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from logan.evaluation import reference

from .small import PixelDetector, dataset

CPU = torch.device("cpu")


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A cache that is empty."""
    monkeypatch.setenv("LOGAN_CACHE", str(tmp_path))
    return tmp_path


def files(folder):
    return {p.name for p in folder.iterdir()}


def expected(data, n):
    return data.images[:n].flatten(1).float() / 255


@pytest.mark.parametrize(("count", "n"), [(7, 7), (None, 300), (1000, 300)])
def test_features_are_of_the_first_images_in_order(kept, count, n):
    data = dataset(300)
    found = reference.of_real(data, count, PixelDetector(), CPU)
    assert torch.equal(found.features.features, expected(data, n)[:, :8])
    assert torch.equal(found.features.logits, expected(data, n)[:, 8:11])


def test_statistics_are_of_those_features(kept):
    found = reference.of_real(dataset(), 30, PixelDetector(), CPU)
    assert len(found.features) == 30
    torch.testing.assert_close(found.statistics.mean, found.features.features.double().mean(0))


def test_the_second_time_nothing_is_computed(kept):
    detector = PixelDetector()
    first = reference.of_real(dataset(), 30, detector, CPU)
    assert detector.shown == 30
    second = reference.of_real(dataset(), 30, detector, CPU)
    assert detector.shown == 30
    assert torch.equal(first.features.features, second.features.features)
    assert torch.equal(first.features.logits, second.features.logits)


@pytest.mark.parametrize(
    ("data", "count", "detector"),
    [
        (dataset(), 29, PixelDetector()),
        (dataset(), 30, PixelDetector("cd" * 32)),
        (dataset(seed=1), 30, PixelDetector()),
    ],
    ids=["count", "detector", "data"],
)
def test_what_differs_has_a_file_of_its_own(kept, data, count, detector):
    reference.of_real(dataset(), 30, PixelDetector(), CPU)
    before = files(kept)
    found = reference.of_real(data, count, detector, CPU)
    assert detector.shown == count
    assert torch.equal(found.features.features, expected(data, count)[:, :8])
    assert len(files(kept)) == len(before) + 1
    assert before < files(kept)


def test_all_images_are_the_same_as_their_number(kept):
    detector = PixelDetector()
    reference.of_real(dataset(40), None, detector, CPU)
    reference.of_real(dataset(40), 40, detector, CPU)
    assert detector.shown == 40


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "other tensors", "other number"])
def test_a_damaged_file_is_replaced(kept, damage):
    good = reference.of_real(dataset(), 30, PixelDetector(), CPU)
    (path,) = kept.iterdir()
    content = path.read_bytes()
    if damage == "other tensors":
        save_file({"x": torch.zeros(3)}, path)
    elif damage == "other number":
        save_file({"features": torch.zeros(3, 8), "logits": torch.zeros(3, 3)}, path)
    else:
        path.write_bytes({"truncated": content[:-50], "empty": b"", "text": b"hello" * 50}[damage])
    detector = PixelDetector()
    found = reference.of_real(dataset(), 30, detector, CPU)
    assert detector.shown == 30
    assert torch.equal(found.features.features, good.features.features)
    assert torch.equal(load_file(path)["features"], good.features.features)
    assert files(kept) == {path.name}
