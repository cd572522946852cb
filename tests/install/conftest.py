"""What is built from this checkout, once for all tests here."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.install.project import PYPROJECT, ROOT

BUILD = """
import sys
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder
builder = {"sdist": SdistBuilder, "wheel": WheelBuilder}[sys.argv[1]]
print(*builder(sys.argv[2]).build(directory=sys.argv[3]))
"""


def python_of(environment: Path) -> Path:
    """The interpreter of a virtual environment."""
    return next(p for p in (environment / "bin" / "python", environment / "Scripts" / "python.exe") if p.exists())


@pytest.fixture(scope="session")
def hatchling(tmp_path_factory):
    """A Python that has hatchling, in an environment of its own."""
    where = tmp_path_factory.mktemp("hatchling")
    subprocess.run([sys.executable, "-m", "venv", where], check=True)
    python = python_of(where)
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", *PYPROJECT["build-system"]["requires"]],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("no package registry is reached from here")
    return python


@pytest.fixture(scope="session")
def built(hatchling, tmp_path_factory):
    """Both, the wheel from what the source distribution holds."""
    out = tmp_path_factory.mktemp("built")

    def build(kind, source):
        done = subprocess.run([hatchling, "-c", BUILD, kind, source, out], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return Path(done.stdout.split()[-1])

    sdist = build("sdist", ROOT)
    with tarfile.open(sdist) as archive:
        archive.extractall(out / "unpacked", filter="data")
    (source,) = (out / "unpacked").iterdir()
    return sdist, build("wheel", source)
