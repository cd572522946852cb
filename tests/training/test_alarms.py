"""Each alarm on logs that are written here, and on logs of runs that were watched to fail and not to fail."""

from __future__ import annotations

import csv
import json
import math
from collections import defaultdict
from pathlib import Path

import pytest

from logan import losses
from logan.config import presets
from logan.training.alarms import (
    UNTIL_DIVERSE_STEPS,
    WINDOW,
    Alarms,
    GivenUp,
    NotFinite,
    Overfitted,
    SameSamples,
    Saturated,
    WorseScore,
    lead_of,
)

RESULTS = Path(__file__).parents[2] / "docs" / "results"


def shown(alarm, records):
    """(step of the record, step since when) of the first record at which the alarm is raised."""
    for i, record in enumerate(records):
        trouble = alarm({"steps": 10 * i} | record)
        if trouble is not None:
            assert trouble.what
            return 10 * i, trouble.since
    return None


def test_what_is_not_finite():
    fine = {"d_loss": 1.0, "g_loss": 0.0, "grad_z_squared": 1e30}
    for name in fine:
        assert shown(NotFinite(), [fine, fine, fine | {name: None}]) == (20, 20)
    assert shown(NotFinite(), [fine, fine | {"gradients_not_finite": ["G"]}]) == (10, 10)
    assert shown(NotFinite(), [fine, {"d_loss": 1.0}]) is None  # without a latent step there is no ‖g‖²


def scores(lead, slope):
    return {"real_score": 0.5 + lead, "fake_score": 0.6, "score_gain": 0.1, "grad_z_squared": slope}


def test_giving_up_is_both_at_once():
    before = [scores(20.0, 30.0)] * WINDOW + [scores(2.0, 3.0)] * 20
    least, most = scores(0.19, 0.29), scores(0.21, 0.31)
    raised = len(before) + WINDOW // 2
    assert shown(GivenUp(), before + [least] * 30) == (10 * raised, 10 * (raised - WINDOW + 1))
    for end in (scores(0.19, 3.0), scores(2.0, 0.29), most):
        assert shown(GivenUp(), before + [end] * 30) is None
    assert shown(GivenUp(), before + [least, most, most] * 20) is None
    without = [{k: v for k, v in r.items() if k != "grad_z_squared"} for r in before + [least] * 30]
    assert shown(GivenUp(), without) is None


def test_the_first_ticks_are_no_measure():
    assert shown(GivenUp(), [scores(20.0, 30.0)] * WINDOW + [scores(0.5, 0.5)] * 40) is None


def test_a_lead_with_a_minus_is_none():
    assert shown(GivenUp(), [scores(2.0, 3.0)] * 30 + [scores(-3.0, 0.0)] * 20) is not None


def test_the_lead_is_that_before_the_move():
    record = {"real_score": 2.0, "fake_score": 1.0, "score_gain": 0.5}
    assert lead_of(record) == 1.5
    assert lead_of(record, 0.25) == 1.125
    assert lead_of({"real_score": 2.0, "fake_score": 1.0}) == 1.0
    assert lead_of({"real_score": 2.0, "fake_score": None}) is None


@pytest.mark.parametrize(("loss", "blind"), [(losses.hinge, 2.0), (losses.get("minimax"), 2 * math.log(2))])
def test_a_saturated_d_pays_next_to_nothing(loss, blind):
    low, high = {"d_loss": 0.0099 * blind}, {"d_loss": 0.0101 * blind}
    start = [{"d_loss": 1.0}] * 3
    assert shown(Saturated(loss), start + [low] * WINDOW) == (10 * (2 + WINDOW), 30)
    assert shown(Saturated(loss), start + [high] * 50) is None
    assert shown(Saturated(loss), start + ([low] * (WINDOW - 1) + [high]) * 5) is None
    paid = {"d_loss": 5.0, "penalty": 4.999}
    assert shown(Saturated(loss, with_penalty=True), [paid] * WINDOW) is not None
    assert shown(Saturated(loss), [paid] * WINDOW) is None


def test_a_wasserstein_d_cannot_saturate():
    assert shown(Saturated(losses.get("wasserstein")), [{"d_loss": -1e9}] * 50) is None


def samples(*values):
    return [{"diversity": v} for v in values]


def test_diversity_that_vanishes():
    between = {"d_loss": 1.0}
    records = [*samples(0.01, 0.8), between, *samples(0.04), between, *samples(0.03)]
    assert shown(SameSamples(), records) == (50, 30)
    assert shown(SameSamples(), samples(0.8, 0.04, 0.06, 0.04, 0.06, 0.04)) is None
    assert shown(SameSamples(), samples(0.001, 0.004, 0.02, 0.015, 0.03, 0.5)) is None  # G is only beginning
    assert shown(SameSamples(), samples(0.19, 0.04, 0.03, 0.02)) is None
    assert shown(SameSamples(), samples(0.21, 0.04, 0.03)) == (20, 10)
    assert shown(SameSamples(), samples(*[0.001] * 100)) is None  # snapshots that are close together


@pytest.mark.parametrize(("apart", "first"), [(300, 2700), (250, 2500), (2500, 22500)])
def test_samples_that_never_differed(apart, first):
    """Ten snapshots, and 2,500 steps."""
    alarm = SameSamples()
    raised = [i * apart for i in range(20) if alarm({"steps": i * apart, "diversity": 0.001}) is not None]
    assert raised[0] == first


def test_samples_that_differ_now_and_then():
    assert shown(SameSamples(), samples(None, 0.8, None, 0.8)) is None


def test_an_overfitted_d():
    assert shown(Overfitted(), [{"d_overfitting": v} for v in (0.1, 0.81, 0.81)]) == (20, 10)
    assert shown(Overfitted(), [{"d_overfitting": v} for v in (0.81, 0.79) * 5]) is None
    assert shown(Overfitted(), [{"d_loss": 1.0}] * 5) is None


def measured(*values, name="fid10k"):
    return [{"metrics": {name: v, "is10k": 1.0}} for v in values]


def test_a_score_that_has_been_far_worse_than_the_best():
    assert shown(WorseScore(3), measured(30, 10, 15.1, 15.1, 40)) == (40, 20)
    assert shown(WorseScore(3), measured(30, 10, 14.9, 14.9, 14.9, 14.9)) is None
    assert shown(WorseScore(3), measured(10, 16, 16, 14, 16, 16, 9)) is None
    assert shown(WorseScore(3), measured(10, 16, None, 16)) == (30, 10)
    assert shown(WorseScore(2), measured(None, None, None, 10, 10)) is None  # no best yet: other alarms see that
    assert shown(WorseScore(2), [*measured(10, 16), {"d_loss": 1.0}, *measured(16)]) == (30, 10)
    modes = [{"metrics": {"modes10k": v, "quality10k": 0.0}} for v in (2, 8, 5, 5)]
    assert shown(WorseScore(2), modes) == (30, 20)


def test_a_worse_score_is_named_with_its_detector():
    records = [
        {"steps": s, "metrics": {"fid10k": v}, "detector": "efficientnet-lite0"} for s, v in enumerate((2, 9, 9))
    ]
    alarm = WorseScore(2)
    assert [alarm(record) for record in records][-1].what.startswith("FD (EfficientNet-Lite0) is 9, and was 2")


def test_kid_about_zero_is_noise():
    kid = [{"metrics": {"kid10k": v, "kid10k_std": 0.01}} for v in (-0.001, 0.018, 0.018)]
    assert shown(WorseScore(2), kid) is None
    kid = [{"metrics": {"kid10k": v, "kid10k_std": 0.01}} for v in (-0.001, 0.02, 0.02)]
    assert shown(WorseScore(2), kid) == (20, 10)


def test_another_score_begins_anew():
    assert shown(WorseScore(1), measured(1.0) + measured(100.0, name="fid2k")) is None


def record(i, **more):
    return {"steps": 10 * i, "kimg": float(i), "d_loss": 1.0, "g_loss": 1.0} | more


def test_alarms_are_said_once_and_again_after_they_have_ended():
    alarms, ill, well = Alarms(presets.get("digits")), {"d_loss": None}, {"d_loss": 1.0}
    began = [[a["alarm"] for a in alarms.see(record(i, **r))] for i, r in enumerate([well, ill, ill, well, ill])]
    assert began == [[], ["not-finite"], [], [], ["not-finite"]]


def test_an_alarm_of_snapshots_stays_on_between_them():
    alarms, n = Alarms(presets.get("digits")), presets.get("digits").run.alarm_snapshots
    records = [record(i, metrics={"fid10k": 1.0 if i == 0 else 9.0}) for i in range(n + 1)]
    assert [len(alarms.see(r)) for r in records][-1] == 1
    assert alarms.see(record(50)) == []
    assert "worse-score" in alarms.on
    assert alarms.see(record(51, metrics={"fid10k": 9.0})) == []
    alarms.see(record(52, metrics={"fid10k": 1.0}))
    assert not alarms.on


def test_the_state_that_is_kept():
    def kept(records):
        return Alarms(presets.get("digits"), records).kept

    def snapshot(i, fid=None, **more):
        return record(i, diversity=0.5, **({} if fid is None else {"metrics": {"fid10k": fid}}), **more)

    assert kept([record(1)]) is None
    assert kept([snapshot(1), record(2), snapshot(3), record(4)]) == 3000
    assert kept([snapshot(1, 5.0), snapshot(2, 3.0), snapshot(3, 4.0)]) == 2000
    assert kept([snapshot(1, 5.0), snapshot(2, 3.0, d_loss=None)]) == 1000
    assert kept([snapshot(1, 5.0), snapshot(2, 3.0, back={})]) == 1000


def test_alarms_begin_anew_after_going_back():
    config = presets.get("digits")
    worse = [record(i, metrics={"fid10k": 1.0 if i == 0 else 9.0}) for i in range(config.run.alarm_snapshots + 1)]
    alarms = Alarms(config, [*worse[:-1], worse[-1] | {"back": {}}])
    assert alarms.backs == 1
    assert not alarms.on
    assert [alarms.see(r) for r in worse[1:-1]] == [[]] * (len(worse) - 2)
    assert [a["alarm"] for a in alarms.see(worse[-1])] == ["worse-score"]  # and still remember the best score


def fashion():
    """method and seed ↦ (lead, ‖g‖²) per tick, of docs/results/fashion-long; leads are there from step 1,000 on."""
    found = defaultdict(dict)
    for row in csv.DictReader((RESULTS / "fashion-long" / "lead.csv").read_text().splitlines()):
        what = "slope" if row["panel"].startswith("‖g‖") else "lead"
        found[row["label"], row["line"]].setdefault(int(float(row["x"])), {})[what] = float(row["y"])
    return found


def test_runs_on_fashion_mnist():
    """D gave up in six and had, for a while, in a seventh, whose FID rose from 34 to 76 then; it did not in the five others."""
    raised = {}
    for run, ticks in fashion().items():
        both = [ticks[step] for step in sorted(ticks) if "slope" in ticks[step]]
        logs = [scores(t.get("lead", 1.0), t["slope"]) for t in both]
        found = shown(GivenUp(), logs)
        if found is not None:
            raised[run] = found
    gave_up = [("ngd", "0"), ("ngd", "1"), ("ngd:stop-gradient=both", "1"), *[("cs", str(seed)) for seed in range(3)]]
    assert set(raised) == {*gave_up, ("gd:alpha=0.5", "1")}
    assert len(fashion()) - len(raised) == 3 + 5  # three ordinary GANs, which have no ‖g‖²


def diversities(run):
    """The snapshots of a run that ``benchmarks/alarms.py`` counted, and at which steps it was said that samples are the same."""
    apart = run["steps"] / run["snapshots"]
    said = [alarm["step"] for alarm in run["alarms"] if alarm["alarm"] == SameSamples.name]
    return [{"steps": round((i + 1) * apart), "diversity": v} for i, v in enumerate(run["diversity"])], said


@pytest.mark.parametrize("name", ["alarms.json", "alarms-methods.json", "alarms-presets.json"])
def test_samples_of_the_runs_that_were_counted(name):
    """Those of digits, grid and emoji are alike for their first hundreds of steps, and none of these runs fails by that."""
    seen = 0
    for run in json.loads((RESULTS / name).read_text())["runs"]:
        snapshots, said = diversities(run)
        alarm = SameSamples()
        raised = [r["steps"] for r in snapshots if alarm(r) is not None]
        assert raised[:1] == (said[:1] if run["steps"] >= UNTIL_DIVERSE_STEPS else []), run["preset"]
        seen += bool(said)
    assert seen == {"alarms.json": 0, "alarms-methods.json": 3, "alarms-presets.json": 2}[name]


def test_the_digits_of_the_readme_raise_none():
    log = [json.loads(line) for line in (RESULTS / "digits" / "stats.jsonl").read_text().splitlines()]
    alarms = Alarms(presets.get("digits"))
    assert [a for r in log for a in alarms.see(r)] == []
