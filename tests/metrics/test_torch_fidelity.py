"""The scores need neither torch-fidelity nor torchmetrics, and its Inception network needs no torchvision."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec, module_from_spec
from pathlib import Path

import pytest

import logan
from logan.metrics import torch_fidelity

installed = pytest.mark.skipif(find_spec("torch_fidelity") is None, reason="torch-fidelity is not installed")

HIDE = """
import importlib.util, sys

HIDDEN = {"torch_fidelity", "torchmetrics", "torchvision"}

class Without:
    '''A finder that has never heard of the hidden packages.'''
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in HIDDEN else self.finder.find_spec(name, path, target)
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
    InceptionDetector(sys.executable)  # a file that is there
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
def test_scores_without_torch_fidelity_and_torchmetrics(score, here, without):
    assert without[score] == pytest.approx(here[score], rel=1e-12)


def test_inception_without_torch_fidelity_names_the_extra(without):
    assert 'pip install "logan-gan[inception]" (or pip install --no-deps torch-fidelity' in without["error"]
    assert "\n" not in without["error"]


def test_hidden_packages_were_never_imported(without):
    """Else the tests above would show nothing."""
    assert without["loaded"] == []


@installed
def test_torchvision_of_another_build_of_torch_is_no_hindrance(tmp_path):
    """Such a one is installed, and raises when imported; torch-fidelity's ``__init__`` would import it."""
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')\n")
    name = "from logan.metrics.torch_fidelity import inception_class\nimport json; scores = inception_class().__name__"
    assert python(name, tmp_path) == "FeatureExtractorInceptionV3"


@installed
def test_inception_class_is_torch_fidelitys_own():
    network = torch_fidelity.inception_class()
    assert network.__module__ == "torch_fidelity.feature_extractor_inceptionv3"
    assert network.__name__ == "FeatureExtractorInceptionV3"


@installed
def test_the_package_is_not_left_without_its_init(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch_fidelity", raising=False)
    with torch_fidelity.without_init():
        assert "torch_fidelity" in sys.modules
    assert "torch_fidelity" not in sys.modules


@installed
def test_a_package_that_is_there_already_stays(monkeypatch):
    there = module_from_spec(find_spec("torch_fidelity"))
    monkeypatch.setitem(sys.modules, "torch_fidelity", there)
    with torch_fidelity.without_init():
        assert sys.modules["torch_fidelity"] is there
    assert sys.modules["torch_fidelity"] is there
