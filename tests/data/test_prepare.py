"""``logan data prepare``: ImageNet as it comes, and what training then reads."""

import io
import json
import sys
import tarfile
import time
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from logan.cli.main import main
from logan.data import open_data
from logan.data.images import Fit
from logan.data.parallel import AHEAD, CHUNK, in_order
from tests.data.imagenet_like import SYNSETS, encoded, imagenet, picture, prepare, tar_of_tars, write_folder


def test_the_official_folder_and_the_official_tar_make_the_same(folder, tmp_path):
    tar_of_tars(tmp_path / "train.tar", imagenet())
    with zipfile.ZipFile(tmp_path / "train.zip", "w") as archive:
        for name, data in imagenet().items():
            archive.writestr("train/" + name, data)
    made = []
    for i, source in enumerate((folder, tmp_path / "train.tar", tmp_path / "train.zip")):
        assert prepare(source, tmp_path / f"{i}.zip", "--size", 8, "--workers", 1 + i) == 0
        made.append((tmp_path / f"{i}.zip").read_bytes())
    assert made[0] == made[1] == made[2]  # whatever the source, and the number of threads


def test_training_reads_what_was_prepared(folder, tmp_path, monkeypatch):
    assert prepare(folder, tmp_path / "out.zip", "--size", 8) == 0
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())
        assert all(
            entry.date_time == (1980, 1, 1, 0, 0, 0) for entry in archive.infolist()
        )  # the same bytes at any time
        assert len(archive.read("00000/img00000000.png")) > 8 * 8 * 3  # not compressed inside either
        assert json.loads(archive.read("dataset.json"))["classes"] == list(SYNSETS)
    looked = []
    monkeypatch.setattr("logan.data.folders.read_header", lambda data, name: looked.append(name))
    for limit in (2**30, 0):  # in memory, and streamed
        data = open_data(str(tmp_path / "out.zip"), memory_limit=limit)
        images, labels = data.batch(torch.arange(len(data)))
        assert data.class_names == list(SYNSETS)
        assert labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
        for i, (name, file) in enumerate(sorted(imagenet().items())):
            image = Image.open(io.BytesIO(file)).convert("RGB")
            assert torch.equal(images[i], Fit(8, 3)(image, name))
    assert looked == []  # a million files are not looked at again at every start
    again = open_data(str(tmp_path / "out.zip"), image_size=4, channels=1)
    assert (again.image_size, again.channels) == (4, 1)


def test_threads_wait_for_a_slow_disk():
    done = []
    results = in_order(lambda i: done.append(i) or i, 100 * CHUNK, "", None, threads=2)
    assert next(results) == 0
    time.sleep(0.2)  # if they did not wait, the threads would be through with everything
    assert len(done) <= (2 * AHEAD + 1) * CHUNK
    assert list(results) == list(range(1, 100 * CHUNK))


def test_labels_from_a_file(tmp_path):
    names = ["ILSVRC2012_val_00000001", "ILSVRC2012_val_00000002", "ILSVRC2012_val_00000003"]
    write_folder(tmp_path / "val", {f"{n}.JPEG": encoded(picture(i)) for i, n in enumerate(names)})
    rows = [f"{n},{SYNSETS[k]} 1 2 3 4" for n, k in zip(names, (2, 0, 2), strict=True)]
    (tmp_path / "solution.csv").write_text("ImageId,PredictionString\n" + "\n".join(rows) + "\n")
    assert prepare(tmp_path / "val", tmp_path / "out.zip", "--size", 8, "--labels", tmp_path / "solution.csv") == 0
    data = open_data(str(tmp_path / "out.zip"))
    assert data.class_names == [SYNSETS[0], SYNSETS[2]]
    assert data.labels.tolist() == [1, 0, 1]


def test_labels_from_the_devkit(tmp_path, capsys):
    """Its numbers are not the places of the sorted synsets; its meta.mat says which they are."""
    savemat = pytest.importorskip("scipy.io", reason="scipy is not installed").savemat
    write_folder(tmp_path / "val", {f"ILSVRC2012_val_0000000{i}.JPEG": encoded(picture(i)) for i in (1, 2, 3)})
    truth = tmp_path / "ILSVRC2012_validation_ground_truth.txt"
    truth.write_text("1\n2\n1\n")
    given = (tmp_path / "val", tmp_path / "out.zip", "--size", 8, "--labels", truth)
    assert prepare(*given) == 2
    assert "needs meta.mat" in capsys.readouterr().err
    rows = [(1, SYNSETS[2], "dog"), (2, SYNSETS[0], "tench"), (1001, "n00001740", "entity")]
    kinds = [("ILSVRC2012_ID", object), ("WNID", object), ("words", object)]
    savemat(tmp_path / "meta.mat", {"synsets": np.array(rows, dtype=kinds).reshape(-1, 1)})
    assert prepare(*given) == 0
    data = open_data(str(tmp_path / "out.zip"))
    assert data.class_names == [SYNSETS[0], SYNSETS[2]]
    assert data.labels.tolist() == [1, 0, 1]
    for text, message in (("1\n2\n", "2 numbers for 3 images"), ("1\n2\n7\n", "number 7")):
        truth.write_text(text)
        assert prepare(*given, "--force") == 2
        assert message in capsys.readouterr().err


def test_limit_and_force(folder, tmp_path, capsys):
    assert prepare(folder, tmp_path / "out.zip", "--size", 8, "--limit", 3) == 0
    assert len(open_data(str(tmp_path / "out.zip"))) == 3
    assert open_data(str(tmp_path / "out.zip")).labels.unique().tolist() == [0, 1]
    assert prepare(folder, tmp_path / "out.zip", "--size", 8) == 2
    assert "--force" in capsys.readouterr().err
    assert prepare(folder, tmp_path / "out.zip", "--size", 8, "--force") == 0
    assert len(open_data(str(tmp_path / "out.zip"))) == 8


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nowhere", "o.zip"], "no such file or folder"),
        (["{folder}", "o.npz"], "must be a file called .zip or .npy"),
        (["{folder}", "o.zip", "--split", "test"], "no test images: there are no folders train and test"),
        (["{folder}/Data", "o.zip", "--split", "val"], "no val images: there are no folders train and val"),
        (["hf:", "o.zip"], "give hf:NAME"),
        (["hf:name:", "o.zip"], "give hf:NAME"),
        (["{folder}", "o.zip", "--size", "0"], "--size must be 1"),
        (["{folder}", "o.zip", "--workers", "0"], "--workers must be >= 1"),
        (["{folder}", "o.zip", "--size", "64"], "not one image can be used"),
        (["{folder}", "o.zip", "--labels", "{folder}/nothing.csv"], "cannot be read"),
        (["{folder}", "o.zip", "--labels", "{folder}/Annotations/x.xml"], "has no class for"),
        (["{tar}", "o.zip"], "not an uncompressed tar file"),
    ],
)
def test_bad_input(folder, tmp_path, monkeypatch, capsys, args, message):
    monkeypatch.chdir(tmp_path)
    whole = tmp_path / "whole.tar"
    tar_of_tars(whole, imagenet())
    with tarfile.open(tmp_path / "packed.tar.gz", "w:gz") as archive:
        archive.add(whole, "a.tar")
    given = [a.format(folder=folder, tar=tmp_path / "packed.tar.gz") for a in args]
    assert prepare(*given) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.glob("o.*"))


def test_unknown_commands(capsys):
    assert main(["data", "prepar"]) == 2
    assert "did you mean 'prepare'" in capsys.readouterr().err
    assert main(["data"]) == 0


def test_hugging_face_names_its_extra_when_it_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert prepare("hf:some/set", tmp_path / "o.zip") == 2
    assert "logan-gan[hf]" in capsys.readouterr().err


def test_a_set_of_hugging_face(tmp_path, capsys):
    datasets = pytest.importorskip("datasets", reason="the extra hf is not installed")
    files = [encoded(picture(i)) for i in range(4)]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["zebra", "ant"])})
    rows = {"image": [{"bytes": f, "path": None} for f in files], "label": [0, 1, 1, 0]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(str(tmp_path / "set"))
    assert prepare(f"hf:{tmp_path / 'set'}", tmp_path / "out.zip", "--size", 8) == 0
    data = open_data(str(tmp_path / "out.zip"))
    assert data.class_names == ["zebra", "ant"]  # their order, not the alphabet's
    assert data.labels.tolist() == [0, 1, 1, 0]
    assert torch.equal(data.images[2], Fit(8, 3)(picture(2), "2"))
    assert prepare(f"hf:{tmp_path / 'set'}:train", tmp_path / "train.zip", "--size", 8) == 0
    assert (tmp_path / "train.zip").read_bytes() == (tmp_path / "out.zip").read_bytes()
    plain = datasets.Dataset.from_dict({"text": ["a"]})
    plain.save_to_disk(str(tmp_path / "text"))
    assert prepare(f"hf:{tmp_path / 'text'}", tmp_path / "text.zip", "--size", 8) == 2
    assert "no column of images" in capsys.readouterr().err


def test_a_folder_of_parquet_files(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets", reason="the extra hf is not installed")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["zebra", "ant"])})
    for split, seeds in (("train", (0, 1)), ("validation", (2, 3))):
        rows = {"image": [{"bytes": encoded(picture(i)), "path": None} for i in seeds], "label": [1, 0]}
        (tmp_path / "set").mkdir(exist_ok=True)
        datasets.Dataset.from_dict(rows, features=features).to_parquet(str(tmp_path / "set" / f"{split}-0.parquet"))
    assert prepare(f"hf:{tmp_path / 'set'}:validation", tmp_path / "out.npy", "--size", 8) == 0
    data = open_data(str(tmp_path / "out.npy"))
    assert (data.class_names, data.labels.tolist()) == (["zebra", "ant"], [1, 0])
    assert torch.equal(data.images[0], Fit(8, 3)(picture(2), "2"))


def test_info(folder, tmp_path, capsys):
    assert prepare(folder, tmp_path / "o.npy", "--size", 8) == 0
    capsys.readouterr()
    assert main(["data", "info", str(tmp_path / "o.npy"), "--sheet", str(tmp_path / "s.png")]) == 0
    printed = capsys.readouterr().out
    assert "o: 8 images, 8x8, colour, held in memory" in printed
    assert "3 classes of 2 to 3 images" in printed
    assert "n01440764            3" in printed
    assert Image.open(tmp_path / "s.png").size == (2 * 50 + 2, 3 * 50 + 2)  # a row per class; 8 pixels are shown as 48
    write_folder(tmp_path / "flat", {"a.png": encoded(picture(0)), "b.png": encoded(picture(1, 9, 9, "L"))})
    assert main(["data", "info", str(tmp_path / "flat")]) == 2
    assert "pass --image-size" in capsys.readouterr().err
    given = ["data", "info", str(tmp_path / "flat"), "--image-size", "8", "--sheet", str(tmp_path / "t.png")]
    assert main(given) == 0
    assert "no classes" in capsys.readouterr().out
    assert main(["data", "info", "ring"]) == 2
