"""Every dotted name that README, docs and examples use is there, from nothing but ``import logan``."""

import importlib
import re
from pathlib import Path

import pytest

import logan

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path for pattern in ("*.md", "docs/**/*.md", "docs/**/*.ipynb", "examples/**/*.py", "examples/**/*.ipynb", "examples/**/*.md")
    for path in ROOT.glob(pattern)
)  # fmt: skip
NAME = re.compile(r"(?<![\w./-])logan(?:\.[A-Za-z_]\w*)+(?![\w/-])")
NO_NAMES = re.compile(r"logan\.(NAME|yml|yaml|toml|md|py|egg|bib)\b")
"""What looks like one, and is a placeholder or a file."""


def names_in(text):
    return {name for name in NAME.findall(text) if not NO_NAMES.match(name)}


def find(name):
    """What a name stands for, as Python looks it up after ``import logan``; a module below a room may have to be imported."""
    found, where = logan, "logan"
    for part in name.split(".")[1:]:
        where += f".{part}"
        try:
            found = getattr(found, part)
        except AttributeError:
            if not hasattr(found, "__path__"):
                raise
            found = importlib.import_module(where)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_name_is_there(page):
    for name in sorted(names_in(page.read_text(encoding="utf-8"))):
        try:
            find(name)
        except (AttributeError, ImportError) as error:
            pytest.fail(f"{page.relative_to(ROOT)} has {name}: {error}")


def test_it_would_notice():
    assert names_in("`logan.LatentStep`, logan.networks.create(…), runs/logan.x, logan.md") == {
        "logan.LatentStep", "logan.networks.create",
    }  # fmt: skip
    assert find("logan.networks.create") is logan.networks.create
    for name in ("logan.nonsense", "logan.networks.nonsense", "logan.LatentStep.nonsense"):
        with pytest.raises((AttributeError, ImportError)):
            find(name)
    assert sum(len(names_in(page.read_text(encoding="utf-8"))) for page in PAGES) > 20
