"""When a run is scored: the classifier is trained at the first score, and scores take a tenth of the operations."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from logan.evaluation import detectors
from logan.evaluation.evaluator import Evaluator
from logan.metrics import classifier
from logan.training import folder, scoring, thinning
from logan.training.loop import train

from .small import assert_same_run, config


class Counted(nn.Module):
    """A linear layer of n² multiplications, in the place of G, D or the detector."""

    def __init__(self, n):
        super().__init__()
        self.layer = nn.Linear(n, n, bias=False)
        self.n = n

    def forward(self, x, *labels):
        return self.layer(torch.ones(len(x), self.n)).mean(1).view(-1, 1, 1, 1)


def every(kimg=100, score_every=0, metrics=("fid1k", "is500"), detector=30):
    settings = config(kimg=kimg, tick=1, snap=1, metrics=metrics, score_every=score_every)
    evaluator = Evaluator(())
    evaluator.detector = Counted(detector)

    def looked_at():
        return thinning.of_detector(evaluator, 1, 8, torch.device("cpu"))

    return thinning.every(settings, Counted(10), Counted(20), looked_at)


def test_scores_take_a_tenth():
    """1,000 images, G of 100 and a detector of 900 products; a step of 4·100 + 9·400 = 4,000 for each of 1,000 images."""
    assert every() == -(-1000 * (100 + 900) // (0.1 * 1000 * 4000)) == 3
    assert every(detector=1) == 1
    assert every(detector=15) == 1
    assert every(detector=60) == 10  # 9.25
    assert every(detector=300) == 10  # and no rarer than ten times in 100 snapshots


def test_short_runs_are_scored_always_and_flags_decide():
    assert every(kimg=19) == 1
    assert every(kimg=20, detector=300) == 2
    assert every(score_every=7) == 7
    assert every(score_every=1, detector=300) == 1


def test_counting_changes_nothing():
    settings = config(kimg=100, tick=1, snap=1, metrics=("fid1k",))
    parts = scoring_parts(settings)
    before = {k: v.clone() for n in parts for k, v in n.state_dict(prefix=str(id(n))).items()}
    drawn = torch.get_rng_state()
    assert thinning.every(settings, *parts, lambda: 1e6) >= 1
    assert torch.equal(drawn, torch.get_rng_state())
    assert all(torch.equal(before[k], v) for n in parts for k, v in n.state_dict(prefix=str(id(n))).items())


def scoring_parts(settings):
    from logan.training.setup import build, training_data

    parts = build(settings, training_data(settings))
    return parts.generator, parts.discriminator


def scored(run):
    return [round(r["kimg"]) for r in folder.read_stats(run) if r.get("metrics")]


def test_a_run_scores_some_snapshots_and_the_last_and_goes_on_so(tmp_path):
    settings = config(kimg=5, snap=1, batch=100, metrics=("fid20",), score_every=2)
    whole = train(settings, outdir=tmp_path / "whole", quiet=True)
    assert scored(whole) == [2, 4, 5]
    part = train(replace(settings, run=replace(settings.run, kimg=4)), outdir=tmp_path / "part", quiet=True)
    train(settings, resume=part, quiet=True)
    assert_same_run(whole, part)


def test_options_from_before_there_was_the_setting_are_those_of_every_snapshot(tmp_path):
    folder.write_options(tmp_path, config())
    values = json.loads((tmp_path / folder.OPTIONS).read_text())
    del values["scores"]["score_every"]
    (tmp_path / folder.OPTIONS).write_text(json.dumps(values))
    assert folder.read_options(tmp_path).scores.score_every == 1


@pytest.fixture
def untaught(monkeypatch, tmp_path):
    """No classifier is there, and training one takes a step; the order of what happens."""
    seen = []

    def taught(images, labels, classes, **named):
        seen.append("classifier")
        torch.randn(3)  # its draws are not those of the run
        network = classifier.Classifier(images.shape[1], images.shape[2], classes)
        return classifier.ClassifierDetector(network, (images.shape[1], images.shape[2]), 0.5)

    own = scoring.Scorer.__call__
    monkeypatch.setattr(scoring.Scorer, "__call__", lambda *args: (seen.append("score"), own(*args))[1])
    monkeypatch.setattr(detectors, "train_classifier", taught)
    monkeypatch.setattr(detectors, "files", lambda package: tmp_path)  # not the one that comes with the package
    monkeypatch.setenv("LOGAN_CACHE", str(tmp_path / "cache"))
    return seen


def test_the_classifier_is_trained_after_the_first_pictures(tmp_path, untaught, capsys):
    run = train(config(kimg=2, snap=1, metrics=("fid20",)), outdir=tmp_path)
    assert untaught == ["score", "classifier", "score"]
    assert scored(run) == [1, 2]
    said = capsys.readouterr().err
    assert said.index("drawing the first pictures") < said.index("training a classifier on digits")
    plain = train(config(kimg=2, snap=1), outdir=tmp_path / "plain", quiet=True)
    one, two = (torch.load(path / "training-state-latest.pt", weights_only=True) for path in (run, plain))
    for name, value in one["generator"].items():
        assert torch.equal(value, two["generator"][name]), name
    assert torch.equal(one["random"]["torch"], two["random"]["torch"])


def test_what_is_missing_is_found_before_the_first_step(tmp_path, untaught):
    from logan.errors import InputError

    with pytest.raises(InputError, match="unknown metric"):
        train(config(kimg=1, metrics=("fud20",)), outdir=tmp_path / "runs", quiet=True)
    assert not (tmp_path / "runs").exists()
