"""Where things are kept, and under which names."""

from pathlib import Path

import pytest
import torch

from logan.data import InMemory, Streamed, open_data
from logan.errors import InputError
from logan.evaluation import cache

from .small import dataset, idx_folder


@pytest.fixture
def places(tmp_path, monkeypatch):
    """All three are set; tests remove some."""
    monkeypatch.setenv("LOGAN_CACHE", str(tmp_path / "logan"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    return monkeypatch


def test_logan_cache_comes_first(places, tmp_path):
    assert cache.folder() == tmp_path / "logan"
    assert cache.folder().is_dir()


@pytest.mark.parametrize("empty", [True, False])
def test_then_xdg_cache_home(places, tmp_path, empty):
    places.setenv("LOGAN_CACHE", "") if empty else places.delenv("LOGAN_CACHE")
    assert cache.folder() == tmp_path / "xdg" / "logan"
    assert cache.folder().is_dir()


def test_then_the_home(places, tmp_path):
    places.delenv("LOGAN_CACHE")
    places.delenv("XDG_CACHE_HOME")
    assert cache.folder() == tmp_path / "home" / ".cache" / "logan"
    assert cache.folder().is_dir()


@pytest.mark.parametrize("inside", ["file", "file/deeper"])
def test_a_folder_that_cannot_be_made(places, tmp_path, inside):
    (tmp_path / "file").write_text("")
    places.setenv("LOGAN_CACHE", str(tmp_path / inside))
    with pytest.raises(InputError, match="file.* cannot be made .*LOGAN_CACHE"):
        cache.folder()


def test_the_key_is_stable():
    assert cache.key_of(dataset()) == cache.key_of(dataset())


def test_the_key_does_not_depend_on_the_name():
    data = dataset()
    assert cache.key_of(InMemory(data.images, data.labels, "another name")) == cache.key_of(data)


def test_the_key_of_the_digits_is_the_one_their_classifier_is_shipped_under():
    assert cache.key_of(open_data("digits")).startswith("c162a8d7d83f4696")


@pytest.mark.parametrize("index", [0, 299, 1999])
def test_every_pixel_counts(index):
    data = dataset(2000)
    images = data.images.clone()
    images[index, 0, 7, 7] ^= 1
    assert cache.key_of(InMemory(images, data.labels)) != cache.key_of(data)


@pytest.mark.parametrize("index", [0, 1999])
def test_every_label_counts(index):
    data = dataset(2000)
    labels = data.labels.clone()
    labels[index] = 1 - labels[index]
    assert cache.key_of(InMemory(data.images, labels)) != cache.key_of(data)


def test_order_and_number_count():
    data = dataset(10, classes=0)
    keys = [cache.key_of(InMemory(images)) for images in (data.images, data.images.flip(0), data.images[:9])]
    assert len(set(keys)) == 3


def test_padding_counts(tmp_path):
    folder = str(idx_folder(tmp_path / "small"))
    assert cache.key_of(open_data(folder)) != cache.key_of(open_data(folder, pad=1))


def streamed(images):
    return Streamed(lambda i: images[i], len(images), (1, 8), name="streamed")


def test_a_streamed_set_has_a_key_of_its_pixels():
    images = dataset().images
    changed = images.clone()
    changed[3] = 0
    assert cache.key_of(streamed(images)) == cache.key_of(streamed(images))
    assert cache.key_of(streamed(images)) != cache.key_of(streamed(changed))
    assert torch.equal(streamed(images).batch(torch.tensor([3]))[0], images[3:4])
