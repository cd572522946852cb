"""Features of real images are extracted once."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from logan import sealed
from logan.evaluation import reference
from logan.files import WriteError

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


DAMAGES = {
    "other tensors": {"x": torch.zeros(3)},
    "other number": {"features": torch.zeros(3, 8), "logits": torch.zeros(3, 3)},
    "one more": {"features": torch.zeros(30, 8), "logits": torch.zeros(30, 3), "x": torch.zeros(3)},
    "one less": {"features": torch.zeros(30, 8)},
    "zeros of integers": {"features": torch.zeros(30, 8, dtype=torch.int64), "logits": torch.zeros(30, 3)},
    "in double precision": {"features": torch.zeros(30, 8).double(), "logits": torch.zeros(30, 3)},
    "NaN": {"features": torch.full((30, 8), torch.nan), "logits": torch.zeros(30, 3)},
    "infinite": {"features": torch.zeros(30, 8), "logits": torch.full((30, 3), torch.inf)},
    "no column": {"features": torch.zeros(30, 0), "logits": torch.zeros(30, 3)},
    "a row of numbers": {"features": torch.zeros(30), "logits": torch.zeros(30, 3)},
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_not_features_of_these_images_is_made_again(kept, damage):
    """The checksum is right: somebody, or something else, wrote it so."""
    good = reference.of_real(dataset(), 30, PixelDetector(), CPU)
    (path,) = kept.iterdir()
    sealed.write(path, reference.FORMAT, DAMAGES[damage])
    detector, said = PixelDetector(), []
    found = reference.of_real(dataset(), 30, detector, CPU, said.append)
    assert detector.shown == 30
    assert torch.equal(found.features.features, good.features.features)
    (line,) = said
    assert line.startswith(f"{path} is damaged or of an older version (")
    assert line.endswith("): the features are computed again")
    reference.of_real(dataset(), 30, detector, CPU, said.append)
    assert (detector.shown, len(said)) == (30, 1)


def test_every_bit_counts(kept):
    good = reference.of_real(dataset(), 30, PixelDetector(), CPU)
    (path,) = kept.iterdir()
    content = path.read_bytes()
    for place in range(0, len(content), len(content) // 40):
        for bit in (1, 64):
            path.write_bytes(content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :])
            detector, said = PixelDetector(), []
            found = reference.of_real(dataset(), 30, detector, CPU, said.append)
            assert (detector.shown, len(said)) == (30, 1), place
            assert torch.equal(found.features.features, good.features.features)
            assert torch.equal(sealed.read(path)[1]["features"], good.features.features)


def test_what_cannot_be_kept_is_used(kept, monkeypatch):
    def full(*args):
        raise WriteError("no room")

    monkeypatch.setattr(sealed, "write_atomically", full)
    said = []
    found = reference.of_real(dataset(), 30, PixelDetector(), CPU, said.append)
    assert len(found.features) == 30
    assert said == ["no room. The features of the real images are used, and not kept"]


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "older"])
def test_a_damaged_file_is_replaced(kept, damage):
    good = reference.of_real(dataset(), 30, PixelDetector(), CPU)
    (path,) = kept.iterdir()
    content = path.read_bytes()
    if damage == "older":
        save_file(load_file(path), path)
    else:
        path.write_bytes({"truncated": content[:-50], "empty": b"", "text": b"hello" * 50}[damage])
    detector = PixelDetector()
    found = reference.of_real(dataset(), 30, detector, CPU)
    assert detector.shown == 30
    assert torch.equal(found.features.features, good.features.features)
    assert torch.equal(load_file(path)["features"], good.features.features)
    assert files(kept) == {path.name}
