"""logan compare: what it makes, and what it makes again."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from logan.cli.main import main
from logan.compare import runs as compare_runs
from logan.compare import summary
from logan.distributed import World
from logan.evaluation import records
from logan.training import folder, lock

from ..evaluation.small import RING, fails, never, runs

FLAGS = [*RING, "--methods", "none", "ngd:beta=5", "--seeds", "2"]
NAMES = [f"0000{i}-ring-{m}-seed{s}" for i, (s, m) in enumerate((s, m) for s in (0, 1) for m in ("none", "ngd-beta-5"))]


def compare(outdir: Path, *flags: str) -> None:
    runs("compare", *FLAGS, *flags, "--outdir", outdir)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    outdir = tmp_path_factory.mktemp("made") / "comparison"
    compare(outdir)
    return outdir


@pytest.fixture
def again(made, tmp_path, monkeypatch):
    """A copy, to go on with; what is drawn once more takes longer than the runs, and is left out."""
    for drawing in ("save_curves", "save_pictures"):
        monkeypatch.setattr(summary, drawing, lambda path, *args: path.write_bytes(b""))
    return Path(shutil.copytree(made, tmp_path / "again"))


@pytest.fixture
def trained(monkeypatch):
    """The arguments of every training that starts."""
    calls, train = [], compare_runs.train

    def noted(config, **options):
        calls.append((config, options))
        return train(config, **options)

    monkeypatch.setattr("logan.compare.runs.train", noted)
    return calls


def contents(outdir, pattern="0*/*"):
    return {p.relative_to(outdir): (p.stat().st_mtime_ns, p.read_bytes()) for p in outdir.glob(pattern)}


def test_what_it_writes(made):
    assert {p.name for p in made.glob("[!.]*") if p.is_file()} == {
        "table.md",
        "scores.csv",
        "runs.json",
        "pictures.png",
        "modes100-steps.png",
        "modes100-seconds.png",
        "quality100-steps.png",
        "quality100-seconds.png",
    }


def test_a_run_per_method_and_seed(made):
    assert sorted(p.name for p in made.iterdir() if p.is_dir()) == NAMES


def test_the_settings_of_the_runs(made):
    configs = [folder.read_options(made / name) for name in NAMES]
    assert [(c.latent.latent, c.run.seed) for c in configs] == [("none", 0), ("ngd", 0), ("none", 1), ("ngd", 1)]
    assert [c.latent.beta for c in configs[1::2]] == [5.0, 5.0]
    assert {(c.preset, c.networks.width, c.game.batch) for c in configs} == {("ring", 8, 50)}


def test_the_table(made):
    lines = (made / "table.md").read_text().splitlines()
    assert len(lines) == 6
    assert lines[2].startswith("| none | 2 | ")
    assert lines[3].startswith("| ngd:beta=5 | 2 | ")
    assert lines[5] == "100 points of the averaged generator at every snapshot."


def test_the_csv_has_what_training_measured(made):
    found = [x for x in csv.DictReader((made / "scores.csv").read_text().splitlines()) if x["score"] == "quality100"]
    assert [(x["method"], x["seed"]) for x in found] == [(m, s) for s in "01" for m in ("none", "ngd:beta=5")]
    measured = [records.read(made / name, "modes100")[0]["results"]["quality100"] for name in NAMES]
    assert [float(x["value"]) for x in found] == pytest.approx(measured)


def test_the_runs_are_named_with_their_settings(made):
    runs = json.loads((made / "runs.json").read_text())
    assert [(r["method"], r["run"], r["settings"]["run"]["seed"]) for r in runs] == [
        (m, name, int(name[-1])) for m, name in zip(["none", "ngd:beta=5"] * 2, NAMES, strict=True)
    ]


def test_the_pictures_show_something(made):
    for path in made.glob("*.png"):
        assert np.asarray(Image.open(path).convert("L")).std() > 5, path.name


def test_what_it_prints(again, capsys):
    compare(again)
    out = capsys.readouterr().out
    assert out.startswith((again / "table.md").read_text())
    assert f"wrote table.md, scores.csv, runs.json, pictures.png and modes100-steps.png to {again}" in out


def test_the_second_time_nothing_is_trained(again, monkeypatch):
    monkeypatch.setattr("logan.compare.runs.train", never)
    before, table = contents(again), (again / "table.md").read_text()
    compare(again)
    assert contents(again) == before
    assert (again / "table.md").read_text() == table


def test_a_run_that_was_removed_is_trained_anew_and_no_other(again, made, trained):
    shutil.rmtree(again / NAMES[1])
    before = contents(again)
    compare(again)
    assert [(c.latent.latent, c.run.seed, o["resume"]) for c, o in trained] == [("ngd", 0, None)]
    after = contents(again)
    assert before.items() <= after.items()
    (new,) = {p.parts[0] for p in after} - {p.parts[0] for p in before}
    assert new.endswith("-ring-ngd-beta-5-seed0")
    assert [r["results"] for r in records.read(again / new, "modes100")] == [
        r["results"] for r in records.read(made / NAMES[1], "modes100")
    ]


def test_runs_that_are_too_short_go_on(again, trained):
    begun = contents(again, "0*/fakes_init.png") | contents(again, "0*/network-snapshot-000001.safetensors")
    compare(again, "--kimg", "2")
    assert [o["resume"] for _, o in trained] == [again / name for name in NAMES]
    assert begun.items() <= contents(again).items()
    for name in NAMES:
        assert [r["images"] for r in records.read(again / name, "modes100")] == [1000, 2000]
        assert folder.read_options(again / name).run.kimg == 2
    assert len([p for p in again.iterdir() if p.is_dir()]) == 4


def test_an_interrupted_comparison_goes_on(tmp_path, monkeypatch, made):
    train, count = compare_runs.train, 0

    def interrupted(*args, **options):
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt
        return train(*args, **options)

    with monkeypatch.context() as m:
        m.setattr("logan.compare.runs.train", interrupted)
        assert main(["compare", *FLAGS, "--outdir", str(tmp_path)]) == 130
    assert sorted(p.name for p in tmp_path.glob("[!.]*")) == NAMES[:2]
    compare(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == NAMES
    scores = [x.split(",")[-1] for x in (tmp_path / "scores.csv").read_text().splitlines()]
    assert scores == [x.split(",")[-1] for x in (made / "scores.csv").read_text().splitlines()]


def test_runs_together_are_the_same_runs(tmp_path, made, trained):
    compare(tmp_path, "--together", "3")
    assert not trained  # one after the other
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == NAMES
    scores = [x.split(",")[-1] for x in (tmp_path / "scores.csv").read_text().splitlines()]
    assert scores == [x.split(",")[-1] for x in (made / "scores.csv").read_text().splitlines()]


def test_two_at_once_on_one_folder(capsys, monkeypatch, tmp_path, trained):
    """Would train everything twice; reproduce makes its runs in the same way."""
    monkeypatch.setattr(lock, "PATIENCE", 0.1)
    here = f"{tmp_path} is in use by process {os.getpid()} on "
    for command in (["compare", *FLAGS], ["reproduce", "figure4a", "--seeds", "1"]):
        with lock.locked(tmp_path, World()):
            assert here in fails(capsys, *command, "--outdir", tmp_path)
    assert not trained
    assert [p.name for p in tmp_path.glob("[!.]*")] == []


def test_none_at_a_time_is_refused(capsys, tmp_path):
    for command in (["compare", *FLAGS], ["reproduce", "figure4a"]):
        assert "--together" in fails(capsys, *command, "--together", "0", "--outdir", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("flags", [("--batch", "40"), ("--metrics", "modes50"), ("--seed", "2")], ids=" ".join)
def test_other_settings_are_other_runs(again, trained, flags):
    before = contents(again)
    compare(again, *flags)
    assert [o["resume"] for _, o in trained] == [None] * 4
    assert before.items() <= contents(again).items()


def test_a_run_without_scores_is_named(again, capsys):
    for path in again.glob("00000-*/metric-*"):
        path.unlink()
    assert main(["compare", *FLAGS, "--outdir", str(again)]) == 2
    assert f"{again / NAMES[0]} has no scores" in capsys.readouterr().err


def test_a_method_named_twice_is_compared_once(again, monkeypatch):
    monkeypatch.setattr("logan.compare.runs.train", never)
    runs("compare", *RING, "--methods", "none,none", "none", "--seeds", "2", "--outdir", again)
    assert [r["method"] for r in json.loads((again / "runs.json").read_text())] == ["none", "none"]


def test_wanting_no_metrics_is_refused_before_anything_is_trained(capsys, tmp_path):
    fails(capsys, "compare", *FLAGS, "--metrics", "none", "--outdir", tmp_path / "out")
    assert not (tmp_path / "out").exists()
