"""A stop at any moment of a snapshot, by whatever signal: the state is that of the moment, and what follows is the same run."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from logan.distributed import World
from logan.evaluation import records
from logan.interrupts import SIGNALS
from logan.training import folder, lock, loop, state
from logan.training.loop import train

from ..interfering import Killed, interfere, killed, signalled
from .small import assert_same_run, config

SETTINGS = {"kimg": 2, "snap": 1, "batch": 250, "metrics": ("fid100", "pr100")}  # eight steps


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    return functools.cache(lambda: train(config(**SETTINGS), outdir=tmp_path_factory.mktemp("whole"), quiet=True))


def metric_lines(run):
    drop = {"timestamp", "total_time", "seconds"}
    return {
        path.name: [{k: v for k, v in r.items() if k not in drop} for r in map(json.loads, path.open())]
        for path in run.glob("metric-*.jsonl")
    }


def assert_goes_on_as(whole, run):
    assert train(config(**SETTINGS), resume=run, quiet=True) == run
    assert_same_run(whole, run)
    assert metric_lines(whole) == metric_lines(run)
    assert json.loads((whole / records.BEST).read_text()) == json.loads((run / records.BEST).read_text())


MOMENTS = {
    "before the pictures": (loop, "save_fakes", 1, False),
    "before the snapshot": (loop, "save_snapshot", 2, False),
    "before the scores": (loop, "take_scores", 1, False),
    "after the scores": (loop, "take_scores", 2, True),
    "after the first metric's line": (records, "append_line", 1, True),
    "after the last metric's line": (records, "append_line", 4, True),
    "after the best was kept": (records, "keep_best", 2, True),
}
LATER = {
    "before the log's line": (loop, "append_line", 1, False),
    "after the log's line": (loop, "append_line", 2, True),
    "at the curves": (loop, "save_curves", 2, False),
    "before the state after": (state, "save", 2, False),
}


QUICK = ("before the pictures", "after the scores", "after the last metric's line", "after the log's line")


@pytest.mark.parametrize(
    "moment", [pytest.param(m, marks=[pytest.mark.slow] * (m not in QUICK)) for m in (*MOMENTS, *LATER)]
)
def test_killed_in_a_snapshot(tmp_path, monkeypatch, whole_run, moment):
    owner, name, call, after = (MOMENTS | LATER)[moment]
    with monkeypatch.context() as m:
        interfere(m, owner, name, call, killed, after)
        with pytest.raises(Killed):
            train(config(**SETTINGS), outdir=tmp_path, quiet=True)
    (run,) = tmp_path.iterdir()
    saved = torch.load(run / state.FILE_NAME, weights_only=True)["progress"]
    assert saved["due"] is not None or moment == "before the state after"
    assert saved["images"] in (1000, 2000) or moment == "before the state after"
    assert_goes_on_as(whole_run(), run)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    "moment", ["before the pictures", "before the scores", "after the first metric's line", "at the curves"]
)
def test_a_signal_in_a_snapshot_leaves_at_once(tmp_path, monkeypatch, capsys, whole_run, moment, number):
    if number != SIGNALS[-1] and moment != "before the scores":
        pytest.skip("one moment for each signal, and one signal for each moment")
    owner, name, call, after = (MOMENTS | LATER)[moment]
    with monkeypatch.context() as m:
        interfere(m, owner, name, 1 if moment == "at the curves" else call, signalled(number), after)
        with pytest.raises(KeyboardInterrupt):
            train(config(**SETTINGS), outdir=tmp_path)
    (run,) = tmp_path.iterdir()
    assert f"stopped at 1.0 kimg, before the scores; go on with `resume` {run}" in capsys.readouterr().err
    assert torch.load(run / state.FILE_NAME, weights_only=True)["progress"]["images"] == 1000
    assert not folder.read_stats(run) or moment == "at the curves"
    assert_goes_on_as(whole_run(), run)


def test_a_signal_in_the_last_step_leaves_the_scores_for_later(tmp_path, monkeypatch, whole_run):
    from logan.game import Game

    with monkeypatch.context() as m:
        interfere(m, Game, "step", 8, signalled(signal.SIGHUP))
        with pytest.raises(KeyboardInterrupt):
            train(config(**SETTINGS), outdir=tmp_path, quiet=True)
    (run,) = tmp_path.iterdir()
    assert len(folder.read_stats(run)) == 1
    assert_goes_on_as(whole_run(), run)


def test_a_state_without_what_is_due_is_of_an_older_version(tmp_path, whole_run):
    """And is gone on with."""
    run = train(config(kimg=1, snap=1, batch=250), outdir=tmp_path, quiet=True)
    saved = torch.load(run / state.FILE_NAME, weights_only=True)
    del saved["progress"]["due"]
    torch.save(saved, run / state.FILE_NAME)
    train(config(kimg=2, snap=1, batch=250), resume=run, quiet=True)
    assert len(folder.read_stats(run)) == 2


def test_a_line_that_was_cut_short_spoils_no_other(tmp_path):
    run = train(config(kimg=1, snap=1), outdir=tmp_path, quiet=True)
    path = run / "metric-fid10k.jsonl"
    path.write_bytes(b'{"metric": "fid10k", "images": 500, "resu')
    records.append(run, {"metric": "fid10k", "images": 1000, "results": {"fid10k": 3.0}})
    (found,) = records.read(run, "fid10k")
    assert found["results"] == {"fid10k": 3.0}


@pytest.mark.skipif(os.name != "posix", reason="a terminal")
def test_a_terminal_that_is_closed(tmp_path):
    """As by the end of an ssh session: SIGHUP comes, and nothing can be written to it any more."""
    import pty

    flags = (
        "--network dcgan --latent-dim 8 --width 8 --batch 50 --kimg 100000 --metrics none --engine plain --threads 1"
    )
    process, terminal = pty.fork()
    if process == 0:
        command = [sys.executable, "-m", "logan.cli.main", "train", *flags.split(), "--outdir", str(tmp_path)]
        os.execv(sys.executable, command)
    run = tmp_path / "00000-digits-ngd"
    deadline = time.monotonic() + 120
    while not (run / "fakes_init.png").exists():
        assert time.monotonic() < deadline
        os.set_blocking(terminal, False)
        with contextlib.suppress(BlockingIOError):
            os.read(terminal, 65536)
        time.sleep(0.05)
    time.sleep(1)
    os.close(terminal)
    begun = time.monotonic()
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 130
    assert time.monotonic() - begun < 10
    assert torch.load(run / state.FILE_NAME, weights_only=True)["progress"]["steps"] > 0


def children(process):
    with open(f"/proc/{process}/task/{process}/children") as f:
        return f.read().split()


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="looks for children where Linux has them")
def test_workers_beside_a_run_that_is_signalled(tmp_path, monkeypatch):
    """Workers that decode images get the signal too, as from Slurm or systemd; the run is saved all the same. Those of a run that
    was killed do not hold its lock."""
    monkeypatch.setattr(lock, "PATIENCE", 0.3)
    import numpy as np
    from PIL import Image

    images = tmp_path / "images"
    images.mkdir()
    for i in range(120):
        Image.fromarray(np.full((8, 8, 3), i, np.uint8)).save(images / f"{i:03d}.png")
    code = """
import functools, sys
import logan.data.open
logan.data.open.open_data = functools.partial(logan.data.open.open_data, memory_limit=0)
from logan.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
    flags = (
        f"train --data {images} --network dcgan --latent-dim 8 --width 8 --batch 50 --kimg 100000 --metrics none "
        f"--engine plain --threads 1 --workers 2 --outdir {tmp_path}"
    ).split()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGKILL):
        process = subprocess.Popen(
            [sys.executable, "-c", code, *flags], start_new_session=True, stderr=subprocess.PIPE, text=True
        )
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob("0*/fakes_init.png")):
            assert time.monotonic() < deadline
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.1)
        (run,) = tmp_path.glob("0*")
        time.sleep(2)
        if number == signal.SIGKILL:
            assert len(children(process.pid)) == 2
            process.kill()
            process.wait()
            with lock.locked(
                run, World()
            ) as warnings:  # at once: the workers live on for some seconds, and hold nothing
                assert warnings == []
            break
        os.killpg(process.pid, number)
        error = process.communicate(timeout=30)[1]
        assert process.returncode == 130, error
        assert f"go on with --resume {run}" in error
        assert "Traceback" not in error
        subprocess.run(["rm", "-r", str(run)], check=True)
