"""Before the first step: who may write a run folder, what a stop signal means, and what is shown meanwhile."""

from __future__ import annotations

import errno
import os
import re
import signal
import socket
import subprocess
import sys
from dataclasses import replace

import pytest

from logan.config import presets
from logan.distributed import World
from logan.errors import InputError
from logan.training import begin, folder, lock, loop, watch
from logan.training.loop import train
from logan.training.resume import latest

from .small import assert_same_run, config


def contents(run):
    return {p.name: p.read_bytes() for p in run.iterdir() if not p.name.startswith(lock.FILE_NAME)}


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(lock, "PATIENCE", 0.1)


def test_a_run_that_goes_on_elsewhere_is_left_alone(tmp_path, impatient):
    settings = config(kimg=1)
    run = train(settings, outdir=tmp_path, quiet=True)
    before = contents(run)
    longer = replace(settings, run=replace(settings.run, kimg=2))
    here = f"being trained by process {os.getpid()} on {socket.gethostname()}; "
    with lock.locked(run, World()), pytest.raises(InputError, match=re.escape(here)):
        train(longer, resume=run, quiet=True)
    assert contents(run) == before
    assert train(longer, resume=run, quiet=True) == run


def test_a_run_is_locked_while_it_trains_and_free_afterwards(tmp_path, impatient):
    seen = []

    def measure(generator, discriminator):
        with (
            pytest.raises(InputError, match="being trained by process"),
            lock.locked(tmp_path / "00000-digits-ngd", World()),
        ):
            pass
        seen.append(True)
        return {}

    run = train(config(kimg=1), outdir=tmp_path, quiet=True, measure=measure)
    assert seen
    with lock.locked(run, World()):
        pass


def test_a_dead_process_holds_no_lock(tmp_path, impatient):
    code = f"""
import os, pathlib
from logan.distributed import World
from logan.training import lock
lock.locked(pathlib.Path({str(tmp_path)!r}), World()).__enter__()
os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 9
    with lock.locked(tmp_path, World()) as warnings:
        assert warnings == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="where children are forked")
def test_a_child_does_not_inherit_the_lock(tmp_path):
    """Whichever filelock is installed: the descriptor here is a stand-in for that of one that leaves it open."""
    code = f"""
import os, pathlib
from logan.training import lock
path = pathlib.Path({str(tmp_path / ".lock")!r})
held, other = (os.open(p, os.O_RDWR | os.O_CREAT) for p in (path, path.with_name("other")))
lock._held[path] = os.fstat(held).st_dev, os.fstat(held).st_ino
child = os.fork()
if child:
    os.fstat(held)
    raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
os.fstat(other)
try:
    os.fstat(held)
except OSError:
    os._exit(7)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 7


def test_where_there_are_no_locks_a_line_says_so(tmp_path, monkeypatch, capsys):
    def unsupported(*args, **kwargs):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(lock.FileLock, "acquire", unsupported)
    train(config(kimg=1), outdir=tmp_path)
    assert "is on a file system without locks: see that no other" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_before_the_first_step_stops_at_once(tmp_path, monkeypatch, capsys, number):
    settings = config(kimg=1)
    whole = train(settings, outdir=tmp_path, desc="whole", quiet=True)
    monkeypatch.setattr(loop, "first_pictures", lambda *args: os.kill(os.getpid(), number))
    capsys.readouterr()
    with pytest.raises(KeyboardInterrupt):
        train(settings, outdir=tmp_path, desc="stopped")
    assert "stopped before the first step; go on with `resume`" in capsys.readouterr().err
    monkeypatch.undo()
    stopped = tmp_path / "00001-stopped"
    train(settings, resume=stopped, quiet=True)
    assert_same_run(whole, stopped)


def test_a_stop_while_the_classifier_is_trained(tmp_path, monkeypatch):
    monkeypatch.setattr(begin, "Scorer", lambda *args, **named: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(KeyboardInterrupt):
        train(config(kimg=1), outdir=tmp_path, quiet=True)
    assert list(tmp_path.iterdir()) == []


def test_an_impossible_number_of_threads(tmp_path):
    """In a process of its own: torch dies of a number that is too large, and only at its end."""
    command = [sys.executable, "-m", "logan.cli.main", "train", "--threads", "100000"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert f"--threads must be >= 0 and <= {max(256, os.cpu_count() or 1)}, not 100000" in done.stderr


def test_fractions_are_said_where_there_is_no_terminal(monkeypatch, capsys):
    now = 0.0
    monkeypatch.setattr(watch.time, "monotonic", lambda: now)
    show = watch.Watch(1).fraction_bar("training a classifier")
    for now in (0.0, 10.0, 40.0, 50.0, 80.0, 100.0):
        show(now / 100)
    assert capsys.readouterr().err.splitlines() == [
        "training a classifier: 40%, left 1m 00s",
        "training a classifier: 80%, left 20s",
    ]


def test_auto_takes_the_latest_run_of_the_name_that_was_given(tmp_path):
    settings = config(kimg=1)
    one, two = (train(settings, outdir=tmp_path, desc=desc, quiet=True) for desc in ("one", "two"))
    assert latest(tmp_path, settings) == two
    assert latest(tmp_path, settings, "one") == one
    assert latest(tmp_path, settings, "three") is None


def test_names_of_run_folders():
    assert folder.run_name(presets.get("digits", "gd"), None) == "digits-gd"
    assert (
        folder.run_name(presets.get("imagenet128-biggan-deep-logan-ngd"), None) == "imagenet128-biggan-deep-logan-ngd"
    )
