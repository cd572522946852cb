"""Names of unfinished files, and which of them are removed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from logan import unfinished
from logan.files import write_atomically
from logan.unfinished import remove_abandoned


def test_unfinished_files_never_share_a_name(tmp_path):
    """Also from threads of one process, and for a long name."""
    names, path = set(), tmp_path / ("ü" * 120)
    barrier = threading.Barrier(4)

    def write():
        write_atomically(path, lambda partial: (names.add(partial.name), partial.write_text("x"), barrier.wait()))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names) == 4
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_what_a_child_writes_has_another_name():
    code = "import os, pathlib; from logan import unfinished; a = unfinished.name_for(pathlib.Path('x')); r = os.fork(); b = unfinished.name_for(pathlib.Path('x')); r and os.wait(); print(b, flush=True)"  # fmt: skip # noqa: E501
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    one, two = (name.split(".") for name in output)
    assert one[1] == two[1]
    assert one[2] != two[2]
    assert one[3][:8] != two[3][:8]


@pytest.mark.skipif(os.name != "posix", reason="only there can a process be asked for")
def test_only_what_nobody_writes_any_more_is_removed(tmp_path):
    with subprocess.Popen(["true"]) as gone:
        pass
    here, old = unfinished.here(), time.time() - 2 * unfinished.ABANDONED
    places = {
        f"a.bin.{here}.{gone.pid}.0.partial": (False, None),
        f"b.bin.{here}.{gone.pid}.0.partial": (False, old),
        f"a.bin.{here}.{os.getppid()}.0.partial": (True, old),
        f"a.bin.{here}.{os.getpid()}.0.partial": (False, None),  # of an earlier process of this number
        f"a.bin.another-machine.{gone.pid}.0.partial": (True, None),
        f"c.bin.another-machine.{gone.pid}.0.partial": (False, old),
        "a.bin.123.partial": (True, None),
        "d.bin.123.partial": (False, old),
        "a.bin": (True, old),
    }
    for name, (_, when) in places.items():
        (tmp_path / name).write_text("x")
        if when is not None:
            os.utime(tmp_path / name, (when, when))
    write_atomically(tmp_path / "own.bin", lambda partial: (partial.write_text("x"), remove_abandoned(tmp_path)))
    assert (tmp_path / "own.bin").exists()
    (tmp_path / "own.bin").unlink()
    assert {p.name for p in tmp_path.iterdir()} == {name for name, (stays, _) in places.items() if stays}


def test_only_those_of_the_file_that_is_named(tmp_path):
    with subprocess.Popen(["true"]) as gone:
        pass
    one, other = (tmp_path / f"{name}.{unfinished.here()}.{gone.pid}.0.partial" for name in ("a.zip", "b.zip"))
    for path in (one, other):
        path.write_text("x")
    remove_abandoned(tmp_path, "a.zip")
    assert [one.exists(), other.exists()] == [False, True]
