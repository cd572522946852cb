"""Running a detector over batches."""

import math

import pytest
import torch

from logan.errors import InputError
from logan.metrics.detector import Features, extract


class Sums:
    """Its features are sums over each image, its logits the features' negatives; it keeps what it was given."""

    name, sha256, size = "sums", "0" * 64, 8

    def __init__(self, dtype=torch.float32):
        self.dtype, self.seen = dtype, []
        self.weight = torch.ones((), dtype=dtype, requires_grad=True)

    def __call__(self, images):
        self.seen.append(images)
        features = images.to(self.dtype).flatten(2).mean(2) * self.weight
        return features, -features[:, :1]

    def to(self, device):
        return self


@pytest.fixture
def images():
    torch.manual_seed(0)
    return torch.rand(10, 3, 4, 4) * 2 - 1


def test_batches_make_no_difference(images):
    whole, parts = extract(Sums(), [images]), extract(Sums(), images.split(4))
    assert torch.equal(whole.features, parts.features)
    assert torch.equal(whole.logits, parts.logits)


def test_features_and_logits_are_the_detectors(images):
    found = extract(Sums(), [images])
    expected = ((images + 1) * 127.5).round().flatten(2).mean(2)
    torch.testing.assert_close(found.features, expected)
    torch.testing.assert_close(found.logits, -expected[:, :1])
    assert len(found) == 10


def test_detector_sees_uint8(images):
    detector = Sums()
    extract(detector, images.split(4))
    assert [x.dtype for x in detector.seen] == [torch.uint8] * 3


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_results_are_float32_without_gradients(images, dtype):
    found = extract(Sums(dtype), [images])
    assert found.features.dtype == found.logits.dtype == torch.float32
    assert not found.features.requires_grad


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_image_that_is_not_finite_has_no_features(images, value):
    images[2, 1, 3, 3] = value
    found = extract(Sums(), images.split(1))
    assert found.features[2].isnan().all()
    assert found.logits[2].isnan().all()
    assert not found.finite


def test_images_of_other_batches_keep_their_features(images):
    expected = extract(Sums(), [images[5:]])
    images[2] = math.nan
    found = extract(Sums(), images.split(5))
    assert torch.equal(found.features[5:], expected.features)


def test_finite_images_are_finite(images):
    assert extract(Sums(), [images]).finite


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("where", ["features", "logits"])
def test_finite_looks_at_features_and_logits(where, value):
    parts = {"features": torch.zeros(3, 2), "logits": torch.zeros(3, 2)}
    assert Features(**parts).finite
    parts[where][1, 0] = value
    assert not Features(**parts).finite


def test_first(images):
    found = extract(Sums(), [images])
    assert torch.equal(found.first(4).features, found.features[:4])
    assert torch.equal(found.first(4).logits, found.logits[:4])


def test_bright_images_are_refused_unless_a_generator_made_them(images):
    bright = images.abs()
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        extract(Sums(), [bright])
    assert extract(Sums(), [bright], from_generator=True).finite


def test_bright_images_of_a_diverged_generator_are_marked_and_not_refused(images):
    bright = images.abs()
    bright[2, 0, 0, 0] = math.nan
    assert not extract(Sums(), [bright], from_generator=True).finite


def test_pixels_pass_as_they_are(images):
    pixels = (images * 100 + 128).to(torch.uint8)
    torch.testing.assert_close(extract(Sums(), [pixels]).features, pixels.float().flatten(2).mean(2))
