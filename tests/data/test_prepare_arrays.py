"""``logan data prepare`` into a .npy, and training from it."""

import pickle

import numpy as np
import pytest
import torch

from logan.data import InMemory, Streamed, batches, open_data
from logan.data.images import Fit
from logan.errors import InputError
from tests.data.imagenet_like import SYNSETS, encoded, picture, prepare, write_folder


@pytest.mark.parametrize("limit", [2**30, 0])
def test_training_reads_an_array_in_memory_or_mapped(folder, tmp_path, limit):
    for i, end in enumerate(("zip", "npy", "npy")):
        assert prepare(folder, tmp_path / f"{i}.{end}", "--size", 8, "--workers", 1 + i) == 0
    assert (tmp_path / "1.npy").read_bytes() == (tmp_path / "2.npy").read_bytes()
    theirs = np.load(tmp_path / "1.npy", mmap_mode="r")  # any program of NumPy's reads the images
    for options in ({}, {"image_size": 6, "channels": 1, "pad": 1}, {"pad": 2}):
        a = open_data(str(tmp_path / "0.zip"), memory_limit=limit, **options)
        b = open_data(str(tmp_path / "1.npy"), memory_limit=limit, **options)
        assert isinstance(b, InMemory if limit else Streamed)
        assert (len(b), b.image_size, b.channels, b.class_names) == (len(a), a.image_size, a.channels, list(SYNSETS))
        everything = torch.arange(len(a))
        assert all(torch.equal(x, y) for x, y in zip(a.batch(everything), b.batch(everything), strict=True))
    assert theirs.shape == (8, 3, 8, 8)
    again = pickle.loads(pickle.dumps(b))  # as worker processes get it
    assert torch.equal(again.batch(everything)[0], b.batch(everything)[0])
    if not limit:
        assert pickle.loads(pickle.dumps(b)).read._images is None  # not the whole array, which may be 60 GB


def test_worker_processes_map_an_array(folder, tmp_path):
    assert prepare(folder, tmp_path / "o.npy", "--size", 8) == 0
    data = open_data(str(tmp_path / "o.npy"), memory_limit=0)
    one, two = (next(batches(data, batch=8, seed=0, workers=n)) for n in (0, 1))
    assert torch.equal(one[0], two[0])
    assert one[1].sort()[0].tolist() == [0, 0, 0, 1, 1, 1, 2, 2]


def test_an_array_without_classes_and_with_fewer_images_than_planned(tmp_path):
    files = {f"{i:02d}.png": encoded(picture(i, 20 if i % 4 else 5)) for i in range(12)}
    write_folder(tmp_path / "flat", files)
    assert prepare(tmp_path / "flat", tmp_path / "o.npy", "--size", 8, "--channels", 1) == 0
    data = open_data(str(tmp_path / "o.npy"))
    assert (len(data), data.labels, data.num_classes) == (9, None, 0)
    assert torch.equal(data.images[8], Fit(8, 1)(picture(11), "11"))


def test_arrays_that_are_none(folder, tmp_path):
    assert prepare(folder, tmp_path / "o.npy", "--size", 8) == 0
    whole = (tmp_path / "o.npy").read_bytes()
    for name, data in {"cut": whole[:900], "behind": whole[:-200], "text": b"hello", "empty": b""}.items():
        (tmp_path / f"{name}.npy").write_bytes(data)
        with pytest.raises(InputError, match="cannot be read as a .npy file"):
            open_data(str(tmp_path / f"{name}.npy"))
    np.save(tmp_path / "last.npy", np.zeros((2, 8, 8, 3), np.uint8))
    with pytest.raises(InputError, match=r"shape \(N, 1 or 3, S, S\)"):
        open_data(str(tmp_path / "last.npy"))
    for options, message in (({"split": "test"}, "holds one split"), ({"image_size": 64}, "smaller than")):
        for limit in (2**30, 0):
            with pytest.raises(InputError, match=message):
                open_data(str(tmp_path / "o.npy"), memory_limit=limit, **options)
