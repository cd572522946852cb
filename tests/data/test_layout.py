"""What of a collection could be taken for something else: the right value, or a line that says what was done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from PIL import Image

from logan.data import open_data
from logan.data.sources import Folder
from logan.errors import InputError


def write(path: Path, level: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in (".heic", ".jxl", ".psd", ".txt"):
        path.write_bytes(b"something else")
    else:
        Image.new("L", (8, 8), level).save(path)


@pytest.fixture
def pets(tmp_path):
    for k, name in enumerate(("ant", "bee", "cat")):
        for i in range(3):
            write(tmp_path / "pets" / name / f"{i}.png", 10 * k + i)
    return tmp_path / "pets"


def said(path: Path, **options) -> str:
    return "\n".join(open_data(str(path), **options).notices)


def levels(path: Path) -> list[int]:
    return open_data(str(path)).images[:, 0, 0, 0].tolist()


def test_nothing_is_said_where_nothing_is_odd(pets):
    (pets / "README.md").write_text("x")
    (pets / "ant" / "notes.txt").write_text("x")
    assert said(pets) == ""
    assert open_data(str(pets)).class_names == ["ant", "bee", "cat"]


@pytest.mark.parametrize("suffix", [".tga", ".bmp", ".jpe", ".jfif", ".pgm", ".webp", ".TIFF"])
def test_a_class_of_another_format_is_a_class(pets, suffix):
    kind = {".jpe": "JPEG", ".jfif": "JPEG", ".pgm": "PPM", ".TIFF": "TIFF"}.get(suffix, suffix[1:].upper())
    (pets / "dog").mkdir()
    Image.new("L", (8, 8), 99).save(pets / "dog" / f"a{suffix}", kind)
    data = open_data(str(pets))
    assert data.class_names == ["ant", "bee", "cat", "dog"]
    assert data.images[-1, 0, 0, 0] in (98, 99, 100)


@pytest.mark.parametrize("suffix", [".heic", ".jxl", ".psd", ".HEIC"])
def test_a_class_of_a_format_that_is_not_read_is_said_to_be_missing(pets, suffix):
    (pets / "dog").mkdir()
    for i in range(2):
        (pets / "dog" / f"{i}{suffix}").write_bytes(b"x")
    text = said(pets)
    assert "no class of 1 folder without an image, such as dog" in text
    assert f"left out 2 files of formats that are not read, such as dog/0{suffix}; convert them, to PNG say" in text


def test_single_files_of_such_a_format_are_said_to_be_left_out(pets):
    write(pets / "ant" / "9.heic")
    assert said(pets).endswith("such as ant/9.heic; convert them, to PNG say")
    assert open_data(str(pets)).class_names == ["ant", "bee", "cat"]


def test_a_folder_of_nothing_else_says_what_it_has(tmp_path):
    write(tmp_path / "a.heic")
    with pytest.raises(InputError, match=r"no images there .*, but .heic, which must be converted, to PNG say"):
        open_data(str(tmp_path))


def test_two_links_to_one_folder_are_two_classes_and_that_is_said(pets):
    (pets / "wasp").symlink_to(pets / "bee", target_is_directory=True)
    data = open_data(str(pets))
    assert data.class_names == ["ant", "bee", "cat", "wasp"]
    assert data.labels.bincount().tolist() == [3, 3, 3, 3]
    assert data.notices == ["bee and wasp are one folder, so its images come twice"]


def test_two_links_to_a_folder_elsewhere_keep_both_names(pets, tmp_path):
    (tmp_path / "all").mkdir()
    for name in ("x", "y"):
        (tmp_path / "all" / name).symlink_to(pets / "bee", target_is_directory=True)
    data = open_data(str(tmp_path / "all"))
    assert (data.class_names, len(data)) == (["x", "y"], 6)
    assert data.notices == ["x and y are one folder, so its images come twice"]


def test_links_upon_links_end(tmp_path):
    """Two to the power of forty ways lead to the image."""
    write(tmp_path / "40" / "a.png")
    for i in range(40):
        (tmp_path / str(i)).mkdir()
        for name in "ab":
            (tmp_path / str(i) / name).symlink_to(tmp_path / str(i + 1), target_is_directory=True)
    with pytest.raises(InputError, match="more than 1,000 links lead to folders that are there already"):
        open_data(str(tmp_path / "0"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_not_waited_for(pets, tmp_path):
    os.mkfifo(pets / "ant" / "pipe.png")
    os.mkfifo(pets / "dataset.json")
    command = [sys.executable, "-m", "logan.cli.main", "data", "info"]
    done = subprocess.run([*command, str(pets)], capture_output=True, text=True, timeout=60, check=True)
    assert "9 images" in done.stdout
    assert "left out, since it is not a file: ant/pipe.png" in done.stdout
    os.mkfifo(tmp_path / "set.zip")
    for name in ("set.zip", "pets/dataset.json", "pets/ant/pipe.png"):
        with pytest.raises(InputError, match="not a set of images"):
            open_data(str(tmp_path / name))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user who may not read everything")
def test_a_folder_that_may_not_be_read_is_said_to_be_left_out(pets):
    (pets / "cat").chmod(0)
    try:
        assert "left out, since it cannot be read (Permission denied): cat" in said(pets)
    finally:
        (pets / "cat").chmod(0o700)


def test_a_folder_that_cannot_be_read_is_said_to_be_left_out(pets, monkeypatch):
    entries = Folder._entries

    def refused(self, inside):
        if inside == "cat/":
            raise PermissionError(13, "Permission denied")
        return entries(self, inside)

    monkeypatch.setattr(Folder, "_entries", refused)
    assert said(pets) == "left out, since it cannot be read (Permission denied): cat"


def test_a_link_to_nothing_is_a_broken_image(pets):
    (pets / "ant" / "gone.png").symlink_to(pets / "nowhere.png")
    with pytest.raises(InputError, match=r"ant/gone.png: cannot be read \(No such file"):
        open_data(str(pets))
    assert open_data(str(pets), skip_broken=True).broken == ["ant/gone.png"]


@pytest.mark.parametrize("prefix", ["../", "../../", "/", "./", "..\\", "a/../../", "//"])
def test_members_whose_names_lead_elsewhere_keep_their_classes(pets, tmp_path, prefix):
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        for path in sorted(pets.rglob("*.png")):
            archive.writestr(prefix + path.relative_to(pets).as_posix(), path.read_bytes())
    data = open_data(str(tmp_path / "p.zip"))
    assert data.class_names == ["ant", "bee", "cat"]
    assert data.images[:, 0, 0, 0].tolist() == levels(pets)
    assert ("would lie outside" in "".join(data.notices)) == (".." in prefix)
    assert not list(tmp_path.parent.glob("ant"))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            [["a.png", 0], ["b.png", 1], ["a.png", 1]],
            "gives a.png both the label 0 and the label 1; keep the right one",
        ),
        ([["a.png", 0], ["b.png"]], "not a pair of a file's name and a number"),
        ([["a.png", 0], [["b.png"], 1]], "not a pair"),
        ([["a.png", True], ["b.png", 1]], "must be an integer"),
        ([["a.png", 10**9], ["b.png", 1]], "must be an integer"),
        ({"a.png": 1}, "labels is a dict, not a list"),
    ],
)
def test_labels_that_say_two_things_or_none(tmp_path, labels, message):
    write(tmp_path / "a.png")
    write(tmp_path / "b.png")
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
    with pytest.raises(InputError, match=message):
        open_data(str(tmp_path))


def test_labels_that_say_one_thing_twice_are_taken(tmp_path):
    write(tmp_path / "a.png")
    (tmp_path / "dataset.json").write_text('{"labels": [["a.png", 1], ["a.png", 1]]}')
    assert open_data(str(tmp_path)).labels.tolist() == [1]


NESTED = "[" * 100_000
HEADERS = [
    '{"labels": null, "prepared": {"image_size": -8, "channels": 3}}',
    '{"labels": null, "prepared": {"image_size": 1000000000, "channels": 3}}',
    '{"labels": null, "prepared": {"image_size": 0, "channels": 3}}',
    '{"labels": null, "prepared": {"image_size": Infinity, "channels": 3}}',
    '{"labels": null, "prepared": {"image_size": NaN, "channels": 3}}',
    '{"labels": null, "prepared": {"image_size": 1e999, "channels": 3}}',
    '{"labels": null, "prepared": {"image_size": "8", "channels": 3}}',
    '{"labels": null, "prepared": {"image_size": 8.5, "channels": 3}}',
    '{"labels": null, "prepared": {"image_size": true, "channels": 3}}',
    '{"labels": null, "prepared": {"image_size": 8}}',
    '{"labels": null, "prepared": {"image_size": 8, "channels": 4}}',
    '{"labels": null, "prepared": {"image_size": 8, "channels": 2}}',
    '{"labels": null, "prepared": [8, 3]}',
    '{"labels": null, "prepared": ' + NESTED + "]" * 100_000 + "}",
    '{"labels": [["a.png", ' + "9" * 5000 + "]]}",
    '{"labels": [["a.png", 0]], "classes": [' + NESTED + "]" * 100_001 + "}",
    '{"labels": [["a.png", 0]], "classes": [1]}',
    '{"labels": [["a.png", 0]], "classes": [["x"]]}',
    NESTED,
    '{"a":' * 100_000,
    NESTED + "]" * 100_000,
    "\ufeff{}",
    "",
    "null",
    "\udcff",
]


@pytest.mark.parametrize("text", HEADERS, ids=[str(i) for i in range(len(HEADERS))])
def test_descriptions_that_are_none(tmp_path, text):
    write(tmp_path / "a.png")
    (tmp_path / "dataset.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=r"dataset\.json") as caught:
        open_data(str(tmp_path))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("limit", [0, 2**30])
def test_a_prepared_set_whose_images_have_another_size_is_refused(tmp_path, limit):
    write(tmp_path / "a.png")
    (tmp_path / "dataset.json").write_text('{"labels": null, "prepared": {"image_size": 4, "channels": 1}}')
    with pytest.raises(InputError, match=r"a.png: 8×8 pixels where dataset.json says 4×4; prepare the set again"):
        open_data(str(tmp_path), memory_limit=limit).batch(torch.tensor([0]))


@pytest.mark.parametrize(
    "folders",
    [
        ("train_images", "val_images"),
        ("train2017", "val2017"),
        ("seg_train", "seg_test", "seg_pred"),
        ("training_set", "test_set"),
        ("test", "val"),
        ("cat/train", "cat/test", "dog/train", "dog/test"),
        ("Cat/Training", "Cat/Valid", "Dog/Training"),
    ],
)
def test_folders_that_look_like_splits_are_spoken_of(tmp_path, folders):
    for k, folder in enumerate(folders):
        write(tmp_path / "set" / folder / "a.png", k)
    assert "look like the splits of a set, and all of them are trained on" in said(tmp_path / "set")


@pytest.mark.parametrize(
    "folders",
    [("trainer", "tester"), ("bus", "train", "testament"), ("train_station", "house"), ("cat/one", "dog/test")],
)
def test_words_that_only_hold_others_are_no_splits(tmp_path, folders):
    for k, folder in enumerate(folders):
        write(tmp_path / "set" / folder / "a.png", k)
    assert "look like the splits" not in said(tmp_path / "set")
