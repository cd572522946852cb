"""A run that is stopped says so once, leaves something to sample from, and its page is of that moment."""

from __future__ import annotations

import signal

import pytest

import logan
from logan.cli.main import main
from logan.errors import AlarmError, InputError, RunStopped
from logan.game import Game
from logan.report import material
from logan.sampling import choice, snapshot
from logan.training import folder, guard, loop
from logan.training.loop import train
from logan.training.meanwhile import PICTURE

from ..interfering import interfere, signalled
from .small import assert_same_run, config

SETTINGS = {"kimg": 4, "snap": 2, "metrics": ()}
LEFT = {snapshot.STOPPED, "network-stopped.json", PICTURE}


def stopped_at(monkeypatch, outdir, step, **more):
    with monkeypatch.context() as m:
        interfere(m, Game, "step", step, signalled(signal.SIGINT))
        with pytest.raises(RunStopped):
            train(config(**SETTINGS), outdir=outdir, **more)
    (run,) = outdir.iterdir()
    return run


def test_before_the_first_snapshot_there_is_one(tmp_path, monkeypatch, capsys):
    """Of the moment; it goes when the run goes on, which is the run that never stopped."""
    run = stopped_at(monkeypatch, tmp_path / "a", 27)
    said = capsys.readouterr().err
    assert said.count("stopped at 1.4 kimg; go on with `resume`") == said.count("stopped") == 1
    assert {path.name for path in run.iterdir()} >= LEFT
    assert logan.load(run).info.images == 1350
    assert logan.load(run, snapshot="latest").sample(3).shape == (3, 1, 8, 8)
    assert choice.choose(run).why.endswith("as it was when it was stopped, before its first snapshot")
    for which in ("best", 1):
        with pytest.raises(InputError, match="`snapshot` latest is of that moment"):
            choice.choose(run, which)
    train(config(**SETTINGS), resume=run, quiet=True)
    assert not LEFT & {path.name for path in run.iterdir()}
    assert_same_run(train(config(**SETTINGS), outdir=tmp_path / "b", quiet=True), run)


def test_after_it_there_is_none(tmp_path, monkeypatch):
    run = stopped_at(monkeypatch, tmp_path, 57, quiet=True)
    assert not LEFT & {path.name for path in run.iterdir()}
    assert logan.load(run).info.images == 2000


def test_in_the_first_snapshot(tmp_path, monkeypatch):
    with monkeypatch.context() as m:
        interfere(m, loop, "save_snapshot", 1, signalled(signal.SIGTERM), False)
        with pytest.raises(RunStopped):
            train(config(**SETTINGS), outdir=tmp_path, quiet=True)
    (run,) = tmp_path.iterdir()
    assert logan.load(run).info.images == 2000


def test_an_alarm_before_the_first_snapshot(tmp_path, monkeypatch):
    """As when a loss is no number at the first tick."""
    monkeypatch.setattr(guard.Guard, "judge", lambda *args, **how: "stop")
    with pytest.raises(AlarmError, match=r"stopped by an alarm at 1\.0 kimg"):
        train(config(**SETTINGS), outdir=tmp_path, quiet=True)
    (run,) = tmp_path.iterdir()
    assert logan.load(run).info.images == 1000
    assert (run / PICTURE).exists()


def test_before_the_first_step_there_is_nothing(tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as m:
        interfere(m, loop, "first_pictures", 1, signalled(signal.SIGINT), False)
        with pytest.raises(RunStopped):
            train(config(**SETTINGS), outdir=tmp_path)
    (run,) = tmp_path.iterdir()
    assert capsys.readouterr().err.count("stopped before the first step") == 1
    with pytest.raises(InputError, match="has not come to its first snapshot"):
        logan.load(run)


def test_the_page_is_of_the_moment_and_not_of_the_tick_before(tmp_path, monkeypatch):
    run = stopped_at(monkeypatch, tmp_path, 57, quiet=True, report=True)
    assert folder.read_stats(run)[-1]["kimg"] == 2.0
    assert material.read(run).kimg == 2.0
    assert "unfinished: 3 of 4 kimg" in (run / "report.html").read_text(encoding="utf-8")
    (run / "report.html").unlink()
    assert main(["report", str(run), "--device", "cpu"]) == 0
    assert "unfinished: 3 of 4 kimg" in (run / "report.html").read_text(encoding="utf-8")


def test_the_command_says_it_in_one_line(tmp_path, monkeypatch, capsys):
    flags = f"--network dcgan --width 8 --latent-dim 8 --batch 50 --kimg 4 --metrics none --engine plain --outdir {tmp_path}"
    with monkeypatch.context() as m:
        interfere(m, Game, "step", 7, signalled(signal.SIGINT))
        assert main(["train", *flags.split()]) == 130
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if "stopped" in line or "interrupted" in line] == said[-1:]
    assert "stopped at 0.3 kimg; go on with --resume " in " ".join(said[-2:]).replace("`resume`", "--resume")
