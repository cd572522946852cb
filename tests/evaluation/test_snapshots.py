"""Scores that were found before are known."""

import math
from dataclasses import replace

import pytest
import torch

import logan
from logan.config import DataConfig
from logan.evaluation import protocols, snapshots
from logan.evaluation.protocols import Protocol
from logan.sampling import snapshot
from logan.training.loop import train

from ..training.small import config
from .small import classifier_file

PROTOCOL = Protocol("mine", ("fid20", "is20"))
STEPS = {"seed": 3, "latent_steps": 1}


def evaluator_of(protocol, weights=None):
    return protocols.prepare(protocol, DataConfig("digits"), device=torch.device("cpu"), weights=weights)


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A snapshot, its model, and the scores that were found."""
    run = train(config(kimg=1, snap=1, engine="plain"), outdir=tmp_path_factory.mktemp("runs"), quiet=True)
    path = snapshot.find(run)
    model = logan.load(path)
    return path, model, snapshots.score(path, model, evaluator_of(PROTOCOL), PROTOCOL, **STEPS)


def known(scored, protocol=PROTOCOL, weights=None, **how):
    path, model, _ = scored
    return snapshots.known(path, model, evaluator_of(protocol, weights), protocol, **STEPS | how)


def test_what_was_scored_is_known(scored):
    assert known(scored) == scored[2]
    assert all(map(math.isfinite, scored[2].values()))


@pytest.mark.parametrize("how", [{"seed": 4}, {"latent_steps": 0}], ids=str)
def test_what_was_scored_otherwise_is_not(scored, how):
    assert known(scored, **how) is None


def test_by_another_protocol_or_detector_it_is_not(scored, tmp_path):
    assert known(scored, replace(PROTOCOL, name="other")) is None
    assert known(scored, weights=str(classifier_file(tmp_path / "c.safetensors"))) is None


def test_all_metrics_must_have_been_scored(scored):
    assert known(scored, replace(PROTOCOL, metrics=("fid20", "is20", "kid20"))) is None


def test_progress_comes_to_its_end(scored):
    path, model, _ = scored
    fractions = []
    snapshots.score(path, model, evaluator_of(PROTOCOL), PROTOCOL, batch=8, progress=fractions.append)
    assert fractions == pytest.approx([0.4, 0.8, 1.0])
