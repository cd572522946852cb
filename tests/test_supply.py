"""What is installed: the ranges of pyproject.toml, and the pins of constraints.txt inside them."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

tomllib = pytest.importorskip("tomllib", reason="Python 3.10 has none")

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIRED = [Requirement(line) for line in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"])]
PINS = {
    canonicalize_name(pin.name): pin
    for pin in map(
        Requirement, filter(lambda line: line and line[0] != "#", (ROOT / "constraints.txt").read_text().splitlines())
    )
}


def test_every_pin_is_one_version():
    assert all(len(pin.specifier) == 1 and str(pin.specifier).startswith("==") for pin in PINS.values())


@pytest.mark.parametrize("required", REQUIRED, ids=lambda r: r.name)
def test_what_is_required_is_pinned_within_its_range(required):
    if required.name == "torch":
        assert "torch" not in PINS
        pinned = next(line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("TORCH "))
        version = pinned.partition("torch==")[2]
    else:
        version = str(PINS[canonicalize_name(required.name)].specifier).removeprefix("==")
    assert required.specifier.contains(version)


def test_the_next_tyro_is_not_taken_unseen():
    tyro = next(r for r in REQUIRED if r.name == "tyro")
    assert not tyro.specifier.contains("2.0.0")
    assert tyro.specifier.contains("1.0.0")
