"""Where scripts of benchmarks/ find what lies beside them; and what the tests of benchmarks/gpu.py share."""

import importlib.util
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))


@pytest.fixture
def gpu():
    spec = importlib.util.spec_from_file_location("gpu", BENCHMARKS / "gpu.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def sheet(tmp_path):
    (tmp_path / "work").mkdir()
    asked = {"out": str(tmp_path), "work": str(tmp_path / "work"), "tiny": True, "data": None, "methods": None}
    from on_gpu.sheet import Sheet

    return Sheet(tmp_path / "part.json", asked, 100)
