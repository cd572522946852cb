"""Whatever a shell or a scheduler sends, a command tidies what it was in the middle of writing, and leaves with status 130."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from logan.cli.main import main
from logan.data.prepare import _Packer
from logan.evaluation import records, reference
from logan.interrupts import SIGNALS
from logan.report import animation
from logan.training import loop

from ..evaluation.small import RING, SHORT, folder_of_images, runs

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends signals to itself")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    outdir = tmp_path_factory.mktemp("runs")
    flags = "--network dcgan --width 8 --latent-dim 8 --metrics none".split()
    runs("train", *flags, *SHORT, "--outdir", outdir)
    return outdir / "00000-digits-ngd"


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return folder_of_images(tmp_path_factory.mktemp("images"))


ONE = ["--methods", "none", "--seeds", 1]
COMMANDS = {
    "data prepare, a zip": (_Packer, "_encoded", 7, lambda w: ["data", "prepare", w.images, w.out / "a.zip", "--size", 8]),
    "data prepare, an array": (_Packer, "_encoded", 7, lambda w: ["data", "prepare", w.images, w.out / "a.npy", "--size", 8]),
    "data prepare, at its end": (os, "replace", 1, lambda w: ["data", "prepare", w.images, w.out / "a.npy", "--size", 8]),
    "evaluate, while reals are seen": (reference, "extract", 1, lambda w: ["evaluate", w.run, "--metrics", "fid50"]),
    "evaluate, while they are kept": (os, "replace", 1, lambda w: ["evaluate", w.run, "--metrics", "fid50"]),
    "evaluate, while it is recorded": (records, "append_line", 1, lambda w: ["evaluate", w.run, "--metrics", "fid50", "is50"]),
    "sample, a grid": (os, "replace", 1, lambda w: ["sample", w.run, "--out", w.out / "a.png"]),
    "sample, an archive": (os, "replace", 1, lambda w: ["sample", w.run, "--out", w.out / "a.npz"]),
    "sample, a folder": (animation, "as_pil", 9, lambda w: ["sample", w.run, "--out", w.out / "a"]),
    "compare, in a run": (loop, "append_line", 1, lambda w: ["compare", *RING, *ONE, "--outdir", w.out]),
    "compare, in its report": (os, "replace", -1, lambda w: ["compare", *RING, *ONE, "--outdir", w.out]),
    "reproduce": (os, "replace", 1, lambda w: ["reproduce", "mixtures", *RING[2:], *ONE, "--outdir", w.out]),
}  # fmt: skip


class Where:
    def __init__(self, run, images, out):
        self.run, self.images, self.out = run, images, out


@pytest.mark.parametrize(
    ("command", "number"),
    [
        pytest.param(c, SIGNALS[(i + j) % len(SIGNALS)], marks=[pytest.mark.slow] * (j > 0))
        for i, c in enumerate(COMMANDS)
        for j in range(2)
    ],
)
def test_nothing_half_written_is_left(tmp_path, monkeypatch, capsys, run, images, command, number):
    owner, name, call, line = COMMANDS[command]
    monkeypatch.setenv("LOGAN_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "out"
    out.mkdir()
    original, count = getattr(owner, name), 0

    def signalled(*args, **kwargs):
        nonlocal count
        count += 1
        if count == call or (call < 0 and str(args[1]).endswith("table.md")):
            os.kill(os.getpid(), number)
        return original(*args, **kwargs)

    with monkeypatch.context() as m:
        m.setattr(owner, name, signalled)
        begun = time.monotonic()
        status = main([str(a) for a in line(Where(run, images, out))])
    error = capsys.readouterr().err
    assert (status, error.splitlines()[-1]) == (130, "logan: interrupted")
    assert "Traceback" not in error
    assert time.monotonic() - begun < 10
    left = [p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.suffix == ".partial"]
    assert left == []
    assert not list(run.glob("*.partial"))
    if "prepare" in command or "sample" in command:
        assert list(out.iterdir()) == []
    assert [signal.getsignal(n) for n in SIGNALS] == BEFORE
    status = main([str(a) for a in line(Where(run, images, out))])
    assert status == 0, capsys.readouterr().err


BEFORE = [signal.getsignal(n) for n in SIGNALS]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_the_program_at_random_moments(tmp_path, run, images, number):
    """From its first instruction on: as soon as Python itself hears of signals, which SIGTERM ends before."""
    import random

    for command in (
        ["evaluate", str(run), "--metrics", "fid1k"],
        ["data", "prepare", str(images), str(tmp_path / "a.npy")],
    ):
        process = subprocess.Popen(
            [sys.executable, "-m", "logan.cli.main", *command],
            env=os.environ | {"LOGAN_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        time.sleep(random.SystemRandom().uniform(0.5, 4))
        process.send_signal(number)
        begun = time.monotonic()
        error = process.communicate(timeout=60)[1]
        assert time.monotonic() - begun < 10
        assert process.returncode in (0, 2, 130, -number), error
        assert "Traceback" not in error
        assert not list(tmp_path.rglob("*.partial"))
