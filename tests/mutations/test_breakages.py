"""The list of breakages cannot go stale: each has its place, once, and tests that are there."""

from pathlib import Path

import pytest

from .breakages import BREAKAGES

ROOT = Path(__file__).parents[2]


def test_there_are_many_and_no_two_of_one_name():
    assert len({b.name for b in BREAKAGES}) == len(BREAKAGES) >= 30


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda b: b.name)
def test_each_has_its_place(breakage):
    text = (ROOT / "src" / "logan" / breakage.file).read_text(encoding="utf-8")
    assert text.count(breakage.old) == 1
    assert breakage.new not in ("", breakage.old)
    assert all((ROOT / "tests" / name.partition("::")[0]).exists() for name in breakage.tests.split())
