"""A disk that is full at any moment: one line, nothing earlier lost, and with room again the run is the one that had it always."""

from __future__ import annotations

import errno
import os
import stat

import pytest

from logan import files
from logan.cli.main import main
from logan.evaluation import cache
from logan.files import WriteError, append_line
from logan.training import folder, loop
from logan.training.loop import train

from .small import assert_same_run, config

SETTINGS = {"kimg": 2, "snap": 1, "batch": 250, "metrics": ("fid100",)}


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOGAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def disk(monkeypatch):
    """A stand-in for os.fsync, with which every file is finished: ``disk.full_from`` is the first that has no room."""

    class Disk:
        full_from, files = 10**9, 0

        def fsync(self, descriptor, fsync=os.fsync):
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                self.files += 1
                if self.files >= self.full_from:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            fsync(descriptor)

    disk = Disk()
    monkeypatch.setattr(files.os, "fsync", disk.fsync)
    return disk


@pytest.mark.parametrize("every", [6, pytest.param(1, marks=pytest.mark.slow)])
def test_full_at_every_file_in_turn(tmp_path, disk, every):
    train(config(**SETTINGS), outdir=tmp_path, desc="first", quiet=True)  # fills the cache
    disk.files = 0
    whole = train(config(**SETTINGS), outdir=tmp_path, desc="whole", quiet=True)
    in_all, runs = disk.files, 0
    assert in_all > 15
    for place in range(1, in_all + 1, every):
        disk.files, disk.full_from = 0, place
        with pytest.raises(WriteError) as caught:
            train(config(**SETTINGS), outdir=tmp_path, desc=f"full-{place}", quiet=True)
        message = str(caught.value)
        assert "cannot be written: the disk is full (it takes " in message
        assert "what was on disk before is whole. Make room, or mend that, and " in message
        (run,) = tmp_path.glob(f"*-full-{place}")
        assert not list(run.glob("*.partial"))
        disk.full_from = 10**9
        if not (run / folder.OPTIONS).exists():
            assert not runs
            continue
        runs += 1
        assert message.endswith(f"go on with `resume` {run}") or place < 4
        train(config(**SETTINGS), resume=run, quiet=True)
        assert_same_run(whole, run)
    assert runs > 10 // every


def test_the_cache_has_no_room(tmp_path, monkeypatch, capsys):
    """What is computed is used, and not kept."""
    images = tmp_path / "cache"
    monkeypatch.setenv("LOGAN_CACHE", str(images))
    write = files.write_atomically

    def full(path, *args):
        if path.parent == images:
            raise WriteError(f"{path} cannot be written: the disk is full")
        write(path, *args)

    monkeypatch.setattr("logan.sealed.write_atomically", full)
    run = train(config(**SETTINGS), outdir=tmp_path / "runs")
    assert len(folder.read_stats(run)) == 2
    assert capsys.readouterr().err.count("The features of the real images are used, and not kept") == 1
    assert list(cache.folder().iterdir()) == []


@pytest.mark.parametrize("failures", [1, 3, 10**9])
def test_a_log_that_has_no_room(tmp_path, monkeypatch, capsys, failures):
    """Training goes on, says so once, and writes what is missing once it can."""
    left = failures

    def full(path, record):
        nonlocal left
        if path.name == folder.STATS and left > 0:
            left -= 1
            raise WriteError(f"{path} cannot be written: the disk is full")
        append_line(path, record)

    monkeypatch.setattr(loop, "append_line", full)
    run = train(config(kimg=4, snap=2, batch=250), outdir=tmp_path)
    assert [r["tick"] for r in folder.read_stats(run)] == ([] if failures > 4 else [0, 1, 2, 3])
    said = capsys.readouterr().err
    assert said.count("warning: ") == said.count("Training goes on, and its log is written once there is room") == 1


def test_scores_that_have_no_room(tmp_path, monkeypatch, capsys):
    """They are in the run's log all the same, and training goes on."""

    def full(path, record):
        raise WriteError(f"{path} cannot be written: the disk is full")

    monkeypatch.setattr("logan.evaluation.records.append_line", full)
    run = train(config(**SETTINGS), outdir=tmp_path)
    assert all("fid100" in r["metrics"] for r in folder.read_stats(run))
    assert len(folder.read_stats(run)) == 2
    assert not (run / "best.json").exists()
    assert "metric-fid100.jsonl cannot be written: the disk is full. The scores are in" in capsys.readouterr().err


def test_a_terminal_that_takes_no_more(tmp_path, monkeypatch):
    """As where standard error goes to a file on a full disk."""
    from rich.console import Console

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(Console, "print", full)
    assert len(folder.read_stats(train(config(kimg=2), outdir=tmp_path))) == 2


def test_on_the_command_line_it_is_one_line(tmp_path, disk, capsys):
    disk.full_from = 6
    flags = (
        "--network dcgan --width 8 --latent-dim 8 --batch 50 --kimg 1 --tick 1 --snap 1 --engine plain --metrics none"
    )
    assert main(["train", *flags.split(), "--outdir", str(tmp_path)]) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith(f"logan: error: {tmp_path}/00000-digits-ngd/")
    assert line.endswith(f"Make room, or mend that, and go on with --resume {tmp_path}/00000-digits-ngd")
