"""The code in README and guides runs, and its commands are such as the command line takes."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from itertools import cycle

import pytest
import tyro

from logan.cli.main import main
from logan.errors import InputError
from tests.docs.material import lay_out, names
from tests.docs.pages import GUIDES, PAGES, ROOT, Block, blocks

ALL = [block for page in PAGES for block in blocks(page)]
PYTHON = [block for block in ALL if block.language == "python" and block.page in GUIDES]
SHELL = [block for block in ALL if block.language in ("", "bash", "sh", "shell")]
MAKE = re.findall(r"^([\w.-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A reader's folder."""
    where = tmp_path_factory.mktemp("reader")
    lay_out(where)
    return where


def test_every_language_is_known():
    """Else a block would be run by nobody."""
    known = {"python", "", "bash", "sh", "shell", "json", "bibtex", "text", "dockerfile", "powershell"}
    assert [str(block) for block in ALL if block.language not in known] == []


@pytest.mark.parametrize("page", sorted({block.page for block in PYTHON}), ids=lambda page: page.name)
def test_python_runs(page, reader, monkeypatch, capsys):
    """Block after block, as a reader would."""
    monkeypatch.chdir(reader)
    known = names()
    known["images"] = cycle([known["real"]]) if page.name in ("README.md", "speed.md") else known["real"]
    for block in PYTHON:
        if block.page == page and not block.excuse:
            code = "\n" * block.line + block.code  # errors name the line of the page
            exec(compile(code, str(page), "exec"), known)


class Taken(BaseException):
    """A command line was read to its end."""


def shell_lines(block: Block) -> list[str]:
    """Commands, one a line, without comments, and with the variables that the block or an earlier one of its page sets."""
    page = block.page.read_text(encoding="utf-8").split("\n")
    variables = {}
    for line in page[: block.line + block.code.count("\n")]:
        if m := re.fullmatch(r'([A-Z]\w*)=("?)([^"#]*?)\2(?: *#.*)?', line.strip()):
            variables[m[1]] = m[3]
    text = block.code.replace("\\\n", " ")
    lines = []
    for line in text.split("\n"):
        variables |= dict(re.findall(r"\bfor (\w+) in ([^\s;]+)", line))  # the first turn of a loop
        for name, value in variables.items():
            line = line.replace(f"${name}", value)
        for part in re.split(r"; |&& |\|\|", line.partition(" #")[0]):
            lines.append(re.sub(r"^(do|then) ", "", part.strip()))
    return [line for line in lines if line and not line.startswith("#")]


def of_logan(line: str) -> list[str] | None:
    """The arguments of a ``logan`` in a line, however it is started."""
    words = shlex.split(re.sub(r"\$\w+|\"\$\w+\"", "1", line))
    while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        words = words[1:]
    if words and words[0].split("/")[-1] == "logan":
        return words[1:]
    return words[words.index("logan.cli.main") + 1 :] if "logan.cli.main" in words else None


COMMANDS = [
    pytest.param(arguments, id=f"{block}-{arguments[0] if arguments else ''}")
    for block in SHELL
    if not block.excuse
    for line in shell_lines(block)
    if (arguments := of_logan(line)) is not None
]


def read(arguments: list[str]) -> None:
    """Read a command line as ``logan`` does, and do nothing."""
    real = tyro.cli

    def reading(*args, **kwargs):
        result = real(*args, **kwargs)
        if kwargs.get("return_unknown_args"):
            return result
        raise Taken

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tyro, "cli", reading)
        patch.setattr("logan.cli.main._fail", refuse)
        try:
            status = main(arguments)
        except Taken:
            return
    assert not status, arguments


def refuse(message: str) -> int:
    raise InputError(message)


@pytest.mark.parametrize("arguments", COMMANDS)
def test_commands_are_such_as_the_command_line_takes(arguments, reader, monkeypatch, capsys):
    monkeypatch.chdir(reader)
    read(arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--prset", "ring"],
        ["train", "--width", "wide"],
        ["sample"],
        ["evaluate", "--x"],
        ["fly"],
        ["compare", "--y", "1"],
    ],
)
def test_others_are_refused(arguments, reader, monkeypatch):
    """Else the test above would show nothing."""
    monkeypatch.chdir(reader)
    with pytest.raises(InputError):
        read(arguments)


def test_commands_are_found():
    assert len(COMMANDS) > 40
    assert of_logan("torchrun --standalone -m logan.cli.main train --resume auto") == ["train", "--resume", "auto"]
    assert of_logan("A=1 .venv/bin/logan sample x") == ["sample", "x"]
    assert of_logan("python -m tests.faults logan") is None


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_targets_and_scripts_are_there(block):
    for line in shell_lines(block):
        for target in re.findall(r"^make ([\w-]+)", line):
            assert target in MAKE, line
        for script in re.findall(r"^(?:\w+=\S+ )*(?:\S*/)?python3? ([\w/.-]+\.py)", line):
            assert (ROOT / script).exists(), line
        for module in re.findall(r"python3? -m (tests[\w.]*)", line):
            assert (ROOT / module.replace(".", "/")).exists(), line


@pytest.mark.parametrize("block", [b for b in SHELL if b.language in ("bash", "sh", "") and not b.excuse], ids=str)
def test_a_shell_can_read_it(block):
    done = subprocess.run(["bash", "-n"], input=block.code, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("data", ["digits", "ring", "grid"])
def test_the_commands_of_the_readme_start(data, tmp_path):
    """With data that come with the package, to the plan."""
    done = subprocess.run(
        [sys.executable, "-m", "logan.cli.main", "train", "--preset", data, "--dry-run"],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")}, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
