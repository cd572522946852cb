"""What ``logan data prepare`` leaves out, and says."""

import io
import zipfile

import numpy as np
import torch
from PIL import Image

from logan.data import open_data
from logan.data.images import Fit
from logan.files import WriteError
from tests.data.imagenet_like import SYNSETS, encoded, picture, prepare, write_folder


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
