"""Which of a run's snapshots is taken, and what is said of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

import logan
from logan.cli.main import main
from logan.config import presets
from logan.errors import InputError
from logan.sampling.choice import choose
from logan.training.ending import farewell
from logan.training.loop import train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Three snapshots, of which the second is best."""
    config = presets.get("digits")
    config = replace(
        config,
        networks=replace(config.networks, width=8),
        run=replace(config.run, kimg=3, tick=1, snap=1, engine="plain"),
        scores=replace(config.scores, metrics=()),
    )
    scores = iter((30.0, 13.27, 20.65))
    return train(config, outdir=tmp_path_factory.mktemp("runs"), quiet=True, measure=lambda g, d: {"fid": next(scores)})


@pytest.fixture
def unscored(run, tmp_path):
    for path in run.glob("network-snapshot-*"):
        shutil.copy(path, tmp_path)
    return tmp_path


def kimg(model):
    return model.info.images // 1000


def test_what_is_loaded(run, unscored):
    assert kimg(logan.load(run)) == kimg(logan.load(run, snapshot="best")) == 2
    assert kimg(logan.load(run, snapshot="latest")) == kimg(logan.load(unscored)) == 3
    assert kimg(logan.load(run, snapshot=1)) == kimg(logan.load(run, snapshot="1")) == 1
    assert kimg(logan.load(run / "network-snapshot-000003.safetensors")) == 3


def test_what_is_said(run, unscored):
    assert choose(run).why.endswith(
        "the best snapshot, 2 kimg, FID (detector not recorded) 13.27 in training, not the latest, 3 kimg: `snapshot` latest"
    )
    assert "the latest snapshot, 3 kimg (training measured no score)" in choose(unscored).why
    assert choose(run, "latest").why == choose(run, 1).why == choose(run / "network-best.safetensors").why == ""


@pytest.mark.parametrize(
    ("which", "where", "message"),
    [
        ("bets", "run", "`snapshot` is auto, best, latest, or a number of kimg such as 200, not 'bets'"),
        ("7", "run", "has no snapshot of 7 kimg; the nearest is of 3: `snapshot` 3"),
        ("best", "unscored", "nothing was measured in training"),
        ("latest", "file", "is one snapshot; leave it out"),
    ],
)
def test_what_cannot_be_chosen(run, unscored, which, where, message):
    with pytest.raises(InputError) as error:
        choose({"run": run, "unscored": unscored, "file": run / "network-best.safetensors"}[where], which)
    assert message in str(error.value)


def test_a_damaged_note_of_the_best_leaves_the_latest(run, unscored):
    for name in ("network-best.safetensors", "best.json"):
        shutil.copy(run / name, unscored)
    (unscored / "best.json").write_text('{"by": 3}')
    assert kimg(logan.load(unscored)) == 3
    assert "best.json" in choose(unscored).why
    with pytest.raises(InputError, match=r"best\.json"):
        choose(unscored, "best")


def test_the_command_names_what_it_took(run, capsys):
    for flags, name in (((), "samples000002-seed0"), (("--snapshot", "latest"), "samples000003-seed0")):
        assert main(["sample", str(run), "--n", "4", *flags]) == 0
        said = capsys.readouterr()
        assert name in said.out
        assert ("not the latest, 3 kimg: --snapshot latest" in said.err) == (not flags)


@pytest.mark.parametrize(
    ("detector", "called"), [("classifier", "FID (classifier)"), ("efficientnet-lite0", "FD (EfficientNet-Lite0)")]
)
def test_the_best_is_named_with_its_detector(run, tmp_path, detector, called):
    """That of the score that chose it, whatever else was measured; never of one that was measured by something else."""
    folder = shutil.copytree(run, tmp_path / "run")
    lines = [
        {"detector": name, "detector_sha256": digest * 64, "in_training": True, "results": {"fid": 13.27}}
        for name, digest in (("inception", "a"), (detector, "b"))
    ]
    (folder / "metric-fid.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    best = json.loads((folder / "best.json").read_text())
    assert "FID (detector not recorded) 13.27" in choose(folder).why
    (folder / "best.json").write_text(json.dumps(best | {"measure": ["b" * 64, "reals", 0]}))
    assert f"2 kimg, {called} 13.27 in training" in choose(folder).why
    assert f"best snapshot: 2 kimg, {called} 13.27, and 20.65 at the end" in farewell(folder)
    evil = lines[1] | {"detector": "\x1b[2J"}
    (folder / "metric-fid.jsonl").write_text(
        "not json\n" + json.dumps(evil) + '\n{"results": 3, "in_training": true}\n'
    )
    assert "FD (\\x1b[2J) 13.27" in choose(folder).why  # a stranger's words do nothing to a terminal


def test_the_end_of_a_run_names_its_best(run, unscored):
    said = farewell(run)
    assert (
        "best snapshot: 2 kimg, FID (detector not recorded) 13.27, and 20.65 at the end, 3 kimg. Its picture is "
        in said
    )
    assert str(run / "fakes000002.png") in said
    assert (run / "fakes000002.png").exists()
    assert "best" not in farewell(unscored)
    best = json.loads((run / "best.json").read_text())
    assert best["images"] // 1000 == 2
