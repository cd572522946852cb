"""What pyproject.toml says, for tests."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def _read() -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        tomllib = pytest.importorskip("tomli", reason="Python 3.10 has no parser of TOML")
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


PYPROJECT = _read()
PROJECT: dict[str, Any] = PYPROJECT["project"]
