"""An export is whole, loads elsewhere as what it was, and is refused where it is not what its manifest says."""

import json
import os
import pickle
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

import logan
from logan.cli.main import main
from logan.errors import InputError
from logan.networks import NETWORKS
from logan.sampling import manifest
from logan.sharing import Wording, export

from ..training.small import config
from .small import SCORES, make_run

SIZES = {name: {"image_size": 32, "width": 2} for name in NETWORKS} | {
    "mlp": {"image_size": 8},
    "sndcgan": {"image_size": 16},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "00003-digits-ngd")


@pytest.fixture(scope="module")
def whole(run, tmp_path_factory):
    return Path(export(run, tmp_path_factory.mktemp("exports") / "digits", wording=Wording(licence="mit")))


@pytest.fixture
def exported(whole, tmp_path):
    return Path(shutil.copytree(whole, tmp_path / "export"))


@pytest.mark.parametrize("classes", [3, pytest.param(0, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_comes_back_bit_for_bit(tmp_path, name, classes):
    run = make_run(tmp_path / "run", name=name, num_classes=classes, **SIZES[name])
    model, again = logan.load(run), logan.load(export(run, tmp_path / "there"))
    assert torch.equal(model.sample(4, seed=1), again.sample(4, seed=1))
    for a, b in ((model.generator, again.generator), (model.discriminator, again.discriminator)):
        assert all(torch.equal(value, b.state_dict()[key]) for key, value in a.state_dict().items())


@pytest.mark.parametrize("latent", ["none", "cs", "gd", "ngd"])
def test_every_method_comes_back(tmp_path, latent):
    run = make_run(tmp_path / "run", settings=config(latent=latent))
    again = logan.load(export(run, tmp_path / "there"))
    steps = 0 if latent == "none" else 2
    assert torch.equal(logan.load(run).sample(4, latent_steps=steps), again.sample(4, latent_steps=steps))
    assert again.info.config.latent.latent == latent


def test_points_come_back(tmp_path):
    run = make_run(tmp_path / "run", image_size=1, image_channels=2)
    folder = Path(export(run, tmp_path / "there"))
    assert torch.equal(logan.load(run).sample(9), logan.load(folder).sample(9))
    assert "pipeline_tag" not in (folder / "README.md").read_text("utf-8")


def test_what_is_in_it(whole):
    names = {path.name for path in whole.iterdir()}
    assert names == {
        "README.md", "facts.json", "manifest.json", "network-snapshot-000004.json", "network-snapshot-000004.safetensors",
        "samples.png", "stats.jsonl", "training_options.json",
    }  # fmt: skip
    listed = json.loads((whole / "manifest.json").read_text())["files"]
    assert set(listed) == names - {"manifest.json"}
    assert Image.open(whole / "samples.png").size == (8 * 50 + 2, 8 * 50 + 2)
    assert len((whole / "stats.jsonl").read_text().splitlines()) == 5  # those after the snapshot are of another


def test_it_loads_by_its_folder_and_by_its_file(whole, run):
    images = logan.load(run).sample(3)
    assert torch.equal(logan.load(whole).sample(3), images)
    assert torch.equal(logan.load(whole / "network-snapshot-000004.safetensors").sample(3), images)


def test_an_export_is_exported_again(whole, tmp_path):
    again = Path(export(whole, tmp_path / "again", wording=Wording(licence="mit")))
    assert (again / "README.md").read_text("utf-8") == (whole / "README.md").read_text("utf-8")


def test_scores_that_were_found_since_go_along(exported, tmp_path):
    line = SCORES | {"metric": "is10k", "results": {"is10k": 8.125}, "images": 4000, "in_training": False}
    (exported / "metric-is10k.jsonl").write_text(json.dumps(line) + "\n")
    card = (Path(export(exported, tmp_path / "again")) / "README.md").read_text("utf-8")
    assert "| is10k | 8.125 | protocol training |" in card
    assert "| fid10k | 12.5 | in training |" in card


def test_nothing_says_where_it_was_made(tmp_path):
    settings = config(data="/home/somebody/secret/photos.zip", detector_weights="/home/somebody/secret/weights.pt")
    folder = Path(export(make_run(tmp_path / "run", settings=settings), tmp_path / "there"))
    for path in folder.iterdir():
        assert b"somebody" not in path.read_bytes()
    assert logan.load(folder).info.config.data.data == "photos.zip"
    windows = replace(settings, data=replace(settings.data, data="C:\\Users\\somebody\\photos"))
    folder = Path(export(make_run(tmp_path / "run2", settings=windows), tmp_path / "there2"))
    assert logan.load(folder).info.config.data.data == "photos"


NAMED = ["facts.json", "network-snapshot-000004.json", "network-snapshot-000004.safetensors", "samples.png", "stats.jsonl",
         "training_options.json"]  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("change", ["flipped", "longer", "shorter", "missing", "a folder"])
def test_a_changed_file_is_refused_by_name(exported, name, change):
    path = exported / name
    content = path.read_bytes()
    path.unlink()
    if change == "flipped":
        path.write_bytes(content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])
    elif change == "longer":
        path.write_bytes(content + b" ")
    elif change == "shorter":
        path.write_bytes(content[:-1])
    elif change == "a folder":
        path.mkdir()
    with pytest.raises(InputError) as caught:
        logan.load(exported)
    message = str(caught.value)
    assert name in message
    assert "\n" not in message
    assert {
        "flipped": "was changed: its sha256",
        "longer": "was changed: its manifest has",
        "shorter": "bytes and",
    }.get(change, "is missing") in message
    assert "get the export again" in message
    with pytest.raises(InputError):  # nor is its snapshot taken by itself
        logan.load(exported / "network-snapshot-000004.safetensors")


def test_weights_of_another_export_are_refused(exported, tmp_path):
    """Sealed as they should be, and of the same size: only the manifest knows."""
    other = Path(export(make_run(tmp_path / "other", seed=5), tmp_path / "there"))
    name = "network-snapshot-000004.safetensors"
    shutil.copy(other / name, exported / name)
    logan.load(other)
    with pytest.raises(InputError, match="its sha256 is not that of its manifest"):
        logan.load(exported)


def test_the_card_may_be_edited(exported, whole):
    """On the Hub that is done in the browser; nothing but people reads it."""
    (exported / "README.md").write_text("# Better words\n")
    assert torch.equal(logan.load(exported).sample(2), logan.load(whole).sample(2))


@pytest.mark.parametrize(
    "name", ["modeling.py", "__init__.py", "weights.pkl", "pytorch_model.bin", "state.pt", "setup.sh", "run.EXE", "a.so",
             "config.yaml", "page.html", "start.ipynb", "noending", "lib.jar", "x.onnx.data"],
)  # fmt: skip
def test_what_was_added_and_could_be_run_is_refused(exported, name):
    (exported / name).write_bytes(b"print('hello')")
    with pytest.raises(InputError, match=rf"holds {re.escape(name)}, which its manifest does not name"):
        logan.load(exported)


def test_an_added_folder_is_refused(exported):
    (exported / "src").mkdir()
    with pytest.raises(InputError, match="holds src, which its manifest does not name and is a folder"):
        logan.load(exported)


def test_pictures_notes_and_what_tools_leave_do_no_harm(exported):
    for name in ("samples000004-seed0.png", "notes.txt", "metric-fid10k.jsonl", ".gitattributes"):
        (exported / name).write_text("")
    (exported / ".git").mkdir()
    logan.load(exported)


def test_no_pickle_is_opened(exported, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("something was unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    monkeypatch.setattr(torch, "load", refuse)
    logan.load(exported).sample(2)


MANIFESTS = {
    "no JSON": lambda m: "format 1",
    "a list": lambda m: [1],
    "another format": lambda m: m | {"format": 2},
    "no format": lambda m: {k: v for k, v in m.items() if k != "format"},
    "no files": lambda m: m | {"files": {}},
    "files that are a list": lambda m: m | {"files": list(m["files"])},
    "no snapshot": lambda m: {k: v for k, v in m.items() if k != "snapshot"},
    "a snapshot that is not named": lambda m: m | {"snapshot": "other.safetensors"},
    "a snapshot that is a picture": lambda m: m | {"snapshot": "samples.png"},
    "too many files": lambda m: m | {"files": {f"{i}.png": m["files"]["samples.png"] for i in range(101)}},
    "a size without end": lambda m: named(m, "samples.png", {"bytes": 10**15}),
    "a size below nothing": lambda m: named(m, "samples.png", {"bytes": -1}),
    "a size that is a word": lambda m: named(m, "samples.png", {"bytes": "1"}),
    "a hash that is none": lambda m: named(m, "samples.png", {"sha256": "x" * 64}),
    "a hash in capitals": lambda m: named(m, "samples.png", {"sha256": "A" * 64}),
    "a file that is a number": lambda m: m | {"files": m["files"] | {"a.png": 7}},
    "a mebibyte of spaces": lambda m: json.dumps(m) + " " * 2**20,
    "nested": lambda m: "[" * 10**5,
    "two names in one": lambda m: m | {"files": m["files"] | {"SAMPLES.png": m["files"]["samples.png"]}},
} | {
    f"the name {name!r}": (lambda m, name=name: m | {"files": m["files"] | {name: m["files"]["samples.png"]}})
    for name in ("../up.png", "/etc/up.png", "a/b.png", "a\\b.png", "C:up.png", "..", ".hidden.png", "", "a b.png", "*.png",
                 "[a].png", "a\n.png", "a\0.png", "nul.png", "COM1.json", "é.png", "x" * 300 + ".png", "manifest.json",
                 "model.py", "model.pt", "weights.pkl", "model.bin", "noending", "a.png.", "a..png", "-rf.png")
}  # fmt: skip


def named(m, name, changes):
    return m | {"files": m["files"] | {name: m["files"][name] | changes}}


@pytest.mark.parametrize("change", MANIFESTS.values(), ids=MANIFESTS)
def test_a_manifest_that_no_export_has(exported, change):
    path = exported / "manifest.json"
    changed = change(json.loads(path.read_text()))
    path.write_text(changed if isinstance(changed, str) else json.dumps(changed))
    with pytest.raises(InputError) as caught:
        logan.load(exported)
    message = str(caught.value)
    assert "manifest.json" in message
    assert "\n" not in message
    assert len(message) < 400 + len(str(path))


def test_damage_is_one_line_and_status_2(exported, tmp_path, capsys):
    (exported / "samples.png").unlink()
    for command in (["sample"], ["export", "--to", str(tmp_path / "x")], ["evaluate"], ["curve"]):
        assert main([command[0], str(exported), *command[1:]]) == 2
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert "samples.png is missing" in error, command


@pytest.mark.skipif(os.name != "posix", reason="named pipes are POSIX's")
def test_a_pipe_is_not_waited_for(exported):
    (exported / "stats.jsonl").unlink()
    os.mkfifo(exported / "stats.jsonl")
    with pytest.raises(InputError, match=r"stats\.jsonl is missing"):
        logan.load(exported)


def test_a_folder_that_is_in_use_is_not_written_to(run, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="is there already, and no empty folder") as caught:
        export(run, tmp_path / "there")
    assert caught.value.field == "to"
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["mine.txt"]


def test_half_an_export_is_not_left(run, tmp_path, monkeypatch):
    monkeypatch.setattr(manifest, "write", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        export(run, tmp_path / "there")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("parents", ["", "not/there/yet/"])
def test_an_empty_folder_or_none_becomes_one(run, tmp_path, parents):
    to = tmp_path / f"{parents}there"
    if not parents:
        to.mkdir()
    assert torch.equal(logan.load(export(run, to)).sample(2), logan.load(run).sample(2))
    assert [path.name for path in to.parent.iterdir()] == ["there"]


@pytest.fixture
def run_of_ones_own(tmp_path, monkeypatch):
    """Of networks that somebody added."""
    monkeypatch.setitem(NETWORKS, "mine", lambda spec: NETWORKS["mlp"](replace(spec, name="mlp")))
    return make_run(tmp_path / "run", name="mine")


def test_networks_of_ones_own_are_not_shared_without_their_code(run_of_ones_own, tmp_path):
    assert logan.load(run_of_ones_own).sample(1).shape == (1, 1, 8, 8)
    with pytest.raises(InputError, match="networks of your own, 'mine', and an export carries no code") as caught:
        export(run_of_ones_own, tmp_path / "there")
    assert caught.value.field == "onnx"
    assert not (tmp_path / "there").exists()


def test_networks_of_ones_own_are_shared_as_onnx(run_of_ones_own, tmp_path, monkeypatch):
    pytest.importorskip("onnxscript", reason="the extra 'onnx' is not installed")
    folder = Path(export(run_of_ones_own, tmp_path / "there", with_onnx=True))
    assert "the maker's own, `mine`" in (folder / "README.md").read_text("utf-8")
    assert (folder / "generator.onnx").exists()
    monkeypatch.delitem(NETWORKS, "mine")
    with pytest.raises(InputError, match="no network 'mine'"):
        logan.load(folder)


def test_the_command(tmp_path, capsys):
    """By itself it takes the best snapshot, as sample does."""
    run = make_run(make_run(tmp_path / "run"), images=2000, seed=7)
    best = {"by": "fid10k", "images": 2000, "kimg": 2, "scores": {"fid10k": 1.0}, "measure": [None, None, None]}
    (run / "best.json").write_text(json.dumps(best))
    shutil.copy(run / "network-snapshot-000002.safetensors", run / "network-best.safetensors")
    for flags, kimg in (([], 2), (["--snapshot", "best"], 2), (["--snapshot", "latest"], 4), (["--snapshot", "4"], 4)):
        to = tmp_path / "-".join(["there", *flags])
        assert main(["export", str(run), "--to", str(to), "--licence", "cc-by-4.0", "--title", "Digits", *flags]) == 0
        assert capsys.readouterr().out.strip() == str(to)
        card = (to / "README.md").read_text("utf-8")
        assert "# Digits" in card
        assert 'license: "cc-by-4.0"' in card
        assert f"has seen {kimg},000 real images" in card
        assert main(["sample", str(to), "--n", "4"]) == 0
        assert list(to.glob(f"samples00000{kimg}-*.png"))
        capsys.readouterr()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--licence", "MIT"], "--licence 'MIT' is none that the Hub knows (did you mean 'mit'?)"),
        (["--licence", "apache"], "did you mean 'apache-2.0'?"),
        (["--title", " "], "--title must be a text of one line"),
        (["--dataset", "a b"], "--dataset 'a b' is no name of a data set"),
        (["--private"], "--private is for hub:USER/NAME"),
        (["--snapshot", "best"], "nothing was measured in training"),
        (["--snapshot", "9"], "no snapshot of 9 kimg"),
        (["--data", "nowhere"], "no data called 'nowhere'"),
        (["--seed", "-1"], "--seed must be >= 0"),
    ],
)
def test_impossible_exports(run, tmp_path, capsys, flags, message):
    assert main(["export", str(run), "--to", str(tmp_path / "there"), *flags]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "there").exists()


@pytest.mark.parametrize(
    ("to", "flags", "why"),
    [
        ("taken", [], "is there already, and no empty folder"),
        ("there", ["--private"], "--private is for hub:USER/NAME"),
        ("there", ["--snapshot", "7"], "has no snapshot of 7 kimg"),
        ("there", ["--seed", "-1"], "--seed must be >= 0"),
        ("hub:one/two/three", [], "hub:"),
    ],
)
def test_what_cannot_be_done_is_said_alone(tmp_path, capsys, to, flags, why):
    """A word about the licence would be of an export that there is not."""
    run = make_run(tmp_path / "run")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    where = to if to.startswith("hub:") else str(tmp_path / to)
    assert main(["export", str(run), "--to", where, *flags]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert why in line


def test_that_no_licence_was_stated_is_said_of_an_export(tmp_path, capsys):
    assert main(["export", str(make_run(tmp_path / "run")), "--to", str(tmp_path / "there")]) == 0
    assert "no --licence: the card says that none was stated" in " ".join(capsys.readouterr().err.split())
