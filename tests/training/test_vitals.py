"""What alarms are told at a tick and at a snapshot."""

from __future__ import annotations

import math

import pytest
import torch

from logan.data import Mixture
from logan.training import setup
from logan.training.vitals import Vitals, diversity, not_finite, overfitting, variance

from ..evaluation.small import folder_of_images, idx_folder
from .small import config


def vitals(**changes):
    settings = config(**changes)
    return Vitals(setup.build(settings, setup.training_data(settings)))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e30])
def test_a_gradient_that_was_not_finite_is_remembered(bad):
    weights = torch.nn.Parameter(torch.zeros(3))
    optimiser = torch.optim.Adam([weights], 1e-3)
    assert not not_finite(optimiser)
    for gradient in (torch.ones(3), torch.tensor([0.0, bad, 0.0]), torch.ones(3), torch.ones(3)):
        assert not not_finite(optimiser)
        weights.grad = gradient
        optimiser.step()
        if (
            not gradient.square().isfinite().all()
        ):  # the square of 1e30 is what float32 cannot hold: Adam no longer moves
            break
    for _ in range(50):
        weights.grad = torch.ones(3)
        optimiser.step()
    assert not_finite(optimiser)


def test_large_gradients_are_finite():
    weights = torch.nn.Parameter(torch.zeros(3))
    optimiser = torch.optim.Adam([weights], 1e-3)
    weights.grad = torch.full((3,), 1e15)
    optimiser.step()
    assert not not_finite(optimiser)


def test_variance_is_half_the_mean_squared_distance():
    x = torch.randn(6, 2, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    pairs = [(a - b).square().sum().item() for i, a in enumerate(x) for j, b in enumerate(x) if i != j]
    assert variance(x) == pytest.approx(sum(pairs) / len(pairs) / 2)


def test_variance_within_classes():
    x = torch.tensor([0.0, 2.0, 10.0, 14.0, 99.0]).view(5, 1, 1, 1)
    labels = torch.tensor([0, 0, 1, 1, 2])
    assert variance(x, labels) == (1 + 1 + 4 + 4) / 2
    assert math.isnan(variance(x[:1]))
    assert math.isnan(variance(x[::2], labels[::2]))


def test_diversity_of_constants_of_reals_and_of_nothing():
    constant = torch.ones(20, 1, 8, 8)
    v = vitals()
    data = v.parts.data
    reals = data.batch(torch.arange(0, len(data), 3))[0].float() / 127.5 - 1
    assert v.diversity(constant, None) == 0
    assert v.diversity(reals, None) == pytest.approx(1, abs=0.05)
    assert v.diversity(constant * math.nan, None) is None
    assert diversity(constant[:1], None, 1.0) is None
    assert diversity(reals, None, 0.0) is None


@pytest.mark.parametrize("name", ["ring", "grid"])
def test_diversity_of_a_mixture_is_measured_by_its_own_variance(name):
    v = vitals(data=name, mirror=False, network="mlp", batch=256)
    assert isinstance(v.parts.data, Mixture)
    points = next(v.parts.reals(0))[0]
    assert v.diversity(points, None) == pytest.approx(1, abs=0.15)


def test_overfitting_is_the_share_of_the_lead():
    level = torch.tensor([0.5, 0.5, 0.5, 0.5])
    assert overfitting(level + 1, level, 4.0) == 0.25
    spread = torch.tensor([0.0, 1.0, 0.0, 1.0])
    error = math.sqrt(2 * (1 / 3) / 4)
    assert overfitting(spread + 1, spread, 1.0) == pytest.approx(1 - 3 * error)
    assert overfitting(level, level, 0.0) is None
    assert overfitting(level, level, -1.0) is None
    assert overfitting(level * math.nan, level, 1.0) is None
    assert overfitting(level[:1], level, 1.0) is None


def test_d_is_compared_on_test_images_and_left_as_it_was(tmp_path):
    v = vitals(data=str(idx_folder(tmp_path / "idx", 100, 60)), mirror=False)
    d = v.parts.discriminator
    before = {k: x.clone() for k, x in d.state_dict().items()}
    random = torch.get_rng_state()
    assert v.overfitting(1.0) == v.overfitting(1.0) == pytest.approx(2 * v.overfitting(2.0))
    assert v.unwatched is None
    assert d.training
    assert all(torch.equal(before[k], x) for k, x in d.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())


def test_conditional_d_is_given_labels(tmp_path):
    v = vitals(data=str(idx_folder(tmp_path / "idx", 100, 60)), mirror=False, conditional=True)
    assert v.overfitting(1.0) is not None


@pytest.mark.parametrize(("test", "why"), [(0, "t10k"), (49, "fewer than 50 test images")])
def test_what_is_not_watched_is_said(tmp_path, test, why):
    v = vitals(data=str(idx_folder(tmp_path / "idx", 100, test)), mirror=False)
    assert v.overfitting(1.0) is None
    assert why in v.unwatched


@pytest.mark.parametrize("broken", [PermissionError(13, "Permission denied"), OSError("nothing there")])
def test_test_images_that_cannot_be_read_end_no_run(tmp_path, monkeypatch, broken):
    def fail(*args, **options):
        raise broken

    v = vitals(mirror=False)
    monkeypatch.setattr("logan.training.vitals.open_data", fail)
    assert v.overfitting(1.0) is None
    assert v.unwatched


def test_damaged_test_images_end_no_run(tmp_path):
    path = idx_folder(tmp_path / "idx", 100, 60)
    (path / "t10k-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03")
    v = vitals(data=str(path), mirror=False)
    assert v.overfitting(1.0) is None
    assert v.unwatched


def test_sets_without_test_images(tmp_path):
    for data in ("digits", str(folder_of_images(tmp_path / "folder", 60))):
        v = vitals(data=data, mirror=False)
        assert v.overfitting(1.0) is None
        assert v.unwatched
    ring = vitals(data="ring", mirror=False, network="mlp")
    assert (ring.overfitting(1.0), ring.unwatched) == (None, None)  # new points at every step: nothing to know by heart


def test_classes_of_another_split_are_others(tmp_path):
    root = tmp_path / "split"
    folder_of_images(root / "train", 60)
    folder_of_images(root / "test", 60, seed=1)
    assert vitals(data=str(root), mirror=False, conditional=True).overfitting(1.0) is not None
    (root / "test" / "1").rename(root / "test" / "2")
    v = vitals(data=str(root), mirror=False, conditional=True)
    assert v.overfitting(1.0) is None
    assert "other classes" in v.unwatched
    assert vitals(data=str(root), mirror=False).overfitting(1.0) is not None
