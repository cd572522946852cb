"""Nobody is told to install from an index what is on none: only extras of what is installed already are asked for by name."""

from __future__ import annotations

import re
import subprocess

import pytest

from logan.sharing import Wording, export
from tests.install.project import ROOT
from tests.sharing.small import make_run

NAME_ALONE = re.compile(r"pip install (?:-\S+ )*[\"']?logan-gan(?![\w\[-])")
PLACES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/**/*.md",
    "examples/*",
    "src/logan/**/*.py",
    ".github/**/*",
)


def test_the_search_sees_all_forms():
    for line in (
        "pip install logan-gan",
        'pip install "logan-gan"',
        "uv pip install -U logan-gan\n",
        "pip install 'logan-gan'",
    ):
        assert NAME_ALONE.search(line), line
    for line in ('pip install "logan-gan[hub]"', "pip install .", "pip install logan-gan-else"):
        assert not NAME_ALONE.search(line), line


def test_no_page_and_no_message_says_so():
    paths = [path for place in PLACES for path in ROOT.glob(place) if path.is_file() and path.suffix != ".pyc"]
    assert len(paths) > 300
    wrong = [str(path.relative_to(ROOT)) for path in paths if NAME_ALONE.search(path.read_text("utf-8", "replace"))]
    assert wrong == []


@pytest.mark.parametrize("hub_name", [None, "somebody/digits"])
def test_a_card_says_where_it_comes_from(tmp_path, hub_name, monkeypatch):
    from logan.sharing import export_folder

    if hub_name is not None:
        written = export_folder._write
        monkeypatch.setattr(export_folder, "_write", lambda *a, **k: written(*a, **k | {"hub_name": hub_name}))
    export(make_run(tmp_path / "run"), tmp_path / "there", wording=Wording())
    card = (tmp_path / "there" / "README.md").read_text("utf-8")
    assert not NAME_ALONE.search(card)
    assert 'pip install ".[hub]"' in card if hub_name else 'pip install "."' in card
    assert "on no package index" in card


@pytest.mark.slow
def test_an_extra_of_what_is_installed_needs_no_index(built, tmp_path):
    """``pip install "logan-gan[extra]"``, as messages and pages have it, where only the extra's own packages can be had."""
    import sys

    from tests.install.conftest import python_of

    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    python = python_of(tmp_path / "env")
    index = tmp_path / "index"
    index.mkdir()
    pip = [python, "-m", "pip", "--isolated", "install", "--no-index", "--find-links", index]
    assert subprocess.run([*pip, "--no-deps", built[1]], check=False).returncode == 0
    done = subprocess.run([*pip, "--dry-run", "logan-gan[hub]"], capture_output=True, text=True, check=False)
    assert "logan-gan" in done.stdout  # it is there
    wanted = re.findall(r"No matching distribution found for (\S+)", done.stderr)
    assert wanted
    assert not wanted[0].startswith("logan")
