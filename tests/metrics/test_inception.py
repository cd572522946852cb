"""The wiring of the Inception network, with random weights in the published file's format."""

import hashlib
import io
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import nn

from logan.errors import InputError
from logan.metrics import inception
from logan.metrics.inception import InceptionDetector, find_weights
from logan.metrics.torch_fidelity import inception_class

installed = pytest.mark.skipif(find_spec("torch_fidelity") is None, reason="torch-fidelity is not installed")


def random_weights() -> dict[str, torch.Tensor]:
    """He's initial values keep the activations' size through all layers; nothing is at its neutral value."""

    class Blank(inception_class()):
        def load_state_dict(self, state):
            pass

    nothing = io.BytesIO()
    torch.save({}, nothing)
    nothing.seek(0)
    network = Blank("blank", ["2048"], feature_extractor_weights_path=nothing)
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, generator=generator)
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.8, 1.2, generator=generator)
        if isinstance(module, nn.BatchNorm2d | nn.Linear):
            module.bias.normal_(0, 0.1, generator=generator)
    return network.state_dict()


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.save(random_weights(), path)
    return path


@pytest.fixture(scope="module")
def detector(weights) -> InceptionDetector:
    return InceptionDetector(weights, check=False)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randint(0, 256, (2, 3, 32, 24), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


@pytest.fixture(scope="module")
def theirs(weights):
    """torch-fidelity's extractor, given the file and nothing else."""
    return inception_class()("inception", ["2048", "logits_unbiased", "logits"], str(weights))


@pytest.fixture(scope="module")
def found(detector, images):
    return detector(images)


@installed
def test_features_and_logits_are_torch_fidelitys(found, theirs, images):
    features, logits, _ = theirs(images)
    torch.testing.assert_close(found[0], features, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found[1], logits, rtol=1e-5, atol=1e-5)


@installed
def test_random_weights_make_sane_features(found):
    """Else the comparison would be of zeros, or of infinities."""
    features, logits = found
    assert (features.shape, logits.shape) == ((2, 2048), (2, 1008))
    assert 0.01 < features.std() < 100
    assert 0.01 < logits.std() < 1000
    assert (features[0] - features[1]).abs().max() > 0.01


@installed
def test_logits_are_without_their_bias(found, detector):
    torch.testing.assert_close(found[1], found[0] @ detector.network.fc.weight.T, rtol=1e-4, atol=1e-4)
    assert detector.network.fc.bias.std() > 0.05


@installed
def test_grey_is_three_equal_channels(detector, theirs, images):
    grey = images[:, :1]
    features, logits, _ = theirs(torch.cat([grey, grey, grey], 1))
    found = detector(grey)
    torch.testing.assert_close(found[0], features, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found[1], logits, rtol=1e-5, atol=1e-5)


@installed
def test_detector_is_frozen_and_has_its_name_and_the_files_sha256(detector, weights):
    assert detector.name == "inception"
    assert detector.sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert not detector.network.training
    assert not any(p.requires_grad for p in detector.network.parameters())


@installed
def test_weights_that_are_not_the_published_ones_are_refused(weights):
    with pytest.raises(
        InputError, match=r"is not weights-inception-2015-12-05-6726825d.pth: its sha256 is [0-9a-f]{8}…"
    ):
        InceptionDetector(weights)


@installed
def test_weights_with_the_published_sha256_are_accepted(weights, detector, monkeypatch):
    """The published file itself is not at hand; here the random one is declared to be it."""
    monkeypatch.setattr(inception, "SHA256_START", detector.sha256[:8])
    assert InceptionDetector(weights).sha256 == detector.sha256


def test_published_sha256_is_in_the_files_name():
    assert f"-{inception.SHA256_START}.pth" in inception.FILE_NAME
    assert inception.URL.endswith(f"/{inception.FILE_NAME}")


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        InceptionDetector(path, check=False)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_missing_file_is_refused_and_it_says_where_to_get_it(tmp_path):
    message = refused(tmp_path / "none.pth")
    assert "does not exist" in message
    assert inception.URL in message


@installed
@pytest.mark.parametrize("kind", ["cut", "empty", "text"])
def test_damaged_file_is_refused(kind, weights, tmp_path):
    content = {"cut": weights.read_bytes()[:100_000], "empty": b"", "text": b"Not weights.\n" * 50}[kind]
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    assert "is damaged or not the weights" in refused(path)


@installed
@pytest.mark.parametrize("state", [{"a": torch.zeros(3)}, [torch.zeros(3)], torch.zeros(3), {}])
def test_file_of_something_else_is_refused(state, tmp_path):
    torch.save(state, tmp_path / "weights.pth")
    assert "is damaged or not the weights" in refused(tmp_path / "weights.pth")


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@installed
@pytest.mark.parametrize("as_zip", [True, False])
def test_file_with_code_is_refused_and_the_code_not_run(as_zip, tmp_path):
    path, trap = tmp_path / "weights.pth", tmp_path / "sprung"
    torch.save({"fc.bias": Trap(trap)}, path, _use_new_zipfile_serialization=as_zip)
    refused(path)
    assert not trap.exists()
    torch.load(path, weights_only=False)
    assert trap.exists(), "the trap does not work"


def test_weights_are_looked_for_in_torchs_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(InputError, match="no Inception weights at .*; download https://.* or use `detector` auto"):
        find_weights(None)
    path = tmp_path / "checkpoints" / inception.FILE_NAME
    path.parent.mkdir()
    path.touch()
    assert find_weights(None) == path


def test_given_weights_may_begin_with_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "w.pth").touch()
    assert find_weights("~/w.pth") == tmp_path / "w.pth"
