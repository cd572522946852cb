"""What is shown by the clock: it comes soon, ever more rarely, and changes nothing of the run."""

from __future__ import annotations

import pytest
import torch

from logan.files import WriteError
from logan.training import loop, meanwhile, stopping
from logan.training.loop import train
from logan.training.meanwhile import Rarer

from .small import assert_same_run, config


def test_it_comes_ever_more_rarely_and_not_after_something_better():
    now = 0.0
    rarer, seen = Rarer(15, 100, lambda: now), []
    for now in range(700):
        if now == 40:
            rarer.not_needed()
        if rarer.due():
            seen.append(now)
            rarer.done()
    assert seen == [15, 70, 130, 230, 330, 430, 530, 630]  # 15, 30 after the tick at 40, 60, and 100 at most


def test_what_is_dear_takes_a_tenth_of_the_time():
    now = 0.0
    rarer = Rarer(60, 3600, lambda: now)
    now = 60.0
    rarer.done(seconds=1000)
    now = 60.0 + 9999
    assert not rarer.due()
    now = 60.0 + 10000
    assert rarer.due()


@pytest.fixture
def always(monkeypatch):
    """A line and a picture after every step."""
    seen = {"pictures": 0}
    own = meanwhile.save_fakes

    def counted(path, *args):
        seen["pictures"] += 1
        return own(path, *args)

    for name in ("FIRST_LINE", "RAREST_LINE", "FIRST_PICTURE", "RAREST_PICTURE", "DEARER"):
        monkeypatch.setattr(meanwhile, name, 0.0)
    monkeypatch.setattr(meanwhile, "save_fakes", counted)
    return seen


def plain_and_shown(tmp_path, settings):
    """The run with and without lines and pictures by the clock."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(meanwhile, "FIRST_LINE", 1e9)
        patch.setattr(meanwhile, "FIRST_PICTURE", 1e9)
        plain = train(settings, outdir=tmp_path / "a")
    return plain, train(settings, outdir=tmp_path / "b")


@pytest.mark.parametrize(("engine", "latent"), [("plain", "ngd"), ("recorded", "none")])
def test_nothing_of_it_is_in_the_run(tmp_path, always, capsys, latent, engine):
    settings = config(kimg=2, snap=2, latent=latent, engine=engine, batch=100)
    plain, shown = plain_and_shown(tmp_path, settings)
    assert always["pictures"] == 18  # of 20 steps, two of which end a tick
    assert_same_run(plain, shown)  # not even the picture is left
    said = capsys.readouterr().err
    assert said.count("img/s here: ") == 1
    assert said.count("a picture after 0.1 kimg: ") == 1
    assert said.count("between  kimg") == 16  # the first was the forecast, and where the rate begins anew there is none
    assert "between  kimg 1.1 " in said


def test_a_run_that_is_stopped_in_between_has_the_same_state(tmp_path, always, monkeypatch):
    """The statistics of the average's batch norms are in the state, and those of the picture are not."""
    own = loop._tick
    stops = []

    def stop_soon(run):  # after the first tick's line, at the next step
        record = own(run)
        stops[0].requested = True
        return record

    states = []
    monkeypatch.setattr(stopping, "keep_something", lambda run: None)  # which draws, too
    for first in (1e9, 0.0):
        monkeypatch.setattr(meanwhile, "FIRST_PICTURE", first)
        with monkeypatch.context() as patch:
            patch.setattr(loop, "_tick", stop_soon)
            request = loop.Request(config(kimg=4), tmp_path / f"{first:g}", quiet=True)
            stops[:] = [loop.Stop(held=True)]
            with pytest.raises(KeyboardInterrupt):
                list(loop.running(request, stops[0], loop.World()))
        (run,) = (tmp_path / f"{first:g}").iterdir()
        states.append(torch.load(run / "training-state-latest.pt", weights_only=True))
        assert (run / meanwhile.PICTURE).exists() == (first == 0)
    assert states[0]["progress"]["images"] == states[1]["progress"]["images"] == 1050
    for name, value in states[0]["average"].items():
        assert torch.equal(value, states[1]["average"][name]), name


def test_no_room_for_it_stops_nothing(tmp_path, always, monkeypatch, capsys):
    def full(*args):
        raise WriteError("fakes_now.png cannot be written (No space left on device)")

    monkeypatch.setattr(meanwhile, "save_fakes", full)
    run = train(config(kimg=1, snap=1), outdir=tmp_path)
    assert (run / "fakes000001.png").exists()
    assert "Training goes on without that picture" in capsys.readouterr().err
