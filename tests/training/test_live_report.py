"""The page that a run writes while it goes on: it is there from the start, changes nothing, costs little, and never ends a run."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from logan.config import presets
from logan.errors import InputError
from logan.report import environment, looks, material, page
from logan.training import live_report
from logan.training.live_report import LiveReport
from logan.training.loop import train

from .small import assert_same_run, config

OURS = {"report.html", "environment.json"}


@pytest.fixture
def pages(monkeypatch):
    """Every page that is written, in order."""
    found, real = [], page.write

    def write(path, *given):
        real(path, *given)
        found.append(path.read_text(encoding="utf-8"))

    monkeypatch.setattr(page, "write", write)
    return found


def settings(kind):
    if kind == "digits":
        return config(kimg=2, snap=1)
    if kind == "classes":
        return config(kimg=2, snap=1, conditional=True)
    if kind == "ring":
        base = presets.get("ring")
        return replace(
            base, run=replace(base.run, kimg=2, tick=1, snap=1, engine="plain", threads=1), scores=config().scores
        )
    return config(kimg=2, snap=1, latent=kind, latent_steps=1) if kind != "cs" else _cs()


def _cs():
    base = presets.get("digits", "cs")
    return replace(config(kimg=2, snap=1), latent=base.latent, networks=replace(config().networks, prior="normal"))


@pytest.mark.parametrize("kind", ["digits", "classes", "ring", "none", "cs"])
def test_a_run_is_the_same_with_it_and_without(tmp_path, kind, pages, monkeypatch):
    """Weights, optimisers, random numbers, log and pictures: bit by bit."""
    monkeypatch.setattr(live_report, "SHARE", 1e9)  # a page at each snapshot, however quick the run is
    drawn = []
    for report in (False, True):
        run = train(settings(kind), outdir=tmp_path / str(report), quiet=True, report=report)
        drawn.append((torch.rand(3).tolist(), np.random.rand(), random.random()))
    assert drawn[0] == drawn[1]
    assert {p.name for p in run.iterdir()} >= OURS
    for name in OURS:
        (run / name).unlink()
    assert_same_run(tmp_path / "False" / run.name, run)
    states = ["training: 0 of 2 kimg", "training: 1 of 2 kimg", "finished: 2 kimg"]
    assert [next((s for s in states if s in text), None) for text in pages] == states
    assert "No networks" not in pages[-1]
    reason = {"none": "this run has no latent step", "cs": "on the unit sphere", "ring": "known density"}.get(kind)
    assert ("Not shown" in pages[-1]) == (reason is not None)
    assert reason is None or reason in pages[-1]


def test_the_last_page_is_the_one_that_the_command_writes(tmp_path):
    """But for the words for the data, which a run has open and a folder has not, and the training images at hand."""
    run = train(config(kimg=2), outdir=tmp_path, quiet=True, report=True)
    of_run = (run / "report.html").read_text()
    from logan.cli.main import main

    assert main(["report", str(run), "--device", "cpu"]) == 0
    of_command = (run / "report.html").read_text()
    rest = [text.replace("1,797 grey images of 8×8 pixels (“digits”)", "“digits”") for text in (of_run, of_command)]
    assert rest[0] == rest[1]


def test_a_page_that_cannot_be_written_is_said_once_and_ends_nothing(tmp_path, monkeypatch, capsys):
    def fail(*given):
        raise RuntimeError("CUDA out of memory. Tried to allocate 20 GiB")

    monkeypatch.setattr(page, "write", fail)
    run = train(config(kimg=2, snap=1), outdir=tmp_path, report=True)
    assert (run / "network-snapshot-000002.safetensors").exists()
    said = [line for line in capsys.readouterr().err.splitlines() if "report" in line]
    assert len(said) == 1
    assert "warning: the report is not written (CUDA out of memory" in said[0]


def test_a_run_that_is_stopped_says_so(tmp_path, pages):
    def stop(generator, discriminator):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config(kimg=4), outdir=tmp_path, quiet=True, report=True, measure=stop)
    assert "unfinished: 2 of 4 kimg" in pages[-1]
    assert '"live":null' in pages[-1]
    train(config(kimg=4), outdir=tmp_path, quiet=True, report=True, resume=tmp_path / "00000-digits-ngd")
    assert "finished: 4 kimg" in pages[-1]


class Clock:
    """Time that passes only when it is told to."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


def test_it_takes_a_tenth_of_the_time(tmp_path, monkeypatch):
    """Snapshots ten seconds apart, pages that take three: one page in thirty seconds at most, and the last one."""
    clock = Clock()
    monkeypatch.setattr(live_report, "time", clock)
    written = []

    def write(*given):
        written.append(clock.now - 100)
        clock.now += 3

    def measure(generator, discriminator):
        clock.now += 10
        return {}

    monkeypatch.setattr(page, "write", write)
    monkeypatch.setattr(LiveReport, "_look", lambda self, last: looks.none("not now"))
    train(config(kimg=8, snap=1, tick=1, batch=500), outdir=tmp_path, quiet=True, report=True, measure=measure)
    assert written[0] == 0
    assert all(later - earlier >= 30 for earlier, later in pairwise(written[:-1]))
    assert len(written) == 4
    assert written[-1] - written[-2] < 30


def test_looking_stops_when_the_time_is_used_up(tmp_path):
    """Each piece is asked for by itself; where there is no time what was seen before stays, or a word of how to see it."""
    from logan.report.networks_of import of_model
    from logan.sampling import load

    run = train(config(kimg=2), outdir=tmp_path, quiet=True)
    networks, left = of_model(load(run, "cpu")), iter([True, False, False, False])
    first = looks.look(networks, None, lambda: next(left))
    assert not isinstance(first.latent_path, str)
    assert isinstance(first.truncation, str)
    assert "logan report" in first.truncation
    later = looks.look(networks, None, lambda: False, first)
    assert later.latent_path is first.latent_path


def test_what_it_was_trained_on(tmp_path):
    found = environment.environment(config(), torch.device("cpu"), 2, "recorded")
    assert found["torch"] == torch.__version__
    assert found["device"].startswith("cpu")
    assert (found["ranks"], found["precision"], found["engine"]) == (2, "float32", "recorded")
    environment.write(tmp_path, config(), torch.device("cpu"), 2, "recorded")
    (tmp_path / "fakes_init.png").write_bytes(b"")
    assert material.read(tmp_path).environment == found


def test_data_that_are_gone_are_no_reason_to_stop(tmp_path):
    def gone():
        raise InputError("photos.zip: no such file or folder")

    from logan.report.networks_of import of_model
    from logan.sampling import load

    run = train(config(kimg=2), outdir=tmp_path, quiet=True)
    assert looks.look(of_model(load(run, "cpu")), gone).nearest == "photos.zip: no such file or folder"
