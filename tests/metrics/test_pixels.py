"""From floats in [−1, 1] to uint8, and what is refused on the way."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from logan.errors import InputError
from logan.metrics.pixels import resized, to_pixels

F64 = torch.float64


def image(*values: float, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.tensor(values, dtype=dtype).view(1, 1, 1, -1)


def pixels(*values: float, dtype: torch.dtype = torch.float32, **how) -> list[int]:
    return to_pixels(image(*values, dtype=dtype), **how).flatten().tolist()


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_every_pixel_value_comes_back(dtype):
    values = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert torch.equal(to_pixels(values.to(dtype) / 127.5 - 1), values)


@pytest.mark.parametrize(("part", "up"), [(-0.49, 0), (0.49, 0), (0.51, 1)])
def test_values_are_rounded_to_the_nearest(part, up):
    v = torch.arange(1, 255, dtype=F64)
    assert torch.equal(to_pixels(((v + part) / 127.5 - 1).view(1, 1, 1, -1)).flatten(), (v + up).to(torch.uint8))


def test_ends_and_middle():
    assert pixels(-1, 0, 1) == [0, 128, 255]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened_before_it_is_scaled(dtype):
    values = torch.linspace(-1, 1, 101).to(dtype)
    expected = ((values.double() + 1) * 127.5).round().to(torch.uint8)
    assert pixels(*values.tolist(), dtype=dtype) == expected.tolist()


def test_uint8_passes_as_it_is():
    values = torch.arange(256, dtype=torch.uint8).view(2, 2, 8, 8)
    assert torch.equal(to_pixels(values), values)


def test_no_images_are_no_error():
    assert to_pixels(torch.zeros(0, 3, 4, 4)).shape == (0, 3, 4, 4)


@pytest.mark.parametrize("values", [(0.0, 0.5, 1.0), (0.2, 0.7), (0.0, 0.0), (1.0, 1.0)])
def test_images_in_0_to_1_are_refused(values):
    with pytest.raises(InputError, match=r"they look like \[0, 1\]"):
        pixels(*values)


def test_bright_images_of_a_generator_pass():
    assert pixels(0.0, 0.2, 1.0, from_generator=True) == [128, 153, 255]


@pytest.mark.parametrize("from_generator", [False, True])
@pytest.mark.parametrize("values", [(0.0, 128.0, 255.0), (-1.0, 1.01), (-1.01, 1.0), (-127.5, 127.5)])
def test_values_beyond_1_are_refused(values, from_generator):
    with pytest.raises(InputError, match=r"must lie in \[-1, 1\], and these go from"):
        pixels(*values, from_generator=from_generator)


@pytest.mark.parametrize("from_generator", [False, True])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_are_refused(value, from_generator):
    with pytest.raises(InputError, match="must lie in"):
        pixels(-0.5, value, 0.5, from_generator=from_generator)


def test_one_dark_pixel_among_many_images_is_enough():
    """The range is that of the whole batch."""
    images = torch.full((5, 1, 4, 4), 0.5)
    images[4, 0, 3, 3] = -0.5
    assert to_pixels(images).unique().tolist() == [64, 191]


def test_slack_of_a_thousandth_is_clamped_and_does_not_wrap():
    assert pixels(-1.0009, 1.0009) == [0, 255]


@pytest.mark.parametrize("values", [(-1.0011, 0.0), (-0.5, 1.0011)])
def test_slack_ends_at_a_thousandth(values):
    with pytest.raises(InputError):
        pixels(*values)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int8, torch.bool])
def test_other_types_are_refused(dtype):
    with pytest.raises(InputError, match="must be uint8, or floats"):
        to_pixels(torch.zeros(1, 1, 2, 2, dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("shape", [(3, 8, 8), (8, 8), (1, 1, 3, 8, 8)])
def test_other_numbers_of_dimensions_are_refused(shape, dtype):
    with pytest.raises(InputError, match=r"of shape \(N, C, H, W\), not"):
        to_pixels(-torch.ones(shape).to(dtype))


@pytest.mark.parametrize(("height", "width"), [(32, 32), (128, 128), (224, 224), (300, 500), (8, 40)])
def test_resizing_is_pillows_bicubic(height, width):
    pixels = torch.randint(256, (2, 3, height, width), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    found = resized(pixels, 224)
    for image, own in zip(pixels, found, strict=True):
        for x, y in zip(image, own, strict=True):
            whole = Image.fromarray(x.numpy().astype(np.float32)).resize((224, 224), Image.Resampling.BICUBIC)
            assert np.abs(np.asarray(whole).clip(0, 255) - y.numpy()).max() < 0.01


def test_resizing_makes_colour_of_grey():
    grey = torch.randint(256, (2, 1, 20, 20), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    found = resized(grey, 30)
    assert found.shape == (2, 3, 30, 30)
    assert torch.equal(found[:, 0], found[:, 2])
    assert torch.equal(found, resized(grey.repeat(1, 3, 1, 1), 30))


def test_an_image_of_the_right_size_stays_as_it_is():
    pixels = torch.randint(256, (1, 3, 24, 24), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    torch.testing.assert_close(resized(pixels, 24), pixels.float(), atol=1e-3, rtol=0)
