"""What pages point to is there: files, headings in them, and files that are named in the text."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.docs.pages import PAGES, ROOT, anchors, links, name_of


def broken(page: Path, text: str) -> list[str]:
    """The relative links of a page that lead nowhere, or out of the repository."""
    found = []
    for link in links(text):
        parts = urlsplit(link)
        if parts.scheme:
            continue
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        if parts.path and not (target.is_relative_to(ROOT) and target.exists()):
            found.append(link)
        elif parts.fragment and target.suffix == ".md":
            known = anchors(text if target == page else target.read_text(encoding="utf-8"))
            if parts.fragment not in known:
                found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    assert broken(page, page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_other_places_are_reached_safely(page):
    """By https, without a port or a name of this machine."""
    for link in links(page.read_text(encoding="utf-8")):
        parts = urlsplit(link)
        if parts.scheme:
            assert parts.scheme in ("https", "mailto"), link
            assert parts.hostname != "localhost", link
            assert not parts.port, link


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_that_are_named_are_there(page):
    """``tests/test_game.py`` and the like, in the text."""
    named = re.findall(r"`((?:src|tests|benchmarks|examples|docs)/[\w./-]+)`", page.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_a_broken_link_is_seen():
    """Of every kind; else the tests above would show nothing."""
    text = (
        "# One & two: `x`\n[a](#one--two-x) [b](#none) [c](gone.md) ![d](docs/gone.png) [e](README.md#none) [f](../../x)"
        '<img src="gone.svg"> [g](https://arxiv.org) `[h](gone)` [i](README.md) [j](docs/training.md#data)\n'
        "```\n[k](gone)\n```\n"
    )
    assert broken(ROOT / "x.md", text) == ["#none", "gone.md", "docs/gone.png", "README.md#none", "../../x", "gone.svg"]


def test_pages_are_found():
    names = {name_of(page) for page in PAGES}
    assert {"README.md", "CONTRIBUTING.md", "docs/training.md", "docs/results/README.md"} <= names
