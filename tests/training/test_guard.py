"""Runs that are made to fail, each in its way, and what is done about it: a warning that changes nothing, an end, a way back."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
import torch

from logan.cli.main import main
from logan.config import ScoreConfig, presets
from logan.errors import AlarmError, InputError
from logan.game import Game
from logan.training import folder, guard, setup, state
from logan.training.loop import train
from logan.training.vitals import Vitals

from ..evaluation.small import idx_folder
from .small import assert_same_run, config


def small(preset="digits", **changes):
    base = presets.get(preset)
    base = replace(
        base,
        networks=replace(base.networks, width=32, latent_dim=8),
        scores=ScoreConfig(),
        run=replace(base.run, kimg=30, tick=1, snap=4, engine="plain", threads=1),
        game=replace(base.game, batch=100),
    )
    for name, value in changes.items():
        group = next(g for g in ("data", "networks", "latent", "game", "run") if hasattr(getattr(base, g), name))
        base = replace(base, **{group: replace(getattr(base, group), **{name: value})})
    return base


def alarms(run):
    """(alarm, since, step of the record), in order."""
    return [(a["alarm"], a["since"], r["steps"]) for r in folder.read_stats(run) for a in r.get("alarms", ())]


def names(run):
    return {name for name, *_ in alarms(run)}


def rising(factor=2.0):
    """A score for every snapshot that is worse and worse after the second."""
    found = []

    def measure(generator, discriminator):
        found.append(None)
        return {"fid10k": 10.0 if len(found) < 3 else 10.0 * factor ** (len(found) - 2)}

    return measure


def fainting(after: int):
    """A ``measure`` that takes D's weights away, after so many snapshots."""
    seen = 0

    def measure(generator, discriminator):
        nonlocal seen
        seen += 1
        with torch.no_grad():
            for p in discriminator.parameters() if seen > after else ():
                p.mul_(0.1)
        return {}

    return measure


class TestFailures:
    def test_absurd_rates(self, tmp_path, capsys):
        run = train(small(g_lr=1e6, d_lr=1e6, loss="wasserstein", kimg=12, batch=50), outdir=tmp_path)
        assert names(run) == {"not-finite"}
        lines = [line for line in capsys.readouterr().err.splitlines() if "not finite" in line]
        assert len(lines) == 1
        assert "the run has diverged" in lines[0]
        assert "since step" in lines[0]

    def test_gradients_alone(self, tmp_path, monkeypatch):
        """The last step of a tick: its losses are those of before."""
        step = Game.step

        def poisoned(self, *args):
            turn = step(self, *args)
            if self.steps_played == 20:
                for s in self.g_optimiser.state.values():
                    s["exp_avg"].fill_(float("inf"))
            return turn

        monkeypatch.setattr(Game, "step", poisoned)
        run = train(small(kimg=2), outdir=tmp_path, quiet=True)
        record = folder.read_stats(run)[-1]
        assert record["gradients_not_finite"] == ["G"]
        assert record["d_loss"] is not None
        assert alarms(run) == [("not-finite", 20, 20)]

    def test_d_gives_up(self, tmp_path):
        run = train(small(snap=1), outdir=tmp_path, quiet=True, measure=fainting(20))
        assert "given-up" in names(run)
        since, found = next((s, f) for name, s, f in alarms(run) if name == "given-up")
        assert 10 * 20 - 50 <= since < found <= 10 * 28

    def test_a_frozen_g(self, tmp_path):
        run = train(small(g_lr=0.0, kimg=24), outdir=tmp_path, quiet=True)
        assert names(run) == {"saturated"}

    def test_a_frozen_d(self, tmp_path, monkeypatch):
        """G finds the image that D likes best, and makes no other."""
        monkeypatch.setattr("logan.training.alarms.UNTIL_DIVERSE_STEPS", 300)
        run = train(small(d_lr=0.0, g_lr=5e-3, kimg=40), outdir=tmp_path, quiet=True)
        assert "same-samples" in names(run)

    def test_a_generator_that_never_differs(self, tmp_path, monkeypatch):
        monkeypatch.setattr("logan.training.alarms.UNTIL_DIVERSE_STEPS", 90)
        run = train(small(g_lr=0.0, snap=1, kimg=10), outdir=tmp_path, quiet=True)
        assert ("same-samples", 10, 100) in alarms(run)

    def test_a_score_that_rises(self, tmp_path):
        run = train(small(snap=1, kimg=8, alarm_snapshots=3), outdir=tmp_path, quiet=True, measure=rising())
        assert alarms(run) == [("worse-score", 30, 50)]

    @pytest.mark.slow
    def test_a_d_that_knows_its_images_by_heart(self, tmp_path):
        data = str(idx_folder(tmp_path / "idx", 60, 100))
        large = {"width": 512, "latent_dim": 64, "d_lr": 2e-3, "g_lr": 2e-3, "loss": "non-saturating"}
        run = train(small(data=data, latent="none", kimg=40, snap=5, batch=50, **large), outdir=tmp_path, quiet=True)
        assert "overfitted" in names(run)


@pytest.mark.parametrize("preset", ["digits", "ring"])
def test_a_healthy_run_raises_no_alarm(tmp_path, preset):
    run = train(small(preset), outdir=tmp_path, quiet=True)
    assert alarms(run) == []
    assert all("diversity" in r for r in folder.read_stats(run) if r["tick"] % 4 == 3)


@pytest.mark.slow
def test_nor_does_the_grid(tmp_path):
    base = presets.get("grid")
    run = replace(base.run, kimg=40, tick=1, snap=4, engine="plain", threads=1)
    assert alarms(train(replace(base, run=run, scores=ScoreConfig()), outdir=tmp_path, quiet=True)) == []


class NoGuard:
    """Nobody looks."""

    def __init__(self, run):
        pass

    def look(self, record, samples):
        pass

    def judge(self, record, last):
        return "go on"

    def saved(self, record):
        pass


@pytest.mark.parametrize("variant", [{}, {"conditional": True, "subset": "leading"}, {"d_lr": 0.3, "g_lr": 0.3}])
def test_to_look_changes_no_number(tmp_path, monkeypatch, variant):
    """Batch norm and spectral norm, test images to compare with, and, last, alarms that are raised."""
    data = str(idx_folder(tmp_path / "idx", 100, 60))
    settings = config(data=data, kimg=2, snap=1, **variant)
    watched = train(settings, outdir=tmp_path, quiet=True)
    monkeypatch.setattr("logan.training.loop.Guard", NoGuard)
    alone = train(settings, outdir=tmp_path, quiet=True)
    seen = folder.read_stats(watched)
    assert all({"diversity", "d_overfitting"} & r.keys() for r in seen)
    vitals = ("diversity", "d_overfitting", "alarms", "gradients_not_finite")
    (watched / folder.STATS).write_text(
        "".join(json.dumps({k: v for k, v in r.items() if k not in vitals}) + "\n" for r in seen)
    )
    assert_same_run(watched, alone)


def test_stopping(tmp_path):
    settings = small(snap=1, kimg=8, alarm_snapshots=3, on_alarm="stop")
    said = r"stopped by an alarm at 5\.0 kimg: FID \(detector not recorded\) is 80, and was 10 at its best\. The state"
    with pytest.raises(AlarmError, match=said) as error:
        train(settings, outdir=tmp_path, quiet=True, measure=rising())
    run = next(tmp_path.glob("0*"))
    assert str(run) in str(error.value)
    assert torch.load(run / state.FILE_NAME, weights_only=True)["progress"]["images"] == 5000
    train(settings, resume=run, quiet=True, measure=lambda g, d: {"fid10k": 100.0})  # it goes on: that alarm was raised
    assert len(folder.read_stats(run)) == 8


def test_stopping_between_snapshots_saves_the_state(tmp_path):
    settings = small(g_lr=0.0, snap=30, on_alarm="stop")
    with pytest.raises(AlarmError):
        train(settings, outdir=tmp_path, quiet=True)
    run = next(tmp_path.glob("0*"))
    last = folder.read_stats(run)[-1]
    assert "alarms" in last
    assert torch.load(run / state.FILE_NAME, weights_only=True)["progress"]["steps"] == last["steps"]


def test_the_command_says_so_in_one_line_and_by_its_status(tmp_path, capsys):
    failing = "--preset digits --width 32 --g-lr 0 --kimg 30 --tick 1 --snap 30 --metrics none --engine plain"
    assert main(["train", *failing.split(), "--on-alarm", "stop", "--outdir", str(tmp_path)]) == 3
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("logan: stopped by an alarm at ")
    assert "--resume" in last


BACK = {"snap": 1, "kimg": 14, "alarm_snapshots": 2, "on_alarm": "back", "back_factor": 0.25, "most_backs": 2}
OFTEN_BACK = BACK | {"most_backs": 5, "kimg": 10, "g_lr": 3e-3}


def by_weights(generator, discriminator):
    """A score that depends on the weights alone, so that a resumed run has the same; it rises with them."""
    return {"fid10k": 1.0 + sum(p.double().square().sum().item() for p in generator.parameters())}


CUDA = [pytest.param("cuda", engine, marks=pytest.mark.cuda) for engine in ("plain", "recorded", "cuda-graph")]


@pytest.mark.parametrize(("device", "engine"), [("cpu", "plain"), *CUDA])
def test_going_back(tmp_path, monkeypatch, device, engine):
    settings = small(**BACK, device=device, engine=engine)
    before = []
    go_back = guard.Guard._go_back

    def seen(self, record):
        best = torch.load(self.run.path / guard.BEST_STATE, weights_only=True)
        drawn = self.run.parts.random.get_state()
        go_back(self, record)
        parts = self.run.parts
        for name, network in (("generator", parts.generator), ("discriminator", parts.discriminator)):
            assert all(torch.equal(best[name][k], x.cpu()) for k, x in network.state_dict().items())
        average = self.run.average.module.state_dict()
        assert all(torch.equal(best["average"][k], x.cpu()) for k, x in average.items())
        assert torch.equal(drawn, parts.random.get_state())
        rates = [o.param_groups[0]["lr"] for o in (parts.game.g_optimiser, parts.game.d_optimiser)]
        assert rates == [5e-4 * 0.25 ** (len(before) + 1)] * 2
        before.append((self.run.progress.images, best["progress"]["images"]))

    monkeypatch.setattr(guard.Guard, "_go_back", seen)
    with pytest.raises(AlarmError, match="after going back 2 times"):
        train(settings, outdir=tmp_path, quiet=True, measure=rising())
    run = next(tmp_path.glob("0*"))
    log = folder.read_stats(run)
    assert [r["tick"] for r in log] == list(range(len(log)))  # time goes on
    assert [r["steps"] for r in log if "back" in r] == [40, 60]
    assert before == [(4000, 2000), (6000, 2000)]
    backs = [r["back"] for r in log if "back" in r]
    assert json.loads((run / folder.OPTIONS).read_text())["backs"] == backs
    assert [b["to_kimg"] for b in backs] == [2.0, 2.0]
    assert folder.read_options(run) == settings  # the settings are what was asked for
    assert log[-1]["kimg"] == 8.0


def test_before_the_first_snapshot_it_goes_back_to_the_beginning(tmp_path):
    settings = small(g_lr=0.0, snap=30, kimg=24, on_alarm="back", most_backs=5)
    run = train(settings, outdir=tmp_path, quiet=True)
    back = next(r["back"] for r in folder.read_stats(run) if "back" in r)
    assert back["to_kimg"] == 0
    assert back["d_lr"] == 2.5e-4


class Killed(Exception):
    """Stands for a process that dies."""


def killed_at(monkeypatch, images):
    """Die in the step after so many images."""
    step = Game.step

    def counted(self, *args):
        if self.steps_played == images // 100:
            raise Killed
        return step(self, *args)

    monkeypatch.setattr(Game, "step", counted)


SLOW = pytest.mark.slow


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that goes back and is not stopped."""
    return train(small(**OFTEN_BACK), outdir=tmp_path_factory.mktemp("whole"), quiet=True, measure=by_weights)


@pytest.mark.parametrize("images", [3500, pytest.param(4500, marks=SLOW), 6500, pytest.param(9500, marks=SLOW)])
def test_a_resumed_run_goes_back_where_the_other_does(tmp_path, monkeypatch, whole, images):
    settings, stopped = small(**OFTEN_BACK), tmp_path / "00000-stopped"
    assert any("back" in r for r in folder.read_stats(whole))
    with monkeypatch.context() as m:
        killed_at(m, images)
        with pytest.raises(Killed):
            train(settings, outdir=tmp_path, desc="stopped", quiet=True, measure=by_weights)
    train(settings, resume=stopped, quiet=True, measure=by_weights)
    assert_same_run(whole, stopped)


def test_a_kill_between_a_state_and_its_copy(tmp_path, monkeypatch, whole):
    settings = small(**OFTEN_BACK)
    keep = guard.Guard._keep

    def killed(self):
        if self.run.progress.images == 1000:
            raise Killed
        keep(self)

    with monkeypatch.context() as m:
        m.setattr(guard.Guard, "_keep", killed)
        with pytest.raises(Killed):
            train(settings, outdir=tmp_path, desc="stopped", quiet=True, measure=by_weights)
    stopped = tmp_path / "00000-stopped"
    train(settings, resume=stopped, quiet=True, measure=by_weights)
    assert_same_run(whole, stopped)
    assert (whole / guard.BEST_STATE).exists()


def test_a_run_may_be_resumed_with_another_policy(tmp_path):
    run = train(small(kimg=1), outdir=tmp_path, quiet=True)
    train(small(kimg=2, on_alarm="back", back_factor=0.1), resume=run, quiet=True)
    assert (run / guard.BEST_STATE).exists()


@pytest.mark.parametrize(
    "wrong",
    [{"on_alarm": "panic"}, {"back_factor": 0.0}, {"back_factor": 1.5}, {"alarm_snapshots": 0}, {"most_backs": -1}],
)
def test_settings_that_cannot_be(wrong):
    with pytest.raises(InputError, match=f"`{next(iter(wrong))}`"):
        small(**wrong).check()


def test_settings_without_effect_are_said():
    assert any("most_backs" in line for line in small(most_backs=7).check())
    assert small(most_backs=7, on_alarm="back").check() == []


def test_looking_takes_no_time_worth_mentioning(tmp_path):
    """Beside a tick of the preset, of 125 steps."""
    settings = presets.get("digits")
    parts = setup.build(settings, setup.training_data(settings))
    reals = parts.reals(0)
    started = time.process_time()
    for _ in range(20):
        parts.game.step(lambda: next(reals), parts.latents)
    step = (time.process_time() - started) / 20
    vitals = Vitals(parts)
    vitals.lost_gradients()
    started = time.process_time()
    for _ in range(20):
        vitals.lost_gradients()
    assert (time.process_time() - started) / 20 < 0.05 * 125 * step
