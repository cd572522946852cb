"""Links, pipes, devices and folders in the place of files: neither followed, nor waited for, nor read."""

from __future__ import annotations

import os
import socket
import time

import pytest

from logan import files
from logan.errors import InputError
from logan.files import MOST_LINE, MOST_LINES, MOST_LOG, append_line, read_json, read_lines
from logan.regular import open_regular, read_regular


def link_to_a_file(path):
    (path.parent / "precious").write_bytes(b"precious")
    path.symlink_to(path.parent / "precious")


def link_to_nothing(path):
    path.symlink_to(path.parent / "made")


def link_to_itself(path):
    path.symlink_to(path.name)


def socket_there(path):
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(path))


LINKS = {
    "link": link_to_a_file,
    "link to nothing": link_to_nothing,
    "link to itself": link_to_itself,
    "link to zeros": lambda path: path.symlink_to("/dev/zero"),
    "link to a pipe": lambda path: (os.mkfifo(path.parent / "pipe"), path.symlink_to("pipe")),
}
OTHERS = {
    "pipe": os.mkfifo,
    "folder": os.mkdir,
    "socket": socket_there,
}
USES = {
    "read": lambda path: open_regular(path),
    "append": lambda path: open_regular(path, "ab+"),
    "write": lambda path: open_regular(path, "wb"),
    "a line more": lambda path: append_line(path, {"a": 1}),
    "lines": read_lines,
    "a group": lambda path: read_json(path, "make it again"),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("kind", [*LINKS, *OTHERS])
def test_what_is_no_file_is_refused_at_once(tmp_path, kind, use, monkeypatch):
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    path = tmp_path / "a.jsonl" if kind != "socket" else type(tmp_path)("a.jsonl")
    (LINKS | OTHERS)[kind](path)
    before = time.monotonic()
    with pytest.raises(InputError, match="is a link, and links are not followed" if kind in LINKS else "is not a file"):
        USES[use](path)
    assert time.monotonic() - before < 2
    assert not (tmp_path / "made").exists()
    if kind == "link":
        assert (tmp_path / "precious").read_bytes() == b"precious"


@pytest.mark.parametrize("kind", ["link to zeros", "link to a pipe", *OTHERS])
def test_no_link_that_a_person_names_leads_to_what_is_no_file(tmp_path, kind, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a" if kind != "socket" else type(tmp_path)("a")
    (LINKS | OTHERS)[kind](path)
    with pytest.raises(InputError, match="is not a file but a"):
        read_regular(path, 100, through_links=True)


def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(tmp_path, monkeypatch):
    """Between the first look and the opening."""
    path = tmp_path / "a"
    path.write_bytes(b"x")
    seen, lstat = path.lstat(), os.lstat
    path.unlink()
    os.mkfifo(path)
    looks = iter([seen])
    monkeypatch.setattr(os, "lstat", lambda p, **more: next(looks, None) or lstat(p, **more))
    with pytest.raises(InputError, match="not a file but a named pipe"):
        open_regular(path)


def test_a_link_that_takes_the_place_of_a_file_is_not_followed_where_the_platform_does_not_see_to_it(
    tmp_path, monkeypatch
):
    path = tmp_path / "a"
    path.write_bytes(b"x")
    seen, lstat = path.lstat(), os.lstat
    path.unlink()
    link_to_a_file(path)
    looks = iter([seen])
    monkeypatch.setattr(os, "lstat", lambda p, **more: next(looks, None) or lstat(p, **more))
    monkeypatch.delattr(os, "O_NOFOLLOW")
    with pytest.raises(InputError, match="is a link"):
        open_regular(path, "wb")
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_files_are_read_and_written(tmp_path):
    path = tmp_path / "a"
    with pytest.raises(FileNotFoundError):
        open_regular(path)
    with open_regular(path, "wb") as f:
        f.write(b"long and")
    with open_regular(path, "wb") as f:
        f.write(b"new")
    with open_regular(path, "ab") as f:
        f.write(b"er")
    (tmp_path / "b").symlink_to(path)
    assert read_regular(path, 5) == read_regular(tmp_path / "b", 5, through_links=True) == b"newer"
    with pytest.raises(InputError, match=r"more than the 4 bytes that are read of such a file; make it again"):
        read_regular(path, 4, advice="make it again")


def test_large_files_are_refused_unread(tmp_path):
    for name, read in (("a.jsonl", read_lines), ("a.json", lambda path: read_json(path, "make it again"))):
        with open(tmp_path / name, "wb") as f:
            f.truncate(20 << 30)  # of no bytes on the disk
        with pytest.raises(InputError, match="more than"):
            read(tmp_path / name)


def test_lines_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_GROUPS", 10_000)
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"n": 0}\n{"x": "' + b"x" * 3 * MOST_LINE + b'"}\n{"n": 1}\n{"n": 2')
    assert [line["n"] for line in read_lines(path)] == [0, 1]
    longest = b'{"x": "' + b"x" * (MOST_LINE - 10) + b'"}\n'
    assert len(longest) == MOST_LINE
    path.write_bytes(longest + longest.replace(b"x", b"xx", 1) + b'{"n": 1}\n')
    assert [len(line) for line in read_lines(path)] == [1, 1]
    for text, bound in (
        (b"\n" * (MOST_LINES + 1), "100,000 lines"),
        (b"\n" * MOST_LOG + b"\n", "67,108,864 bytes"),
        ((b'{"x": [' + b"[]," * 999 + b"1]}\n") * 10, "10,000 groups and lists"),
    ):
        path.write_bytes(text)
        with pytest.raises(InputError, match=rf"a\.jsonl is damaged \(more than .*{bound}\); move it elsewhere"):
            read_lines(path)
