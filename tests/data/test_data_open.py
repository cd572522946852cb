"""One word or path to a data set, and what it holds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from logan.data import InMemory, load_digits, open_data
from logan.errors import InputError


def test_digits_are_scikit_learn_s():
    theirs = pytest.importorskip("sklearn.datasets").load_digits()
    ours = load_digits()
    assert (ours.images[:, 0].numpy() == np.rint(theirs.images * 255 / 16)).all()
    assert (ours.labels.numpy() == theirs.target).all()
    assert (len(ours), ours.image_size, ours.channels, ours.num_classes) == (1797, 8, 1, 10)
    assert (ours.images.min(), ours.images.max()) == (0, 255)


def test_digits_by_name():
    assert torch.equal(open_data("digits").images, load_digits().images)
    assert open_data("digits", pad=4).images.shape == (1797, 1, 16, 16)
    assert open_data("digits", channels=3).images.shape == (1797, 3, 8, 8)


@pytest.mark.parametrize("channels", [1, 3])
def test_smaller_digits_are_reduced_without_aliasing(channels):
    small = open_data("digits", image_size=6, pad=1, channels=channels).images
    assert small.shape == (1797, channels, 6, 6)
    first = Image.fromarray(load_digits().images[0, 0].numpy()).resize((4, 4), Image.Resampling.LANCZOS)
    assert (small[0, channels - 1, 1:-1, 1:-1].numpy() == np.asarray(first)).all()
    assert small[:, :, 0].eq(0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 16}, r"smaller than the network's size \(16\): pass `pad` 4, or `image_size` 8"),
        ({"image_size": 9}, r"smaller than the network's size \(9\): pass `image_size` 8"),
        ({"image_size": 4, "pad": 2}, "leaves no pixel"),
        ({"pad": -1}, "`pad` must be at least 0"),
        ({"channels": 2}, "`channels` must be 1 or 3"),
    ],
)
def test_bad_shapes(options, message):
    with pytest.raises(InputError, match=message):
        open_data("digits", **options)


def test_misspelt_and_missing(tmp_path):
    with pytest.raises(
        InputError, match=r"no data called 'digts' \(did you mean 'digits'\?\): give digits, ring, grid, or"
    ):
        open_data("digts")
    with pytest.raises(InputError, match="no such file or folder"):
        open_data(str(tmp_path / "digts"))
    with pytest.raises(InputError, match="no such file or folder"):
        open_data("digts.zip")


def test_mixtures_take_no_image_options():
    assert open_data("ring", image_size=1, channels=2).num_classes == 8
    for options in ({"image_size": 32}, {"channels": 3}, {"pad": 1}):
        with pytest.raises(InputError, match="points in the plane"):
            open_data("grid", **options)


def test_luminance_is_pillow_s():
    rgb = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    from logan.data.fit import fit
    from logan.data.images import Wanted

    data = InMemory(torch.from_numpy(rgb).permute(2, 0, 1)[None])
    assert (fit(data, Wanted(channels=1)).images[0, 0].numpy() == np.asarray(Image.fromarray(rgb).convert("L"))).all()


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (torch.zeros(2, 1, 4, 4), None, "must be uint8"),
        (torch.zeros(2, 1, 4, 5, dtype=torch.uint8), None, "must be uint8"),
        (torch.zeros(0, 1, 4, 4, dtype=torch.uint8), None, "N ≥ 1"),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.tensor([0]), "2 images need as many integer"),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.zeros(2), "integer labels, not torch.float32"),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.tensor([0, -1]), "labels go from -1"),
    ],
)
def test_in_memory_checks_its_arguments(images, labels, message):
    with pytest.raises(InputError, match=message):
        InMemory(images, labels)


def test_in_memory_moves():
    data = InMemory(
        torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.tensor([0, 1], dtype=torch.int32), "n", ["a", "b"]
    )
    moved = data.to("cpu")
    assert (moved.name, moved.class_names, len(moved)) == ("n", ["a", "b"], 2)
    assert moved.batch(torch.tensor([1]))[1].dtype == torch.int64
    assert data.to("meta").images.device.type == "meta"
