"""One process at a time in a folder, and a folder from a stranger leads nowhere else."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest
from filelock import Timeout

from logan.distributed import World
from logan.errors import InputError
from logan.training import job, lock, state
from logan.training.lock import locked


def test_who_holds_it_is_said_and_forgotten_when_it_is_free(tmp_path):
    (tmp_path / lock.HOLDER).write_text("process of old, whose name is much longer than the next one's is\n")
    with locked(tmp_path, World()) as warnings:
        assert warnings == []
        assert (tmp_path / lock.HOLDER).read_text() == f"process {os.getpid()} on {os.uname().nodename}\n"
    with locked(tmp_path, World()):
        pass


@pytest.mark.parametrize("name", [lock.FILE_NAME, lock.HOLDER])
@pytest.mark.parametrize("there", [True, False])
def test_no_link_is_followed(tmp_path, name, there):
    run, victim = tmp_path / "run", tmp_path / "victim"
    run.mkdir()
    if there:
        victim.write_text("precious")
    (run / name).symlink_to(victim)
    with pytest.raises(InputError, match=re.escape(f"{run / name} is a link")), locked(run, World()):
        pass
    assert victim.read_text() == "precious" if there else not victim.exists()


@pytest.mark.parametrize("name", [lock.FILE_NAME, lock.HOLDER])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_what_is_no_file_is_one_line_and_no_reason_to_go_on(tmp_path, name, make):
    make(tmp_path / name)
    with pytest.raises(InputError, match="is not a file"), locked(tmp_path, World()):
        pass
    with locked_elsewhere(tmp_path / "other"):
        pass


def locked_elsewhere(folder: Path):
    """What failed has left no lock behind that is in the way of others."""
    folder.mkdir()
    return locked(folder, World())


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_a_holder_that_is_no_file_is_not_read(tmp_path, make, monkeypatch):
    make(tmp_path / lock.HOLDER)

    def held(self, *_, **__):
        raise Timeout("x")

    monkeypatch.setattr(lock.FileLock, "acquire", held)
    with pytest.raises(InputError, match="is being trained by another process"), locked(tmp_path, World()):
        pass


@pytest.mark.parametrize(
    ("error", "goes_on"),
    [
        *((OSError(getattr(errno, name), name), True) for name in ("ENOTSUP", "EOPNOTSUPP", "ENOLCK", "ENOSYS")),
        (NotImplementedError("no flock here"), True),
        *(
            (OSError(getattr(errno, name), name), False)
            for name in ("EIO", "EACCES", "ENOSPC", "ESTALE", "EMFILE", "ELOOP")
        ),
    ],
    ids=repr,
)
def test_which_errors_mean_that_there_are_no_locks(tmp_path, error, goes_on, monkeypatch):
    def fails(self, *_, **__):
        raise error

    monkeypatch.setattr(lock.FileLock, "acquire", fails)
    if goes_on:
        with locked(tmp_path, World()) as warnings:
            assert "file system without locks" in warnings[0]
    else:
        with pytest.raises(InputError, match=r"\.lock cannot be written: "), locked(tmp_path, World()):
            pass


def test_a_claim_that_is_no_file_is_nobodys(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "mine")
    for k, make in enumerate((os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero"))):
        (tmp_path / str(k)).mkdir()
        make(tmp_path / str(k) / job.FILE_NAME)
        (tmp_path / str(k) / state.FILE_NAME).touch()
    assert job.own_run([tmp_path]) is None
    (tmp_path / "4").mkdir()
    (tmp_path / "4" / state.FILE_NAME).touch()
    job.claim(tmp_path / "4")
    assert job.own_run([tmp_path]) == tmp_path / "4"
