"""Stopping anywhere and going on gives the run that never stopped, bit for bit."""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image

from logan.errors import InputError
from logan.game import Game
from logan.training import folder, state
from logan.training.loop import train

from .small import assert_same_run, config

pytestmark = pytest.mark.usefixtures("all_checks")


class Stop(Exception):
    """Stands for a process that dies."""


def stop_after(monkeypatch, steps: int, how) -> None:
    """Call ``how`` in the middle of the given step of the game."""
    step, count = Game.step, 0

    def counted(self, *args):
        nonlocal count
        count += 1
        if count == steps:
            how()
        return step(self, *args)

    monkeypatch.setattr(Game, "step", counted)


def die():
    raise Stop


def ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


VARIANTS = {
    "everything on": {},
    "alternating, 2 D-steps": {"update": "alternating", "d_steps": 2},
    "no latent step, normal prior": {"latent": "none", "prior": "normal"},
    "latent steps less often": {"latent_every": 3, "latent_share": 0.5},
    "optimistic": {"latent": "none", "dynamics": "optimistic"},
    "extragradient": {"subset": "leading", "dynamics": "extragradient"},
    "sga under a probe": {"latent": "none", "dynamics": "sga", "probe": 4},
    "conditional, gd, bfloat16": {"conditional": True, "latent": "gd", "alpha": 0.1, "precision": "bfloat16"},
    "ngd under a probe": {"subset": "leading", "probe": 5},
}


MOMENTS = [(1, die), (13, ctrl_c), (45, die), (57, ctrl_c)]
OTHERS = list(VARIANTS)[1:]


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """settings ↦ the run of them that nothing stopped; each is trained once."""
    return functools.cache(lambda settings: train(settings, outdir=tmp_path_factory.mktemp("whole"), quiet=True))


@pytest.fixture
def ended(whole_run, tmp_path):
    """settings ↦ a run of them that ended, to be spoilt or gone on with: a copy."""
    return lambda settings: shutil.copytree(whole_run(settings), tmp_path / "ended")


@pytest.mark.parametrize(
    ("variant", "step", "how", "engine"),
    [
        ("everything on", *MOMENTS[0], "plain"),
        *[pytest.param("everything on", *moment, "recorded", marks=pytest.mark.slow) for moment in MOMENTS],
        *[(variant, 13, ctrl_c, "plain") for variant in OTHERS[:-1]],
        pytest.param(OTHERS[-1], 13, ctrl_c, "plain", marks=pytest.mark.slow),
        *[pytest.param(variant, 45, die, "recorded", marks=pytest.mark.slow) for variant in OTHERS],
    ],
)
def test_resume_is_exact(tmp_path, monkeypatch, whole_run, variant, step, how, engine):
    length = {} if engine == "recorded" else {"kimg": 2, "snap": 1}
    settings = config(engine=engine, **VARIANTS[variant], **length)
    whole = whole_run(settings)
    torch.manual_seed(99)  # nothing may depend on what the process did before
    random.seed(99)
    np.random.seed(99)
    step = step // settings.game.d_steps + 1
    with monkeypatch.context() as m:
        stop_after(m, step, how)
        with pytest.raises((Stop, KeyboardInterrupt)):
            train(settings, outdir=tmp_path, desc="stopped", quiet=True)
    stopped = tmp_path / "00000-stopped"
    saved = torch.load(stopped / state.FILE_NAME, weights_only=True)["progress"]["steps"]
    assert saved == step if how is ctrl_c else saved < step or step == 1
    assert train(settings, resume=stopped, quiet=True) == stopped
    assert_same_run(whole, stopped)


def test_stop_twice(tmp_path, monkeypatch, whole_run):
    settings = config(engine="recorded")
    for step in (30, 25):
        with monkeypatch.context() as m:
            stop_after(m, step, ctrl_c)
            with pytest.raises(KeyboardInterrupt):
                train(
                    settings,
                    outdir=tmp_path,
                    desc="stopped",
                    quiet=True,
                    resume=folder_or_none(tmp_path / "00000-stopped"),
                )
    train(settings, resume=tmp_path / "00000-stopped" / state.FILE_NAME, quiet=True)
    assert_same_run(whole_run(settings), tmp_path / "00000-stopped")


def folder_or_none(path):
    return path if path.exists() else None


def test_streamed_folder_with_workers(tmp_path, monkeypatch):
    """Order of the data when images are decoded on the way."""
    import functools

    from logan.data import open_data

    images = tmp_path / "images"
    images.mkdir()
    source = np.random.default_rng(0)
    for i in range(130):
        Image.fromarray(source.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(images / f"{i:03d}.png")
    monkeypatch.setattr("logan.data.open.open_data", functools.partial(open_data, memory_limit=0))
    settings = config(data=str(images), workers=2, kimg=1, snap=1)
    whole = train(settings, outdir=tmp_path, desc="whole", quiet=True)
    with monkeypatch.context() as m:
        stop_after(m, 9, ctrl_c)
        with pytest.raises(KeyboardInterrupt):
            train(settings, outdir=tmp_path, desc="stopped", quiet=True)
    stopped = tmp_path / "00001-stopped"
    train(settings, resume=stopped, quiet=True)
    assert_same_run(whole, stopped)
    assert multiprocessing.active_children() == []  # Python would wait for them at its end


def test_two_runs_are_equal_and_seeds_differ(tmp_path, whole_run):
    a = whole_run(config(kimg=1))
    b, c = (train(config(seed=s, kimg=1), outdir=tmp_path, quiet=True) for s in (0, 4))
    assert_same_run(a, b)
    with pytest.raises(AssertionError):
        assert_same_run(a, c)


def test_longer_than_planned(whole_run, ended):
    """--kimg may grow: a run of 1 prolonged to 2 is the run of 2."""
    short, long = ended(config(kimg=1, snap=1)), whole_run(config(kimg=2, snap=1))
    train(config(kimg=2, snap=1), resume=short, quiet=True)
    assert_same_run(short, long)


COMMAND = (
    "--network dcgan --latent-dim 8 --width 8 --spectral-norm True --mirror --subset random --beta 0.5 --batch 50 "
    "--tick 1 --snap 1 --ema-kimg 1"
).split()


def start(*args: str) -> subprocess.Popen:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "logan.cli.main", "train", *args]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def start_and_wait_for_its_options(outdir, number: int, name: str, flags: str):
    """A process from the moment on at which its run can be resumed."""
    process = start(*COMMAND, "--outdir", str(outdir), "--desc", name, *flags.split())
    run = outdir / f"{number:05d}-{name}"
    deadline = time.monotonic() + 120
    while not (run / folder.OPTIONS).exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return process, run


@pytest.mark.parametrize(
    ("times", "flags"),
    [
        (1, "--kimg 2 --engine plain --metrics none"),
        pytest.param(3, "--kimg 8 --snap 2 --engine recorded", marks=pytest.mark.slow),
    ],
)
def test_kill_9_at_a_random_moment(tmp_path, times, flags):
    whole, reference = start_and_wait_for_its_options(tmp_path, 0, "whole", flags)
    begun = time.monotonic()
    assert whole.wait() == 0, whole.stderr.read()
    duration = time.monotonic() - begun
    for i in range(1, times + 1):
        moment = random.SystemRandom().uniform(0, 0.9) * duration
        killed, run = start_and_wait_for_its_options(tmp_path, i, f"killed{i}", flags)
        time.sleep(moment)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        where = f"killed {moment:.3f} s of {duration:.3f} s after its first file"
        again = start("--resume", str(run))
        assert again.wait() == 0, where + again.stderr.read()
        assert_same_run(reference, run)


def test_sigterm_saves_and_says_how_to_go_on(tmp_path):
    process = start(*COMMAND, "--outdir", str(tmp_path), "--kimg", "100000", "--engine", "plain",
                    "--metrics", "none")  # fmt: skip
    run = tmp_path / "00000-digits-ngd"
    deadline = time.monotonic() + 60
    while not (run / state.FILE_NAME).exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.5)
    process.terminate()
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert f"go on with --resume {run}" in error
    assert "Traceback" not in error


def test_other_settings_are_refused(ended):
    run = ended(config(kimg=1))
    with pytest.raises(InputError, match="`batch` 25 is not what .* was started with \\(50\\)"):
        train(config(kimg=2, batch=25), resume=run, quiet=True)
    with pytest.raises(InputError, match="`beta`"):
        train(config(kimg=2, beta=9.0), resume=run, quiet=True)


def test_damaged_state_is_named_and_nothing_is_lost(ended):
    run = ended(config(kimg=1))
    path = run / state.FILE_NAME
    good = path.read_bytes()
    middle = len(good) // 2
    flipped = good[:middle] + bytes([good[middle] ^ 255]) + good[middle + 1 :]
    for bad in (good[: len(good) // 2], b"", b"not a state", flipped):
        path.write_bytes(bad)
        before = {p.name: p.read_bytes() for p in run.iterdir()}
        with pytest.raises(InputError, match="damaged.*resume from a snapshot"):
            train(config(kimg=2), resume=run, quiet=True)
        assert {p.name: p.read_bytes() for p in run.iterdir()} == before
    path.write_bytes(good)
    train(config(kimg=2), resume=run, quiet=True)


def test_a_state_is_never_executed(tmp_path, ended):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "evil"),))

    run = ended(config(kimg=1))
    torch.save({"format": 1, "x": Evil()}, run / state.FILE_NAME)
    with pytest.raises(InputError, match="damaged"):
        train(config(kimg=2), resume=run, quiet=True)
    assert not (tmp_path / "evil").exists()


def test_other_data_are_refused(tmp_path):
    """The order of the data is a function of the seed and the position: the data must be the ones it began with."""
    images = tmp_path / "images"
    images.mkdir()
    source = np.random.default_rng(0)

    def write(i):
        Image.fromarray(source.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(images / f"{i:03d}.png")

    for i in range(60):
        write(i)
    settings = config(data=str(images), kimg=1)
    run = train(settings, outdir=tmp_path, quiet=True)
    write(30)
    with pytest.raises(InputError, match="is not what .* was trained on"):
        train(config(data=str(images), kimg=2), resume=run, quiet=True)


def test_options_with_a_missing_or_wrong_setting_are_refused(ended):
    run = ended(config(kimg=1))
    path = run / folder.OPTIONS
    good = json.loads(path.read_text())
    for change, message in (
        (lambda o: o["run"].pop("seed"), "run.seed is missing"),
        (lambda o: o.pop("game"), "game is missing"),
        (lambda o: o["latent"].update(beta=None), "latent.beta cannot be None"),
        (lambda o: o["data"].update(data=7), "data.data cannot be 7"),
        (lambda o: o["run"].update(sede=7), "did you mean 'seed'"),
        (lambda o: o.update(run=3), "not a group"),
        (lambda o: o.update(run="x" * 5000), "not a group"),
        (lambda o: o.update({"x" * 5000: 3}), "unknown settings"),
        (lambda o: o["run"].update({"x" * 5000: 3}), "unknown setting run.xxx"),
        (lambda o: o["data"].update(data=["x" * 5000]), "data.data cannot be"),
    ):
        broken = json.loads(json.dumps(good))
        change(broken)
        path.write_text(json.dumps(broken))
        with pytest.raises(InputError, match=message) as caught:
            folder.read_options(run)
        assert len(str(caught.value)) < 300 + len(str(run))
    for content in (b"{", b"\xff\xfe", b"[]"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="damaged"):
            folder.read_options(run)


def test_a_damaged_log_is_no_obstacle(ended):
    run = ended(config(kimg=1))
    (run / folder.STATS).write_bytes(b"\xff\xfe\n5\n" + (run / folder.STATS).read_bytes() + b'{"tick": 1, "ki')
    train(config(kimg=2), resume=run, quiet=True)
    assert [r["tick"] for r in folder.read_stats(run)] == [0, 1]


LINES = {
    "no tick": b'{"kimg": 1.0, "steps": 20}',
    "no kimg": b'{"tick": 0, "steps": 20}',
    "a tick that is a word": b'{"tick": "0", "kimg": 1.0, "steps": 20}',
    "a kimg that is a word": b'{"tick": 0, "kimg": "1"}',
    "no steps": b'{"tick": 0, "kimg": 1.0}',
    "a probe that saw words": b'{"tick": 0, "kimg": 1.0, "steps": 20, "probe": [{"step": 1, "norm_g": "x"}]}',
    "a back that is none": b'{"tick": 0, "kimg": 1.0, "steps": 20, "back": 7}',
    "alarms that are none": b'{"tick": 0, "kimg": 1.0, "steps": 20, "alarms": ["x"]}',
    "gradients that are none": b'{"tick": 0, "kimg": 1.0, "steps": 20, "gradients_not_finite": 7}',
    "negative": b'{"tick": -1, "kimg": 1.0, "steps": 20}',
    "a number of 5,000 digits": b'{"tick": ' + b"9" * 5000 + b', "kimg": 1.0, "steps": 20}',
    "Infinity": b'{"tick": 0, "kimg": Infinity}',
    "nested": b'{"tick": 0, "kimg": 1.0, "steps": 20, "x": ' + b"[" * 10**5,
    "a loss that is a word": b'{"tick": 0, "kimg": 1.0, "steps": 20, "d_loss": "x"}',
    "metrics that are none": b'{"tick": 0, "kimg": 1.0, "steps": 20, "metrics": 7}',
    "metrics that are words": b'{"tick": 0, "kimg": 1.0, "steps": 20, "metrics": {"fid10": "x"}}',
    "a probe that is none": b'{"tick": 0, "kimg": 1.0, "steps": 20, "probe": [7]}',
}


GOOD = b'{"tick": 0, "kimg": 1.0, "steps": 20, "d_loss": null, "g_loss": 0.5, "metrics": {"fid10": null}}'


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_a_line_of_the_log_that_is_none_is_left_out(tmp_path, line):
    from logan.compare.runs import images_seen

    (tmp_path / folder.STATS).write_bytes(line + b"\n" + GOOD + b"\n" + line + b"\n")
    assert folder.read_stats(tmp_path) == [json.loads(GOOD)]
    assert images_seen(tmp_path) == 1000
    folder.tidy(tmp_path, 1)
    assert (tmp_path / folder.STATS).read_text().count("\n") == 1


def test_numbers_that_are_none_are_gaps_in_the_curves(tmp_path):
    from logan.report.curves import save_curves

    save_curves(tmp_path / "curves.png", [json.loads(GOOD)])
    assert (tmp_path / "curves.png").stat().st_size > 1000


OPTIONS = {
    "nested": b"[" * 10**5,
    "nested groups": b'{"a":' * 10**4 + b"1" + b"}" * 10**4,
    "a number of 5,000 digits": b'{"run": {"kimg": ' + b"9" * 5000 + b"}}",
    "NaN": b'{"run": {"kimg": NaN}}',
    "Infinity": b'{"latent": {"alpha": Infinity}}',
    "a setting twice": b'{"run": {"kimg": 1, "kimg": 2}}',
    "a list": b"[1]",
    "a group that is none": b'{"run": 7}',
}


@pytest.mark.parametrize("content", OPTIONS.values(), ids=OPTIONS)
def test_options_that_are_none_are_one_line(tmp_path, content):
    (tmp_path / folder.OPTIONS).write_bytes(content)
    with pytest.raises(InputError) as caught:
        folder.read_options(tmp_path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300 + len(str(tmp_path))


def test_a_finished_run_is_left_alone(ended, capsys):
    run = ended(config(kimg=2))
    before = {p.name: p.read_bytes() for p in run.iterdir()}
    assert train(config(kimg=1), resume=run) == run
    assert "larger `kimg`" in capsys.readouterr().err
    assert {p.name: p.read_bytes() for p in run.iterdir()} == before


def test_another_number_of_threads_is_said(ended, capsys):
    run = ended(config(kimg=1))
    path = run / state.FILE_NAME
    saved = torch.load(path, weights_only=True)
    torch.save(saved | {"threads": 17}, path)
    train(config(kimg=2), resume=run)
    assert "computed with 17 threads" in capsys.readouterr().err


def test_cadence_may_change(ended):
    """--tick and --snap of a resumed run count from the start, whatever they were before."""
    run = ended(config(kimg=1))
    train(config(kimg=5, tick=2, snap=1), resume=run, quiet=True)
    assert [r["kimg"] for r in folder.read_stats(run)] == [1, 2, 4, 5]


def test_interrupted_at_a_tick_without_snapshot(tmp_path, monkeypatch):
    """Step 20 ends the first tick, and the snapshot comes with the second."""
    with monkeypatch.context() as m:
        stop_after(m, 20, ctrl_c)
        with pytest.raises(KeyboardInterrupt):
            train(config(), outdir=tmp_path, quiet=True)
    assert torch.load(tmp_path / "00000-digits-ngd" / state.FILE_NAME, weights_only=True)["progress"]["steps"] == 20


def test_a_removed_state_is_not_started_over(ended):
    run = ended(config(kimg=1))
    (run / state.FILE_NAME).unlink()
    before = {p.name: p.read_bytes() for p in run.iterdir()}
    with pytest.raises(InputError, match="start a new run from a snapshot"):
        train(config(kimg=2), resume=run, quiet=True)
    assert {p.name: p.read_bytes() for p in run.iterdir()} == before


def test_start_from_a_snapshot(tmp_path, ended):
    first = ended(config(kimg=1))
    snapshot = first / "network-snapshot-000001.safetensors"
    second = train(config(kimg=1, snap=1, seed=5, g_lr=0.0, d_lr=0.0), outdir=tmp_path, resume=snapshot, quiet=True)
    assert second != first
    from logan.sampling.snapshot import read

    (_, a), (_, b) = read(snapshot), read(second)
    kept = [k for k in a if "running" not in k and "num_batches" not in k and not k.endswith((".0._u", ".0._v"))]
    assert kept
    assert all(torch.equal(a[k], b[k]) for k in kept)  # with no learning rate the weights are the snapshot's
    with pytest.raises(InputError, match="another architecture"):
        train(config(width=16), outdir=tmp_path, resume=snapshot, quiet=True)
    with pytest.raises(InputError, match="does not exist"):
        train(config(), outdir=tmp_path, resume=tmp_path / "nowhere", quiet=True)
    with pytest.raises(InputError, match="neither a run folder"):
        train(config(), outdir=tmp_path, resume=first / "stats.jsonl", quiet=True)
    with pytest.raises(InputError, match="not a run folder"):
        train(config(), outdir=tmp_path, resume=tmp_path, quiet=True)


def test_a_tick_is_a_mean_over_the_steps_that_reported(tmp_path, monkeypatch):
    """With latent_every, R_z is reported by some steps only; losses by all."""
    reports, step = [], Game.step

    def noted(self, *args):
        turn = step(self, *args)
        reports.append({"d_loss": turn.d_loss.item(), **{k: v.item() for k, v in turn.report.items()}})
        return turn

    monkeypatch.setattr(Game, "step", noted)
    run = train(config(latent_every=3, kimg=1), outdir=tmp_path, quiet=True)
    (tick,) = folder.read_stats(run)
    for name in ("d_loss", "penalty", "delta_z"):
        values = [r[name] for r in reports if name in r]
        assert len(values) == (len(reports) if name == "d_loss" else -(-len(reports) // 3))
        assert tick[name] == pytest.approx(sum(values) / len(values))
