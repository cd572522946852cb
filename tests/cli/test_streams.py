"""Commands on terminals that cannot show everything."""

from __future__ import annotations

import io
import json
import sys

import pytest
from PIL import Image
from rich.console import Console

from logan.cli import dry_run
from logan.cli.main import main
from logan.cli.streams import only_text, print_what_can_be
from logan.errors import printable
from logan.training.board import print_line


def printed(monkeypatch, *args: str) -> bytes:
    """What a command prints to a terminal of ASCII."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    assert main(args) == 0
    stream.flush()
    return raw.getvalue()


@pytest.fixture
def pets(tmp_path):
    for name in ("köter", "猫"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        Image.new("L", (8, 8)).save(tmp_path / "pets" / name / "a.png")
    (tmp_path / "pets" / "köter" / "ü.heic").write_bytes(b"x")
    return tmp_path / "pets"


def test_plan_and_info_on_an_ascii_terminal(pets, monkeypatch):
    assert b"operations per real image, 10?" in printed(monkeypatch, "plan", "--preset", "digits")  # 10⁹
    said = printed(monkeypatch, "data", "info", str(pets))
    assert b"k?ter" in said
    assert b"such as k?ter/?.heic" in said


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "utf-8", "ascii:surrogateescape"])
def test_what_a_stream_cannot_show_is_replaced(encoding):
    raw = io.BytesIO()
    name, _, errors = encoding.partition(":")
    stream = io.TextIOWrapper(raw, encoding=name, errors=errors or "strict")
    print_what_can_be(stream, None, io.StringIO())
    stream.write("8×8 ⁹ 猫 … \udcff.png\n")
    stream.flush()
    assert b".png" in raw.getvalue()
    assert raw.getvalue().decode(name)


def test_a_stream_that_raises_nothing_is_left_as_it_is():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="backslashreplace")
    print_what_can_be(stream)
    assert stream.errors == "backslashreplace"


def test_a_closed_stream_does_no_harm():
    stream = io.TextIOWrapper(io.BytesIO())
    stream.close()
    print_what_can_be(stream)


OBEYED = {
    "clears the screen": "\x1b[2J",
    "a title": "\x1b]0;root\x07",
    "eight bits of it": "\x9b2J",
    "back to the line's beginning": "\rlogan: all is well",
    "backspace": "\b\b",
    "delete": "\x7f",
    "nothing": "\0",
    "turns the rest around": "\u202egnp.exe",
    "isolates": "\u2066x\u2069",
    "a mark": "\u200f",
    "a new line": "\u2028",
}
ONES = set(map(chr, (*range(9), 11, 12, *range(14, 32), *range(127, 160))))


@pytest.mark.parametrize("words", OBEYED.values(), ids=OBEYED)
def test_nothing_that_a_terminal_obeys_is_printed_of_a_set(tmp_path, words, capsys):
    """Of class names, file names, notices, and what is wrong."""
    images = []
    (tmp_path / "set").mkdir()
    for name in ("a.png", "b.png"):
        Image.new("L", (8, 8)).save(tmp_path / "set" / name)
        images.append([name, len(images)])
    classes = [f"y{words}z", "köter 猫 \t|"]
    (tmp_path / "set" / "dataset.json").write_text(json.dumps({"labels": images, "classes": classes}))
    assert main(["data", "info", str(tmp_path / "set")]) == 0
    said = capsys.readouterr().out
    assert not set(said) & (ONES | {*"\r\u202e\u2066\u2069\u200f\u2028"}), said
    assert "y" + printable(words) + "z" in said
    assert "köter 猫 \t|" in said
    assert main(["data", "info", f"nowhere{words.replace(chr(0), '')}"]) == 2
    assert not set(capsys.readouterr().err) & (ONES | {*"\r\u202e\u2066\u2069\u200f\u2028"})


@pytest.mark.parametrize("words", OBEYED.values(), ids=OBEYED)
def test_nor_in_a_runs_lines_and_settings(words, capsys):
    file = io.StringIO()
    print_line(Console(file=file, force_terminal=True, color_system="truecolor"), f"of {words} [bold]one[/bold]")
    assert file.getvalue() == f"of {printable(words)} [bold]one[/bold]\n"
    console = Console(file=file)
    console.print(dry_run._plain(f"{words} [red]x"))
    assert words not in file.getvalue()
    assert "[red]x" in file.getvalue()


def test_bars_and_colours_are_rich_s_business(monkeypatch):
    file = io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    with only_text():
        print("\x1b[1mname\x1b[0m", file=sys.stderr)
        sys.stderr.writelines(["\x9b", "\r\n"])
        Console(stderr=True, force_terminal=True, color_system="standard").print("[bold]bar[/bold]")
    assert file.getvalue() == "\\x1b[1mname\\x1b[0m\n\\x9b\r\n\x1b[1mbar\x1b[0m\n"
    assert sys.stderr is file


def test_a_stream_that_is_gone_stays_so(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with only_text():
        sys.stdout = None
    assert sys.stdout is None
    assert sys.stderr is None


def test_too_little_memory_for_images_is_not_said_of_batches(pets, monkeypatch, capsys):
    def full(*_, **__):
        raise MemoryError

    monkeypatch.setattr("logan.data.open_data", full)
    assert main(["data", "info", str(pets)]) == 2
    assert "out of memory while images were read; leave the largest out" in capsys.readouterr().err
