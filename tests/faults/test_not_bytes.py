"""Harm that no change of bytes does: something else in a file's place, files of no end, and what takes time with its square.

The damaged files of the other tests are files. Here a run's folder, a cache and labels hold links, pipes, devices and folders.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import contextmanager, suppress

import pytest
import torch

from logan.compare.runs import existing_runs, images_seen, read_points
from logan.data import open_data
from logan.data.prepare import prepare
from logan.distributed import World
from logan.errors import InputError
from logan.evaluation import records, reference
from logan.foreign import load_json
from logan.sampling import snapshot
from logan.training import folder, job, lock, resume, state

from .kinds_of_images import picture
from .kinds_of_runs import METRIC, Pixels, config, parts_of_a_run, real_images, run_in, score_seeds

SECONDS = 5


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A run with scores."""
    run = run_in(tmp_path_factory.mktemp("good"))
    for seed in score_seeds(run):
        (run / seed.name).write_bytes(seed.data)
    return run


@pytest.fixture
def run(good, tmp_path):
    return shutil.copytree(good, tmp_path / "runs" / good.name)


@contextmanager
def in_time():
    """A hang is a finding."""

    def too_long(number, frame):
        raise AssertionError(f"more than {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(4 * SECONDS)  # a machine may have other work
    started = time.process_time()
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert time.process_time() - started < SECONDS


def sparse(path):
    with open(path, "wb") as f:
        f.truncate(1 << 40)


PLACES = {
    "a link to a file": lambda path: path.symlink_to(path.parents[2] / "precious"),
    "a link to nothing": lambda path: path.symlink_to(path.parents[2] / "made"),
    "a link to zeros": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a pipe": os.mkfifo,
    "a folder": os.mkdir,
    "a terabyte of holes": sparse,
}
NAMES = (
    *(folder.OPTIONS, folder.STATS, METRIC, "metric-new.jsonl", records.BEST, state.FILE_NAME),
    *(lock.FILE_NAME, lock.HOLDER, job.FILE_NAME, "network-snapshot-000001.safetensors"),
)


def uses(run):
    """All that is done with a run's folder: it is read, compared, scored, gone on with."""
    line = {"metric": "fid50", "images": 1, "results": {"fid50": 1.0}}

    def hold():
        with lock.locked(run, World()):
            pass

    return {
        "options": lambda: folder.read_options(run),
        "all runs": lambda: existing_runs(run.parent),
        "the latest": lambda: resume.latest(run.parent, config()),
        "seen": lambda: images_seen(run),
        "points": lambda: read_points(run),
        "measured": lambda: records.measured(run),
        "score": lambda: records.append(run, line),
        "a new score": lambda: records.append(run, {**line, "metric": "new"}),
        "best": lambda: records.keep_best(run, 1000, {"fid50": 1.0}),
        "a snapshot": lambda: snapshot.read(run),
        "whose": lambda: job.own_run([run.parent]),
        "lock": hold,
        "state": lambda: state.load(run / state.FILE_NAME, *parts_of_a_run()),
        "claim": lambda: job.claim(run),
        "tidied": lambda: folder.tidy(run, 1),
        "scores forgotten": lambda: records.drop_after(run, 0),
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", PLACES)
def test_a_strangers_run_hangs_nothing_and_writes_nowhere_else(run, tmp_path, name, place, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "mine")
    precious = tmp_path / "precious"
    precious.write_text("precious")
    there = run / name
    there.unlink(missing_ok=True)
    if place == "a terabyte of holes" and name.startswith("network-snapshot"):
        pytest.skip("a file of holes takes the place that it says it takes, where it is copied: docs/trust.md says so")
    PLACES[place](there)
    for use in uses(run).values():
        with in_time(), suppress(InputError, OSError):
            use()
        assert precious.read_text() == "precious"
        assert not (tmp_path / "made").exists()
    assert {p.name for p in tmp_path.iterdir()} == {"precious", "runs"}


@pytest.mark.parametrize("place", PLACES)
def test_the_same_of_a_cache(tmp_path, place, monkeypatch):
    """It is made again, and lines say so; what is in its place stays if it is no file."""
    cache = tmp_path / "a" / "b"
    cache.mkdir(parents=True)
    (tmp_path / "precious").write_text("precious")
    monkeypatch.setenv("LOGAN_CACHE", str(cache))
    expected = reference.of_real(real_images(), None, Pixels(), torch.device("cpu"))
    kept = next(cache.glob("features*"))
    kept.unlink()
    PLACES[place](kept)
    said = []
    with in_time():
        found = reference.of_real(real_images(), None, Pixels(), torch.device("cpu"), said.append)
    assert torch.equal(found.features.features, expected.features.features)
    if place not in ("a link to nothing", "a link to itself"):
        assert "the features are computed again" in said[0]
    assert all("\n" not in line for line in said)
    assert len(said) == 1 + (place == "a folder") or place in ("a link to nothing", "a link to itself")
    assert (tmp_path / "precious").read_text() == "precious"


@pytest.mark.parametrize("place", [*PLACES, "a terminal"])
def test_the_same_of_labels_and_snapshots_that_a_person_names(tmp_path, place):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "precious").write_text("precious")
    path = tmp_path / "a" / "b" / "x.safetensors"
    PLACES.get(place, lambda path: path.symlink_to("/dev/tty"))(path)
    (tmp_path / "set").mkdir()
    picture().save(tmp_path / "set" / "a.png")
    for use in (
        lambda: snapshot.read(path),
        lambda: open_data(str(path)),
        lambda: prepare(str(tmp_path / "set"), tmp_path / "set.zip", size=4, labels=path),
    ):
        with in_time(), pytest.raises((InputError, FileNotFoundError)):
            use()


@pytest.mark.parametrize(
    "text",
    [
        "{" + ",".join(f'"k{i}":1' for i in range(50_000)) + ',"k49999":1}',
        "[" + "[]," * 200_000 + "1]",
        '{"a": "' + "\\u0041" * 150_000 + '"}',
        "[" + "1e5," * 200_000 + "1]",
        "[" + "1" * 900_000 + "]",
        "[" + " " * 900_000 + "]",
        '"' + "\\" * 899_999 + '"',
    ],
    ids=["a name twice", "lists", "escapes", "numbers", "digits", "spaces", "backslashes"],
)
def test_what_is_repeated_takes_no_more_than_its_length(text):
    with in_time(), suppress(InputError):
        load_json(text)
