"""The scores do not need torch-fidelity, and neither package's trouble with torchvision reaches them."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import logan
from logan.metrics import torch_fidelity

installed = pytest.mark.skipif(find_spec("torch_fidelity") is None, reason="torch-fidelity is not installed")

HIDE = """
import importlib.util, sys

HIDDEN = {"torch_fidelity", "torchvision"}

class Without:
    '''A finder that has never heard of the hidden packages, nor of their metadata, which torchmetrics asks for.'''
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in HIDDEN else self.finder.find_spec(name, path, target)
    def find_distributions(self, context):
        hidden = (context.name or "").lower().replace("-", "_") in HIDDEN
        return [] if hidden or not hasattr(self.finder, "find_distributions") else self.finder.find_distributions(context)
    def invalidate_caches(self):
        getattr(self.finder, "invalidate_caches", lambda: None)()

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
assert all(importlib.util.find_spec(name) is None for name in HIDDEN)
"""

SCORES = """
import json, torch
from logan.metrics.distances import FrechetStatistics, fid, inception_score, kid

x, y = torch.arange(40.0).view(10, 4).sin(), torch.arange(40.0).view(10, 4).cos()
scores = {"fid": fid(FrechetStatistics.of(x), FrechetStatistics.of(y)), "kid": kid(x, y), "is": inception_score(x, splits=2)}
"""

ERROR = """
from logan.errors import InputError
from logan.metrics.inception import InceptionDetector
try:
    InceptionDetector("anything.pth")
except InputError as error:
    scores["error"] = str(error)
scores["loaded"] = [name for name in HIDDEN if name in sys.modules]
"""


def python(code: str, *more_path: Path) -> dict:
    """What ``scores`` is after this code, in a fresh interpreter with the same logan."""
    path = os.pathsep.join(map(str, [*more_path, Path(logan.__file__).parents[1]]))
    done = subprocess.run(
        [sys.executable, "-c", code + "\nprint(json.dumps(scores))"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def here() -> dict:
    """The same scores in this process, with whatever is installed."""
    values: dict = {}
    exec(SCORES, values)
    return values["scores"]


@pytest.fixture(scope="module")
def without() -> dict:
    return python(HIDE + SCORES + ERROR)


@pytest.mark.parametrize("score", ["fid", "kid", "is"])
def test_scores_without_torch_fidelity(score, here, without):
    assert without[score] == pytest.approx(here[score], rel=1e-12)


def test_inception_without_torch_fidelity_names_the_extra(without):
    assert "the extra 'inception': pip install --no-deps torch-fidelity" in without["error"]
    assert "\n" not in without["error"]


def test_hidden_packages_were_never_imported(without):
    """Else the tests above would show nothing."""
    assert without["loaded"] == []


@installed
def test_torch_fidelity_without_torchvision(here):
    """Its ``__init__`` fails, and its Inception module is there all the same, before and after torchmetrics."""
    code = HIDE.replace('"torch_fidelity", ', "")
    first = "from logan.metrics.torch_fidelity import inception_class\nname = inception_class().__name__\n"
    scores = python(code + first + SCORES + "scores['name'] = name; scores['again'] = inception_class().__name__")
    assert scores.pop("name") == scores.pop("again") == "FeatureExtractorInceptionV3"
    assert scores["fid"] == pytest.approx(here["fid"], rel=1e-12)


def test_torchvision_of_another_build_of_torch(here, tmp_path):
    """Such a one is installed, and raises when imported; torchmetrics imports it wherever it is installed."""
    package, metadata = tmp_path / "torchvision", tmp_path / "torchvision-0.1.dist-info"
    package.mkdir(), metadata.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')\n")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: torchvision\nVersion: 0.1\n")
    scores = python(SCORES, tmp_path)
    assert scores["fid"] == pytest.approx(here["fid"], rel=1e-12)


@installed
def test_inception_class_is_torch_fidelitys_own():
    network = torch_fidelity.inception_class()
    assert network.__module__ == "torch_fidelity.feature_extractor_inceptionv3"
    assert network.__name__ == "FeatureExtractorInceptionV3"


@pytest.mark.parametrize("name", ["fid", "kid", "inception"])
def test_torchmetrics_modules_come_by_their_own_names(name):
    assert torch_fidelity.torchmetrics_image(name).__name__ == f"torchmetrics.image.{name}"
