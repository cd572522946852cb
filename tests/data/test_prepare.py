"""``logan data prepare``: ImageNet as it comes, and what training then reads."""

import io
import json
import sys
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from logan.cli.main import main
from logan.data import open_data
from logan.data.images import Fit

SYNSETS = ("n01440764", "n01443537", "n02084071")


def picture(seed, width=20, height=16, mode="RGB"):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def encoded(image, kind="png"):
    data = io.BytesIO()
    image.save(data, format=kind)
    return data.getvalue()


def imagenet():
    """Names and files as ImageNet has them: a PNG that is called JPEG, a CMYK one, a grey one."""
    files = {f"{s}/{s}_{i}.JPEG": encoded(picture(10 * k + i)) for k, s in enumerate(SYNSETS) for i in range(2)}
    files[f"{SYNSETS[0]}/{SYNSETS[0]}_7.JPEG"] = encoded(picture(7, mode="CMYK"), "jpeg")
    files[f"{SYNSETS[1]}/{SYNSETS[1]}_8.JPEG"] = encoded(picture(8, mode="L"), "jpeg")
    return files


def write_folder(root, files):
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)


def write_tar(path, files):
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def tar_of_tars(path, files):
    """As ILSVRC2012_img_train.tar: n01440764.tar, …, each with its images and no folder."""
    inner = {}
    for synset in SYNSETS:
        part = path.with_name(f"{synset}.tar")
        write_tar(part, {n.partition("/")[2]: d for n, d in files.items() if n.startswith(synset)})
        inner[part.name] = part.read_bytes()
        part.unlink()
    write_tar(path, inner)


def prepare(*args):
    return main(["data", "prepare", *map(str, args)])


@pytest.fixture
def folder(tmp_path):
    write_folder(tmp_path / "ILSVRC" / "Data" / "CLS-LOC" / "train", imagenet())
    (tmp_path / "ILSVRC" / "Annotations").mkdir()
    (tmp_path / "ILSVRC" / "Annotations" / "x.xml").write_text("<a/>")
    return tmp_path / "ILSVRC"


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


def test_broken_files_are_listed_and_the_rest_is_prepared(folder, tmp_path, capsys):
    train = folder / "Data" / "CLS-LOC" / "train"
    (train / SYNSETS[0] / "cut.JPEG").write_bytes(encoded(picture(1), "jpeg")[:200])
    (train / SYNSETS[2] / "small.JPEG").write_bytes(encoded(picture(2, 6, 6)))
    assert prepare(folder, tmp_path / "out.zip", "--size", 8) == 0
    printed = capsys.readouterr().out
    assert "8 images of 3 classes" in printed
    assert "left out 2 files" in printed
    listed = (tmp_path / "out.zip.left-out.txt").read_text()
    assert "cut.JPEG" in listed
    assert "small.JPEG is 6×6 pixels" in listed
    assert len(open_data(str(tmp_path / "out.zip"))) == 8


def test_labels_from_a_file(tmp_path):
    names = ["ILSVRC2012_val_00000001", "ILSVRC2012_val_00000002", "ILSVRC2012_val_00000003"]
    write_folder(tmp_path / "val", {f"{n}.JPEG": encoded(picture(i)) for i, n in enumerate(names)})
    rows = [f"{n},{SYNSETS[k]} 1 2 3 4" for n, k in zip(names, (2, 0, 2), strict=True)]
    (tmp_path / "solution.csv").write_text("ImageId,PredictionString\n" + "\n".join(rows) + "\n")
    assert prepare(tmp_path / "val", tmp_path / "out.zip", "--size", 8, "--labels", tmp_path / "solution.csv") == 0
    data = open_data(str(tmp_path / "out.zip"))
    assert data.class_names == [SYNSETS[0], SYNSETS[2]]
    assert data.labels.tolist() == [1, 0, 1]


def test_limit_and_force(folder, tmp_path, capsys):
    assert prepare(folder, tmp_path / "out.zip", "--size", 8, "--limit", 3) == 0
    assert len(open_data(str(tmp_path / "out.zip"))) == 3
    assert open_data(str(tmp_path / "out.zip")).labels.unique().tolist() == [0, 1]
    assert prepare(folder, tmp_path / "out.zip", "--size", 8) == 2
    assert "--force" in capsys.readouterr().err
    assert prepare(folder, tmp_path / "out.zip", "--size", 8, "--force") == 0
    assert len(open_data(str(tmp_path / "out.zip"))) == 8


def test_an_interruption_leaves_nothing(folder, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()

    def interrupted(self, index):
        raise KeyboardInterrupt

    monkeypatch.setattr("logan.data.prepare._Packer._png", interrupted)
    assert prepare(folder, tmp_path / "out" / "a.zip", "--size", 8) == 130
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nowhere", "o.zip"], "no such file or folder"),
        (["{folder}", "o.npz"], "must be a .zip"),
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


def test_too_little_room(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    assert prepare(folder, tmp_path / "o.zip", "--size", 8) == 2
    assert "GiB free" in capsys.readouterr().err


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
    plain = datasets.Dataset.from_dict({"text": ["a"]})
    plain.save_to_disk(str(tmp_path / "text"))
    assert prepare(f"hf:{tmp_path / 'text'}", tmp_path / "text.zip", "--size", 8) == 2
    assert "no column of images" in capsys.readouterr().err
