"""Errors that suggest the next step: each kind of mistake, by several of its kind."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from logan.cli.main import main
from logan.sampling import snapshot


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A run that made a snapshot, one that did not, images, and a folder of runs."""
    root = tmp_path_factory.mktemp("places")
    flags = "--network dcgan --width 8 --latent-dim 8 --batch 50 --kimg 1 --tick 1 --snap 1 --metrics none".split()
    assert main(["train", *flags, "--outdir", str(root / "runs")]) == 0
    run = root / "runs" / "00000-digits-ngd"
    (root / "early").mkdir()
    (root / "early" / "training_options.json").write_bytes((run / "training_options.json").read_bytes())
    (root / "photos").mkdir()
    for i in range(3):
        Image.new("RGB", (16, 16)).save(root / "photos" / f"{i}.png")
    (root / "empty").mkdir()
    return {"root": root, "run": run, "runs": root / "runs", "early": root / "early", "photos": root / "photos"}


def said(capsys, line: str, **places) -> str:
    args = [word.format(**places) for word in line.split(" ")]
    assert main(args) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.strip().splitlines()) == 1
    return err


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("train photos.zip", "'--data photos.zip'"),
        ("train pictures/cats", "'--data pictures/cats'"),
        ("train {photos}", "'--data {photos}'"),
        ("train {run}", "'--resume {run}'"),
        ("train cifar10", "'--preset cifar10'"),
        ("train cifr10", "'--preset cifar10'"),
        ("train ngd", "'--latent ngd'"),
        ("train kimg=5", "'--kimg=5'"),
        ("train -kimg 5", "'--kimg'"),
        ("train kimg 5", "'--kimg'"),
        ("train --lr 1", "'--g-lr' or '--d-lr'"),
        ("train --learning_rate 1", "'--g-lr' or '--d-lr'"),
        ("train --g-rl 1", "'--g-lr'"),
        ("train --epochs 3", "'--kimg'"),
        ("train --betas 0 1", "'--adam-betas'"),
        ("train --alarm 3", "'--on-alarm' or '--alarm-snapshots'"),
        ("train --steps 3", "'--kimg'"),
        ("train --checkpoint", "'--resume'"),
        ("train --KIMG 3", "'--kimg'"),
        ("train --no-kimg", "'--kimg'"),
        ("train --no-miror", "'--no-mirror'"),
        ("sample {run} --truncation 0.5", "'--trunc'"),
        ("sample {run} --num 5", "'--n'"),
        ("sample {run} --output x.png", "'--out'"),
        ("sample --seeed 5 {run}", "'--seed'"),
        ("evaluate {run} --steps 3", "'--latent-steps'"),
        ("data prepare a b --resolution 64", "'--size'"),
        ("data info a --overwrite", "'--force'"),
        ("compare --method ngd", "'--methods'"),
        ("trian", "'train'"),
        ("Train", "'train'"),
        ("smaple {run}", "'sample'"),
        ("generate {run}", "'logan sample'"),
        ("eval {run}", "'logan evaluate'"),
        ("prepare x y", "'logan data prepare'"),
        ("photos.zip", "'logan train --data photos.zip'"),
        ("{photos}", "'logan train --data {photos}'"),
        ("{run}", "'logan sample {run}'"),
        ("--preset ring", "as in 'logan train --preset ring'"),
        ("data preapre x y", "'prepare'"),
        ("bench stpe", "'step'"),
        ("reproduce tabel2", "'table2'"),
        ("train --loss hing", "'hinge'"),
    ],
)
def test_what_may_be_meant(capsys, places, line, hint):
    assert hint.format(**places) in said(capsys, line, **places)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("train --kimg many", "--kimg takes a whole number, as in --kimg 600, not 'many'"),
        ("train --kimg 5.5", "--kimg takes a whole number"),
        ("train --g-lr small", "--g-lr takes a number, as in --g-lr 0.0005, not 'small'"),
        ("train --adam-betas 0.5", "--adam-betas needs 2 numbers, as in --adam-betas 0.5 0.999"),
        ("train --adam-betas a b", "--adam-betas takes 2 numbers"),
        ("train --kimg", "--kimg needs a whole number"),
        ("train --channels 2", "--channels is one of 1, 3, not '2'"),
        ("sample", "RUN is missing: logan sample RUN"),
        ("data prepare photos", "SOURCE and DESTINATION are needed"),
    ],
)
def test_values_that_do_not_fit(capsys, line, words):
    assert words in said(capsys, line)


@pytest.mark.parametrize("flag", ["train --data=", "train --outdir=", "train --resume=", "sample {run} --out=", "sample ''",
                                  "evaluate '' {photos}", "evaluate {photos} ''", "data info ''", "data prepare '' a.zip",
                                  "data prepare {photos} ''", "data info {photos} --sheet=", "curve ''", "plan --out=",
                                  "evaluate {run} --data="])  # fmt: skip
def test_empty_names_are_no_folder(capsys, places, flag, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    error = said(capsys, flag.replace("''", ""), **places)
    assert "must not be empty" in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["sample {}", "evaluate {}", "curve {}"])
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("{run}/training-state-latest.pt", "is what training goes on from, not a snapshot; pass its run folder, {run}"),
        ("{run}/training_options.json", "is not a snapshot; pass its run folder, {run}"),
        ("{run}/stats.jsonl", "is not a snapshot; pass its run folder, {run}"),
        ("{run}/fakes000001.png", "is not a snapshot; pass its run folder, {run}"),
        ("{early}", "has not come to its first snapshot; go on training it with --resume {early}"),
        ("{runs}", "is a folder of 1 run; pass one of them, such as {run}"),
        ("{photos}", "is not a run folder"),
        ("{photos}/0.png", "is not a snapshot; pass a run folder"),
        ("{root}/nothing", "does not exist; pass a run folder"),
    ],
)
def test_where_a_run_is_expected(capsys, places, command, given, words):
    assert words.format(**places) in said(capsys, command.format(given), **places)


def test_the_json_beside_a_snapshot_is_the_snapshot(places):
    path = next(places["run"].glob(snapshot.PATTERN))
    assert snapshot.find(path.with_suffix(".json")) == path


@pytest.mark.parametrize(
    "command", ["train --data {}", "data info {}", "evaluate {} {photos}", "data prepare {} {root}/a.npy"]
)
@pytest.mark.parametrize(
    "given", ["{run}", "{run}/network-snapshot-000001.safetensors", "{run}/training-state-latest.pt", "{runs}"]
)
def test_where_images_are_expected(capsys, places, command, given):
    error = said(capsys, command.replace("{}", given), **places)
    assert "not a set of images" in error or "pass one run, or two folders" in error
    assert not (places["root"] / "a.npy").exists()


def test_a_foreign_file_of_weights_is_no_snapshot(capsys, tmp_path):
    torch.save({"weights": torch.zeros(3)}, tmp_path / "generator.pt")
    (tmp_path / "a.json").write_text(json.dumps({}))
    for name in ("generator.pt", "a.json"):
        assert "is not a snapshot; pass a run folder" in said(capsys, f"sample {tmp_path / name}")


def test_dashes_that_were_copied_from_a_text(capsys, tmp_path):
    assert main(["train", "—preset", "ring", "–dry-run", "—outdir", str(tmp_path)]) == 0
    assert "ring" in capsys.readouterr().out
    assert list(Path(tmp_path).iterdir()) == []
