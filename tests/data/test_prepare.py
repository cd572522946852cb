"""``logan data prepare``: ImageNet as it comes, and what training then reads."""

import io
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from logan import unfinished
from logan.cli.main import main
from logan.data import InMemory, Streamed, batches, open_data
from logan.data.images import Fit
from logan.data.parallel import AHEAD, CHUNK, in_order
from logan.errors import InputError
from logan.files import WriteError

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


@pytest.mark.parametrize("limit", [2**30, 0])
def test_training_reads_an_array_in_memory_or_mapped(folder, tmp_path, limit):
    for i, end in enumerate(("zip", "npy", "npy")):
        assert prepare(folder, tmp_path / f"{i}.{end}", "--size", 8, "--workers", 1 + i) == 0
    assert (tmp_path / "1.npy").read_bytes() == (tmp_path / "2.npy").read_bytes()
    theirs = np.load(tmp_path / "1.npy", mmap_mode="r")  # any program of NumPy's reads the images
    for options in ({}, {"image_size": 6, "channels": 1, "pad": 1}, {"pad": 2}):
        a = open_data(str(tmp_path / "0.zip"), memory_limit=limit, **options)
        b = open_data(str(tmp_path / "1.npy"), memory_limit=limit, **options)
        assert isinstance(b, InMemory if limit else Streamed)
        assert (len(b), b.image_size, b.channels, b.class_names) == (len(a), a.image_size, a.channels, list(SYNSETS))
        everything = torch.arange(len(a))
        assert all(torch.equal(x, y) for x, y in zip(a.batch(everything), b.batch(everything), strict=True))
    assert theirs.shape == (8, 3, 8, 8)
    again = pickle.loads(pickle.dumps(b))  # as worker processes get it
    assert torch.equal(again.batch(everything)[0], b.batch(everything)[0])
    if not limit:
        assert pickle.loads(pickle.dumps(b)).read._images is None  # not the whole array, which may be 60 GB


def test_worker_processes_map_an_array(folder, tmp_path):
    assert prepare(folder, tmp_path / "o.npy", "--size", 8) == 0
    data = open_data(str(tmp_path / "o.npy"), memory_limit=0)
    one, two = (next(batches(data, batch=8, seed=0, workers=n)) for n in (0, 1))
    assert torch.equal(one[0], two[0])
    assert one[1].sort()[0].tolist() == [0, 0, 0, 1, 1, 1, 2, 2]


def test_an_array_without_classes_and_with_fewer_images_than_planned(tmp_path):
    files = {f"{i:02d}.png": encoded(picture(i, 20 if i % 4 else 5)) for i in range(12)}
    write_folder(tmp_path / "flat", files)
    assert prepare(tmp_path / "flat", tmp_path / "o.npy", "--size", 8, "--channels", 1) == 0
    data = open_data(str(tmp_path / "o.npy"))
    assert (len(data), data.labels, data.num_classes) == (9, None, 0)
    assert torch.equal(data.images[8], Fit(8, 1)(picture(11), "11"))


def test_arrays_that_are_none(folder, tmp_path):
    assert prepare(folder, tmp_path / "o.npy", "--size", 8) == 0
    whole = (tmp_path / "o.npy").read_bytes()
    for name, data in {"cut": whole[:900], "behind": whole[:-200], "text": b"hello", "empty": b""}.items():
        (tmp_path / f"{name}.npy").write_bytes(data)
        with pytest.raises(InputError, match="cannot be read as a .npy file"):
            open_data(str(tmp_path / f"{name}.npy"))
    np.save(tmp_path / "last.npy", np.zeros((2, 8, 8, 3), np.uint8))
    with pytest.raises(InputError, match=r"shape \(N, 1 or 3, S, S\)"):
        open_data(str(tmp_path / "last.npy"))
    for options, message in (({"split": "test"}, "holds one split"), ({"image_size": 64}, "smaller than")):
        for limit in (2**30, 0):
            with pytest.raises(InputError, match=message):
                open_data(str(tmp_path / "o.npy"), memory_limit=limit, **options)


def test_threads_wait_for_a_slow_disk():
    done = []
    results = in_order(lambda i: done.append(i) or i, 100 * CHUNK, "", None, threads=2)
    assert next(results) == 0
    time.sleep(0.2)  # if they did not wait, the threads would be through with everything
    assert len(done) <= (2 * AHEAD + 1) * CHUNK
    assert list(results) == list(range(1, 100 * CHUNK))


def test_damaged_exif_data_do_not_make_an_image_broken(tmp_path, capsys, recwarn):
    data = io.BytesIO()
    exif = (
        b"Exif\0\0MM\0*\0\0\0\x08\0\x02\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\x87\x69\0\x04\0\0\0\x01\xff\xff\0\0\0\0\0\0"
    )
    picture(0).save(data, format="jpeg", exif=exif)  # turned by 90°, and an offset beyond the end
    write_folder(tmp_path / "flat", {"a.JPEG": data.getvalue()})
    assert prepare(tmp_path / "flat", tmp_path / "o.zip", "--size", 8) == 0
    turned = Image.open(data).transpose(Image.Transpose.ROTATE_270)
    assert torch.equal(open_data(str(tmp_path / "o.zip")).images[0], Fit(8, 3)(turned, "a"))
    assert not [w for w in recwarn if "EXIF" in str(w.message)]


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
    assert "small.JPEG is 6×6 pixels, smaller than --size 8" in listed
    assert len(open_data(str(tmp_path / "out.zip"))) == 8
    (train / SYNSETS[0] / "cut.JPEG").unlink()
    assert prepare(folder, tmp_path / "out.zip", "--size", 8, "--force", "--enlarge") == 0
    assert not (tmp_path / "out.zip.left-out.txt").exists()  # it would be of the file that was replaced
    data = open_data(str(tmp_path / "out.zip"))
    enlarged = picture(2, 6, 6).resize((8, 8), Image.Resampling.LANCZOS)
    assert (data.images[8].permute(1, 2, 0).numpy() == np.asarray(enlarged)).all()


def test_the_list_of_those_may_find_no_room(folder, tmp_path, capsys, monkeypatch):
    """The set is whole all the same, and a list of the one before it would be wrong."""

    def full(path, text):
        raise WriteError(f"{path} cannot be written: the disk is full")

    (folder / "Data" / "CLS-LOC" / "train" / SYNSETS[0] / "cut.JPEG").write_bytes(b"cut")
    assert prepare(folder, tmp_path / "out.zip", "--size", 8) == 0
    listed = tmp_path / "out.zip.left-out.txt"
    assert listed.exists()
    monkeypatch.setattr("logan.cli.data.write_text", full)
    capsys.readouterr()
    assert prepare(folder, tmp_path / "out.zip", "--size", 8, "--force") == 0
    printed = capsys.readouterr().out
    assert f"left out 1 file (the first of them here alone: {listed} cannot be written: the disk is full)" in printed
    assert "cut.JPEG" in printed
    assert not listed.exists()


def test_what_training_finds_damaged_is_not_prepared(tmp_path, capsys):
    """Flipped bits in PNGs: none gives other pixels, in prepare as little as in training."""
    image = picture(3, 24, 24)
    data, random = encoded(image), np.random.default_rng(0)
    files = {"whole.png": data}
    for i, at in enumerate(random.integers(8, len(data), 120)):
        files[f"{i:03d}.png"] = data[:at] + bytes([data[at] ^ 1 << i % 8]) + data[at + 1 :]
    write_folder(tmp_path / "flat", files)
    for i, end in enumerate(("zip", "npy")):
        assert prepare(tmp_path / "flat", tmp_path / f"o.{end}", "--size", 24) == 0
        made = open_data(str(tmp_path / f"o.{end}"))
        assert torch.equal(made.images, open_data(str(tmp_path / "flat"), skip_broken=True).images)
        assert torch.equal(made.images, Fit(24, 3)(image, "x")[None])
        assert "left out 120 files" in capsys.readouterr().out
        listed = (tmp_path / f"o.{end}.left-out.txt").read_text().splitlines()
        assert len(listed) == 120
        assert all("broken image" in line for line in listed), i


def test_prepare_says_what_it_left_out_of_a_folder(folder, tmp_path, capsys):
    (folder / "Data" / "CLS-LOC" / "train" / "n9").mkdir()
    (folder / "Data" / "CLS-LOC" / "train" / "n9" / "a.heic").write_bytes(b"x")
    assert prepare(folder, tmp_path / "o.npy", "--size", 8) == 0
    assert "no class of 1 folder without an image, such as n9" in capsys.readouterr().out


def test_bombs_are_left_out_and_the_rest_is_prepared(tmp_path, capsys):
    with zipfile.ZipFile(tmp_path / "p.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("a.png", encoded(picture(0)))
        archive.writestr("b.png", encoded(picture(1)))
        archive.writestr("c.png", bytes(20 * 2**20))
    data = bytearray((tmp_path / "p.zip").read_bytes())
    at = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    data[at + 24 : at + 28] = (2**30).to_bytes(4, "little")  # what b.png is said to be
    (tmp_path / "p.zip").write_bytes(data)
    assert prepare(tmp_path / "p.zip", tmp_path / "o.zip", "--size", 8) == 0
    listed = (tmp_path / "o.zip.left-out.txt").read_text()
    assert "b.png: 1 GiB, and of such a file 256 MiB are read" in listed
    assert "c.png: broken image (it inflates" in listed
    assert len(open_data(str(tmp_path / "o.zip"))) == 1


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


def test_an_interruption_leaves_nothing(folder, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()

    def interrupted(self, name, pack):
        raise KeyboardInterrupt

    monkeypatch.setattr("logan.data.prepare._Packer._encoded", interrupted)
    for name in ("a.zip", "a.npy"):
        assert prepare(folder, tmp_path / "out" / name, "--size", 8) == 130
        assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_control_c_in_the_middle_leaves_what_was_there(tmp_path):
    """As a person does it: the real program, with threads at work."""
    image = encoded(picture(0, 300, 200), "jpeg")
    write_folder(tmp_path / "flat", {f"{i:04d}.JPEG": image for i in range(2000)})
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.npy").write_bytes(b"earlier")
    command = [sys.executable, "-m", "logan.cli.main", "data", "prepare", str(tmp_path / "flat")]
    command += [str(tmp_path / "out" / "a.npy"), "--size", "128", "--workers", "2", "--force"]
    # a shell's background jobs, and what they start, ignore SIGINT
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heard) as program:
        for _ in range(6000):
            if list((tmp_path / "out").glob("*.partial")):
                break
            time.sleep(0.01)
        program.send_signal(signal.SIGINT)
        _, error = program.communicate(timeout=60)
    assert (program.returncode, error) == (130, "logan: interrupted\n")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["a.npy"]
    assert (tmp_path / "out" / "a.npy").read_bytes() == b"earlier"


@pytest.mark.skipif(os.name != "posix", reason="only there can a process be asked for")
def test_what_a_killed_run_left_is_removed(folder, tmp_path):
    with subprocess.Popen(["true"]) as gone:
        pass
    here = unfinished.here()
    left, alive, other = (
        tmp_path / f"{name}.0123.partial"
        for name in (f"o.zip.{here}.{gone.pid}", f"o.zip.{here}.{os.getppid()}", f"p.zip.{here}.{gone.pid}")
    )
    for path in (left, alive, other):
        path.write_bytes(b"x")
    assert prepare(folder, tmp_path / "o.zip", "--size", 8) == 0
    assert [p.exists() for p in (left, alive, other)] == [False, True, True]


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


def test_too_little_room(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    assert prepare(folder, tmp_path / "o.zip", "--size", 8) == 2
    assert " free, and " in capsys.readouterr().err


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


def test_a_batch_job_s_log_says_how_far_it_is(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("logan.training.watch.SECONDS_BETWEEN_LINES", 0.0)
    assert prepare(folder, tmp_path / "o.zip", "--size", 8) == 0
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 8
    assert said[3].startswith("preparing images: 4 of 8, ")
    assert "img/s" in said[3]
    assert re.search(r"left \d+[smhd]", said[3])


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
