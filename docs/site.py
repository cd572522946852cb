"""Lay out what the documentation site is built from: ``make docs``.

Pages of the repository are written to be read there. For the site their links are turned to where pages lie on it, and what they
point to outside of it (sources, tests) becomes plain text. Beside them come what is generated: the reference from docstrings, the
help of every command, and the examples.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import posixpath
import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changes.md",
}
"""Of the root; those of docs/ keep their names, a README as the index of its folder."""
EXAMPLES = ("own_gan", "own_gan_latent", "gradient_penalty", "maml")
REFERENCE = {
    "step": ("The latent step", ["logan.latent", "logan.cs_gan", "logan.prior"]),
    "game": ("Games and losses", ["logan.game", "logan.losses", "logan.side_effects"]),
    "dynamics": ("Other methods", ["logan.dynamics", "logan.analysis.alignment", "logan.analysis.spectrum"]),
    "networks": ("Networks", ["logan.networks"]),
    "second-order": ("Second derivatives", ["logan.second_order", "logan.fast"]),
    "data": ("Data", ["logan.data", "logan.data.open", "logan.data.prepare"]),
    "training": ("Training and settings", ["logan.training.loop", "logan.config.presets", "logan.config.groups"]),
    "sampling": ("Sampling", ["logan.sampling.model", "logan.sampling.projection", "logan.sampling.interpolation"]),
    "metrics": (
        "Scores",
        ["logan.metrics.distances", "logan.metrics.manifold", "logan.metrics.modes", "logan.metrics.detector"],
    ),
    "errors": ("Errors", ["logan.errors"]),
}
"""Pages of the reference: title, and the modules whose docstrings they show."""
WIDTH = 92
"""Columns of a help text: what fits a page of the site."""
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_LIST = re.compile(r"^( *)(?:[-*]|\d+\.) ")


class Site:
    """What is written where.

    Args:
        out: a folder that is made anew.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        docs = (path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*.md")))
        self.places = dict(PAGES) | {name: _place(name) for name in docs}
        self.places |= {f"examples/{name}.py": f"examples/{name}.md" for name in EXAMPLES}

    def write(self) -> None:
        """All of it."""
        shutil.rmtree(self.out, ignore_errors=True)
        for source, place in self.places.items():
            text = (ROOT / source).read_text(encoding="utf-8")
            self._put(place, example(source, text) if source.endswith(".py") else self.page(source, text))
        for name, (title, modules) in REFERENCE.items():
            self._put(f"reference/{name}.md", reference(title, modules))
        self._put("reference/commands.md", commands())
        (self.out.parent / "zensical.toml").write_text(self.settings(), encoding="utf-8")

    def settings(self) -> str:
        """What the site is built by, with the pages in its menu that there are."""
        lines = (ROOT / "docs" / "zensical.toml").read_text(encoding="utf-8").split("\n")
        pages = (re.match(r' *\{ ".*" = "(.*\.md)" \},$', line) for line in lines)
        return "\n".join(line for line, m in zip(lines, pages, strict=True) if not m or (self.out / m[1]).exists())

    def page(self, source: str, text: str) -> str:
        """A page of the repository as one of the site."""
        text = re.sub(r"^<!-- not run: .*-->\n", "", text, flags=re.MULTILINE)
        parts, end = [], 0
        for fence in _FENCE.finditer(text):
            parts += [self._prose(source, text[end : fence.start()]), fence[0]]
            end = fence.end()
        return "".join([*parts, self._prose(source, text[end:])])

    def _prose(self, source: str, text: str) -> str:
        return lists_apart(_LINK.sub(lambda m: self._link(source, m[1], m[2], m[3]), text))

    def _link(self, source: str, picture: str, words: str, target: str) -> str:
        if re.match(r"[a-z]+:", target):
            return f"{picture}[{words}]({target})"
        path, mark, anchor = target.partition("#")
        here = self.places[source]
        if not path:
            return f"{picture}[{words}]({target})"
        there = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if (ROOT / there).is_dir() and f"{there}/README.md" in self.places:
            there += "/README.md"
        if there in self.places:
            place = self.places[there]
        elif there.startswith("docs/") and (ROOT / there).is_file():
            place = there.removeprefix("docs/")
            self._copy(ROOT / there, place)
        else:
            return words
        return f"{picture}[{words}]({posixpath.relpath(place, posixpath.dirname(here) or '.')}{mark}{anchor})"

    def _copy(self, path: Path, place: str) -> None:
        (self.out / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, self.out / place)

    def _put(self, place: str, text: str) -> None:
        (self.out / place).parent.mkdir(parents=True, exist_ok=True)
        (self.out / place).write_text(text, encoding="utf-8")


def _place(name: str) -> str:
    return re.sub(r"(^|/)README\.md$", r"\1index.md", name.removeprefix("docs/"))


def lists_apart(text: str) -> str:
    """With the empty line before a list that Python's Markdown wants and GitHub's does not, and its indents of four."""
    lines: list[str] = []
    in_list = False
    for line in text.split("\n"):
        item = _LIST.match(line)
        if item and not in_list and lines and lines[-1].strip():
            lines.append("")
        in_list = bool(item) or (in_list and bool(line.strip()) and (line.startswith(" ") or bool(item)))
        lines.append(line)
    return "\n".join(lines)


def example(source: str, text: str) -> str:
    """The page of an example."""
    return f"# {posixpath.basename(source)}\n\n```python\n{text.rstrip()}\n```\n"


def reference(title: str, modules: Iterable[str]) -> str:
    """A page that shows the docstrings of modules."""
    return f"# {title}\n\n" + "\n".join(f"::: {module}\n" for module in modules)


def commands() -> str:
    """Every command's help."""
    sys.path.insert(0, str(ROOT / "src"))
    from logan.cli.main import COMMANDS

    parts = ["# Commands", f"```text\n{helped()}\n```"]
    for name in COMMANDS:
        parts.append(f"## logan {name}\n\n```text\n{helped(name)}\n```")
    return "\n\n".join(parts) + "\n"


def helped(*command: str) -> str:
    """What ``logan COMMAND --help`` prints, with all flags if it has a help that shows fewer."""
    os.environ |= {"COLUMNS": str(WIDTH), "NO_COLOR": "1", "TERM": "dumb"}
    for flag in ("--help-all", "--help") if command else ("--help",):
        status, text = printed([*command, flag])
        if not status:
            return text
    raise RuntimeError(f"logan {' '.join(command)} has no help")


def printed(arguments: list[str]) -> tuple[int, str]:
    """Exit status and output of a command."""
    from logan.cli.main import main

    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
        try:
            status = main(arguments)
        except SystemExit as stop:
            status = int(stop.code or 0)
    text = re.sub(r"\x1b\[[0-9;]*m", "", said.getvalue())
    return status, "\n".join(line.rstrip() for line in text.strip().split("\n"))


def main() -> None:
    """Lay the site out in the folder that is named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path, nargs="?", default=ROOT / "build" / "docs")
    Site(parser.parse_args().out).write()


if __name__ == "__main__":
    main()
