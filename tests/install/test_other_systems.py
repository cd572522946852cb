"""What Windows and macOS lack or do otherwise, played on this machine."""

from __future__ import annotations

import importlib.util
import io
import os
import pickle
import subprocess
import sys
import tarfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image

from logan import files, unfinished
from logan.data import sources
from logan.data.open import open_data
from logan.files import WriteError, write_atomically, write_text
from tests.install.project import ROOT

LIKE_WINDOWS = """
import os, signal, sys, warnings
import filelock, matplotlib.figure, multiprocessing.util, numpy, PIL.Image, rich.console  # what these use is their own business
import safetensors.torch, torch.distributed, torch.utils.data, tyro
for name in ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGKILL", "SIGALRM", "pthread_sigmask", "setitimer", "alarm"):
    delattr(signal, name)
for name in ("pread", "pwrite", "fork", "register_at_fork", "getuid", "geteuid", "getpgid", "killpg", "statvfs", "uname",
             "getloadavg", "sched_getaffinity", "mkfifo", "posix_fallocate", "fchmod", "fchown", "chown", "sysconf"):
    delattr(os, name)
for name in ("fcntl", "pwd", "grp", "resource", "termios", "tty", "pty", "posix"):
    sys.modules[name] = None
opened = open
def without_proc(path, *args, **kwargs):
    if str(path).startswith(("/proc", "/dev")):
        raise FileNotFoundError(2, "No such file or directory", path)
    return opened(path, *args, **kwargs)
import builtins
builtins.open = without_proc
warnings.filterwarnings("error", category=EncodingWarning, module=r"logan\\b")
for use in ("os.fork()", "__import__('fcntl')", "open('/proc/cpuinfo')", "signal.SIGHUP", "os.pread"):
    try:
        eval(use)
    except (AttributeError, ImportError, FileNotFoundError):
        continue
    raise SystemExit(f"{use} is still there")
from logan.cli.main import main
def do(*args):
    status = main(args)
    assert not status, (args, status)
run, own = sys.argv[1:]
do("train", "--preset", "ring", "--kimg", "1", "--outdir", run, "--batch", "32", "--metrics", "modes100", "--device", "cpu")
do("train", "--resume", run + "/00000-ring-ngd", "--kimg", "2")
do("sample", run + "/00000-ring-ngd", "--n", "9", "--out", own)
do("evaluate", run + "/00000-ring-ngd", "--metrics", "modes100")
"""
"""A run, gone on with, sampled and scored where nothing of Unix is there, and where every text has to name its encoding."""


@pytest.mark.parametrize("text", [pytest.param("utf-8", marks=pytest.mark.slow), "ascii"])
def test_a_run_without_what_only_unix_has(tmp_path, text):
    """In a folder whose name has letters that few code pages have, printed to a terminal that may have none of them."""
    folder = tmp_path / "Läufe 画"
    folder.mkdir()
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "PYTHONIOENCODING": text, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-X", "warn_default_encoding", "-c", LIKE_WINDOWS, folder, folder / "grüße.npz"],
        capture_output=True, env=environment, cwd=tmp_path, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-3000:]
    assert np.load(folder / "grüße.npz")["arr_0"].shape == (9, 2)


def test_tar_files_are_read_without_pread(tmp_path, monkeypatch):
    """By several threads at once, each from a place of its own, and without a change of line ends."""
    monkeypatch.delattr(os, "pread")
    content = {f"{i:03d}.png": bytes([i]) * 5000 + b"\r\n\x1a" for i in range(40)}
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    tar = sources.Tar(tmp_path / "a.tar")
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(tar.read, list(content) * 5)) == list(content.values()) * 5


def test_tar_files_are_opened_as_bytes(monkeypatch):
    """Windows' ``os.open`` reads text unless it is told otherwise."""
    monkeypatch.setattr(os, "O_BINARY", 1 << 15, raising=False)
    again = importlib.util.spec_from_file_location("logan.data.sources_again", sources.__file__)
    module = importlib.util.module_from_spec(again)
    again.loader.exec_module(module)
    assert module._READING == os.O_RDONLY | os.O_BINARY


@pytest.mark.parametrize("windows", [True, False])
def test_a_file_that_another_program_looks_at_is_waited_for(tmp_path, monkeypatch, windows):
    """On Windows a scanner may have it open; elsewhere such an error is no matter of time."""
    tries, replace = [], os.replace

    def refused_twice(*paths):
        tries.append(paths)
        if len(tries) < 3:
            raise PermissionError(13, "Permission denied", str(paths[1]))
        replace(*paths)

    monkeypatch.setattr(files, "WINDOWS", windows)
    monkeypatch.setattr(files, "PATIENCE", (0.0, 0.0, 0.0))
    monkeypatch.setattr(os, "replace", refused_twice)
    if windows:
        write_text(tmp_path / "a.txt", "new")
        assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "new"
        assert len(tries) == 3
    else:
        with pytest.raises(WriteError):
            write_text(tmp_path / "a.txt", "new")
        assert len(tries) == 1


def test_a_file_that_stays_open_is_said(tmp_path, monkeypatch):
    def refused(*paths):
        raise PermissionError(13, "Permission denied", str(paths[1]))

    monkeypatch.setattr(files, "WINDOWS", True)
    monkeypatch.setattr(files, "PATIENCE", (0.0,))
    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(WriteError, match="no permission to write there"):
        write_text(tmp_path / "a.txt", "new")
    assert not list(tmp_path.iterdir())


def test_unfinished_files_go_by_time_where_processes_cannot_be_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(unfinished, "CAN_ASK", False)
    monkeypatch.setattr(os, "kill", lambda *args: pytest.fail("this ends the process on Windows"))
    here = unfinished.here()
    fresh, old = (tmp_path / f"{name}.bin.{here}.{os.getppid()}.0.partial" for name in "ab")
    for path in (fresh, old):
        path.write_bytes(b"x")
    os.utime(old, (time.time() - 2 * unfinished.ABANDONED,) * 2)
    unfinished.remove_abandoned(tmp_path)
    assert list(tmp_path.iterdir()) == [fresh]


@pytest.mark.parametrize("before", range(4))
def test_a_long_name_is_cut_between_letters(tmp_path, before):
    """UTF-8 of Windows and macOS takes no half letter."""
    name = "x" * before + "画ü" * 60
    cut = unfinished._stem(name)
    assert name.startswith(cut)
    assert 116 <= len(cut.encode("utf-8")) <= 120
    write_atomically(tmp_path / name[:80], lambda partial: partial.write_bytes(b"x"))


def png(level: int) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (8, 8), (level, 0, 0)).save(data, format="PNG")
    return data.getvalue()


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_workers_that_are_spawned_have_the_data(tmp_path, kind):
    """Windows and macOS do not fork: what a worker reads from is pickled for it. Here it has read something before."""
    path = tmp_path / f"a.{kind}"
    if kind == "folder":
        path.mkdir()
        for i in range(4):
            (path / f"{i}.png").write_bytes(png(i))
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for i in range(4):
                archive.writestr(f"{i}.png", png(i))
    else:
        with tarfile.open(path, "w") as archive:
            for i in range(4):
                info = tarfile.TarInfo(f"{i}.png")
                info.size = len(png(i))
                archive.addfile(info, io.BytesIO(png(i)))
    data = open_data(str(path), image_size=8, channels=3, memory_limit=0)
    whole = torch.arange(4)
    expected = data.batch(whole)[0]
    assert expected[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert torch.equal(pickle.loads(pickle.dumps(data)).batch(whole)[0], expected)


def test_workers_begin_with_functions_that_can_be_named():
    """A spawned worker imports them."""
    from logan.data.supply import _begin_worker, _Whole

    assert pickle.loads(pickle.dumps(_begin_worker)) is _begin_worker
    assert pickle.loads(pickle.dumps(_Whole)) is _Whole
