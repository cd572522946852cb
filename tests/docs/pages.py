"""The pages that people read, and what is in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path for pattern in ("*.md", "docs/*.md", "docs/guides/*.md", "docs/results/**/*.md") for path in ROOT.glob(pattern)
)
GUIDES = [path for path in PAGES if "results" not in path.parts]
"""Those whose code is run: the others say what was run."""


class Block(NamedTuple):
    """A block of code: of which page, in which line it begins, in which language, and why it is not run, if it is not."""

    page: Path
    line: int
    language: str
    code: str
    excuse: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


_BLOCK = re.compile(r"(?:<!-- not run: (.+?) -->\n)?^( *)```(\w*)[^\n]*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = []
    for m in _BLOCK.finditer(text):
        indent = len(m[2])
        code = "\n".join(line[indent:] for line in m[4].split("\n"))
        found.append(Block(page, text.count("\n", 0, m.start(4)), m[3], code, m[1] or ""))
    return found


def prose(text: str) -> str:
    """Without blocks of code, and without code in lines."""
    return re.sub(r"`[^`\n]*`", "``", _BLOCK.sub("", text))


def anchors(text: str) -> set[str]:
    """Of headings, as GitHub makes them, and those that are written as HTML."""
    found: set[str] = set()
    for title in re.findall(r"^#{1,6} +(.*?) *#*$", _BLOCK.sub("", text), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")
        number = next(i for i in range(99) if (f"{slug}-{i}" if i else slug) not in found)
        found.add(f"{slug}-{number}" if number else slug)
    return found | set(re.findall(r'<a (?:id|name)="([^"]+)"', text))


def links(text: str) -> list[str]:
    """What the page points to: links, pictures, and what HTML has of both."""
    text = prose(text)
    return re.findall(r"\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
