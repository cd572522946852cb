"""Files are whole or not there; where they cannot be written, one line says why."""

from __future__ import annotations

import errno
import json
import os
import re
import resource
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from logan import files
from logan.errors import InputError
from logan.files import WriteError, append_line, finite, read_lines, write_atomically, write_json


def test_a_write_that_dies_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.txt"

    def dies(partial):
        partial.write_text("half")
        assert path.read_text() == "whole"
        raise OSError("the disk is full")

    write_atomically(path, lambda partial: partial.write_text("whole"))
    with pytest.raises(OSError, match="full"):
        write_atomically(path, dies)
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "whole"


@contextmanager
def no_file_larger_than(size):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def torch_by_name(path):
    torch.save({"a": torch.rand(100_000)}, path)


def torch_to_a_file(path):
    with open(path, "wb") as f:
        torch.save({"a": torch.rand(100_000)}, f)


def numpy_array(path):
    with open(path, "wb") as f:
        np.save(f, np.random.rand(100_000))


def numpy_archive(path):
    with open(path, "wb") as f:
        np.savez_compressed(f, np.random.rand(100_000))


def zip_file(path):
    import zipfile

    with zipfile.ZipFile(path, "w") as f:
        f.writestr("a", os.urandom(200_000))


def figure(path):
    from matplotlib.figure import Figure

    drawn = Figure((5, 5))
    drawn.subplots().imshow(np.random.rand(200, 200))
    drawn.savefig(path, format="png")


def picture(path):
    Image.fromarray(np.random.randint(0, 256, (400, 400), np.uint8)).save(path, format="PNG")


WRITERS = {
    "torch.save by name": torch_by_name,
    "torch.save to a file": torch_to_a_file,
    "safetensors": lambda path: save_file({"a": torch.rand(100_000)}, path),
    "np.save": numpy_array,
    "np.savez": numpy_archive,
    "zip": zip_file,
    "matplotlib": figure,
    "PNG": picture,
    "text": lambda path: path.write_text("x" * 200_000),
    "bytes": lambda path: path.write_bytes(b"x" * 200_000),
}


@pytest.mark.parametrize("name", WRITERS)
def test_no_room_is_one_line_for_every_writer(tmp_path, name):
    """The limit on the size of files is a full disk that needs no disk: SIGXFSZ is ignored, and writes fail."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"whole")
    with no_file_larger_than(20_000), pytest.raises(WriteError) as caught:
        write_atomically(path, WRITERS[name], 400_000)
    message = str(caught.value)
    assert message.startswith(f"{path} cannot be written: ")
    assert "(it takes about 390.6 KiB, and " in message
    assert "what was on disk before is whole" in message
    assert "\n" not in message
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]
    assert path.read_bytes() == b"whole"
    write_atomically(path, WRITERS[name])
    assert path.stat().st_size > 20_000


@pytest.mark.parametrize("number", sorted(files.REASONS))
def test_each_reason_is_said(tmp_path, number):
    path = tmp_path / "a.bin"

    def fails(partial):
        raise OSError(number, os.strerror(number), str(partial))

    with pytest.raises(WriteError, match=re.escape(files.REASONS[number])):
        write_atomically(path, fails)


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(
    "name", ["ESTALE", "ENAMETOOLONG", "ELOOP", "ENOTDIR", "ETIMEDOUT", "EISDIR", "ENXIO", "ENODEV"]
)
def test_any_other_failure_of_our_file_is_one_line_too(tmp_path, name, named):
    path, number = tmp_path / "a.bin", getattr(errno, name)

    def fails(partial):
        raise OSError(number, os.strerror(number), *([str(partial)] if named else []))

    with pytest.raises(WriteError, match=f"a.bin cannot be written: (?i:{os.strerror(number)}); what was on disk"):
        write_atomically(path, fails)


def test_a_folder_in_a_files_place_is_one_line(tmp_path):
    (tmp_path / "a.json").mkdir()
    with pytest.raises(WriteError, match=r"a\.json cannot be written: is a directory; what was"):
        write_json(tmp_path / "a.json", {})
    with pytest.raises(WriteError, match="file name too long"):
        write_json(tmp_path / ("x" * 300), {})
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="not a directory"):
        write_json(tmp_path / "file" / "a.json", {})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "file"]


@pytest.mark.parametrize(
    "error",
    [
        BrokenPipeError(errno.EPIPE, "broken pipe"),
        IsADirectoryError(errno.EISDIR, "is a directory", "source.png"),
        FileNotFoundError(errno.ENOENT, "no such file", "source.png"),
        PermissionError(errno.EACCES, "no permission", "source.png"),
        OSError(errno.EIO, "input/output error", "source.png"),
        RuntimeError("something else"),
        InputError("`batch` is wrong"),
        KeyboardInterrupt(),
    ],
)
def test_what_is_no_failed_write_stays_what_it_is(tmp_path, error):
    def fails(partial):
        partial.write_text("half")
        raise error

    with pytest.raises(type(error)) as caught:
        write_atomically(tmp_path / "a.bin", fails)
    assert caught.value is error
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_flushed_after_the_move(tmp_path, monkeypatch):
    """Else the new name may be gone after a power cut, and the old file with it."""
    seen, fsync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (seen.append(os.path.realpath(f"/dev/fd/{fd}")), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda *args: (seen.append("moved"), replace(*args)))
    write_atomically(tmp_path / "a.bin", lambda partial: partial.write_text("x"))
    assert seen[-2:] == ["moved", str(tmp_path.resolve())]
    assert seen[0].endswith(".partial")


def test_a_line_for_which_there_is_no_room_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "a.jsonl"
    append_line(path, {"n": 1})
    before = path.read_bytes()
    with no_file_larger_than(20), pytest.raises(WriteError, match=r"a\.jsonl cannot be written: it would be larger"):
        append_line(path, {"n": 2, "x": "x" * 100})
    assert path.read_bytes() == before
    append_line(path, {"n": 3})
    assert [r["n"] for r in read_lines(path)] == [1, 3]


@pytest.mark.parametrize("cut", [1, 5, 9])
def test_a_line_after_one_that_was_cut_short(tmp_path, cut):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"n": 0}\n' + b'{"n": 1}\n'[:cut])
    append_line(path, {"n": 2})
    assert [r["n"] for r in read_lines(path)] == ([0, 1, 2] if cut == 9 else [0, 2])
    assert path.read_bytes().endswith(b'\n{"n": 2}\n')


def test_numbers_that_json_has_not_are_none_at_every_depth(tmp_path):
    nan, inf = float("nan"), float("inf")
    value = {"a": nan, "b": [1.0, -inf, {"c": inf}], "d": "NaN", "e": (2, nan)}
    expected = {"a": None, "b": [1.0, None, {"c": None}], "d": "NaN", "e": [2, None]}
    assert finite(value) == expected
    append_line(tmp_path / "a.jsonl", value)
    assert read_lines(tmp_path / "a.jsonl") == [expected]
    write_json(tmp_path / "a.json", finite(value))
    assert json.loads((tmp_path / "a.json").read_text()) == expected


def test_lines_of_damage_are_passed_over_quickly(tmp_path, monkeypatch):
    parsed = []
    monkeypatch.setattr("logan.files.load_group", lambda line, what: parsed.append(line) or {})
    (tmp_path / "x.jsonl").write_bytes(b"}}\n\n[1]\n7\nx{}\n" * 1000 + b' {"a": 1}\n{"b"\n')
    files.read_lines(tmp_path / "x.jsonl")
    assert parsed == [b' {"a": 1}', b'{"b"']
