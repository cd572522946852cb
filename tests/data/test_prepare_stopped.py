"""``logan data prepare`` that is stopped, or has no room, and what is left of it."""

import os
import re
import signal
import subprocess
import sys
import time
from functools import partial

import pytest

from logan import unfinished
from tests.data.imagenet_like import encoded, picture, prepare, write_folder


def test_an_interruption_leaves_nothing(folder, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()

    def interrupted(self, name, pack):
        raise KeyboardInterrupt

    monkeypatch.setattr("logan.data.prepare._Packer._encoded", interrupted)
    for name in ("a.zip", "a.npy"):
        assert prepare(folder, tmp_path / "out" / name, "--size", 8) == 130
        assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_control_c_in_the_middle_leaves_what_was_there(tmp_path):
    """As a person does it: the real program, with threads at work."""
    image = encoded(picture(0, 300, 200), "jpeg")
    write_folder(tmp_path / "flat", {f"{i:04d}.JPEG": image for i in range(2000)})
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.npy").write_bytes(b"earlier")
    command = [sys.executable, "-m", "logan.cli.main", "data", "prepare", str(tmp_path / "flat")]
    command += [str(tmp_path / "out" / "a.npy"), "--size", "128", "--workers", "2", "--force"]
    # a shell's background jobs, and what they start, ignore SIGINT
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heard) as program:
        for _ in range(6000):
            if list((tmp_path / "out").glob("*.partial")):
                break
            time.sleep(0.01)
        program.send_signal(signal.SIGINT)
        _, error = program.communicate(timeout=60)
    assert (program.returncode, error) == (130, "logan: interrupted\n")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["a.npy"]
    assert (tmp_path / "out" / "a.npy").read_bytes() == b"earlier"


@pytest.mark.skipif(os.name != "posix", reason="only there can a process be asked for")
def test_what_a_killed_run_left_is_removed(folder, tmp_path):
    with subprocess.Popen(["true"]) as gone:
        pass
    here = unfinished.here()
    left, alive, other = (
        tmp_path / f"{name}.0123.partial"
        for name in (f"o.zip.{here}.{gone.pid}", f"o.zip.{here}.{os.getppid()}", f"p.zip.{here}.{gone.pid}")
    )
    for path in (left, alive, other):
        path.write_bytes(b"x")
    assert prepare(folder, tmp_path / "o.zip", "--size", 8) == 0
    assert [p.exists() for p in (left, alive, other)] == [False, True, True]


def test_too_little_room(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    assert prepare(folder, tmp_path / "o.zip", "--size", 8) == 2
    assert " free, and " in capsys.readouterr().err


def test_a_batch_job_s_log_says_how_far_it_is(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("logan.training.watch.SECONDS_BETWEEN_LINES", 0.0)
    assert prepare(folder, tmp_path / "o.zip", "--size", 8) == 0
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 8
    assert said[3].startswith("preparing images: 4 of 8, ")
    assert "img/s" in said[3]
    assert re.search(r"left \d+[smhd]", said[3])
