"""Commands on terminals that cannot show everything."""

from __future__ import annotations

import io
import sys

import pytest
from PIL import Image

from logan.cli.main import main
from logan.cli.streams import print_what_can_be


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


def test_too_little_memory_for_images_is_not_said_of_batches(pets, monkeypatch, capsys):
    def full(*_, **__):
        raise MemoryError

    monkeypatch.setattr("logan.data.open_data", full)
    assert main(["data", "info", str(pets)]) == 2
    assert "out of memory while images were read; leave the largest out" in capsys.readouterr().err
