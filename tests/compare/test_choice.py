"""Which real images stand for a set, and which runs compare."""

from __future__ import annotations

import pytest
import torch

from logan.cli.main import main
from logan.compare.runs import read_points
from logan.errors import InputError
from logan.evaluation import cache, reference

from ..evaluation.small import RING, dataset


def by_class(n: int = 40):
    data = dataset(n)
    data.labels = data.labels.sort().values
    return data


def test_of_a_shuffled_set_the_first_ones():
    assert torch.equal(reference.chosen(dataset(40), 10), torch.arange(10))


def test_of_a_set_that_comes_class_by_class_some_of_every_class():
    data = by_class()
    indices = reference.chosen(data, 10)
    assert len(indices.unique()) == 10
    assert set(data.labels[indices].tolist()) == {0, 1}
    assert torch.equal(indices, reference.chosen(by_class(), 10))


def test_of_a_set_without_labels_they_are_drawn():
    assert not torch.equal(reference.chosen(dataset(40, classes=0), 20), torch.arange(20))


@pytest.mark.parametrize("count", [None, 40, 100])
def test_all_images_are_taken_in_order(count):
    assert torch.equal(reference.chosen(by_class(), count), torch.arange(40))


def test_the_order_of_labels_is_part_of_the_key():
    assert cache.key_of(by_class()) != cache.key_of(dataset(40))


@pytest.fixture(scope="module")
def longer(tmp_path_factory):
    out = tmp_path_factory.mktemp("longer")
    assert main(["train", *RING, "--kimg", "3", "--latent", "none", "--outdir", str(out)]) == 0
    return out / "00000-ring-none"


def test_a_longer_run_is_read_up_to_the_length_asked_for(longer):
    assert [p["images"] for p in read_points(longer, 2)] == [1000, 2000]
    assert [p["images"] for p in read_points(longer, 3)] == [1000, 2000, 3000]
    assert [p["images"] for p in read_points(longer, 4)] == [1000, 2000, 3000]


def test_a_longer_run_that_was_not_measured_there_is_refused(longer):
    with pytest.raises(InputError, match=r"not measured there; choose another `outdir`"):
        read_points(longer, 1.5)
