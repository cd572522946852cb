"""Folders and zip files of images."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from logan.data import InMemory, Mixture, Streamed, open_data
from logan.data.sources import Zip
from logan.errors import InputError


def picture(level: int, size: tuple[int, int] = (8, 8), mode: str = "RGB") -> Image.Image:
    return Image.new(mode, size, level if mode == "L" else (level, level // 2, 0))


def write(path: Path, level: int, **kind) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(level, **kind).save(path)


def opened(path: Path, **options) -> InMemory | Streamed:
    data = open_data(str(path), **options)
    assert not isinstance(data, Mixture)
    return data


def levels(data: InMemory | Streamed) -> list[int]:
    return data.batch(torch.arange(len(data)))[0][:, 0, 0, 0].tolist()


def truncate(path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    path.write_bytes(file.getvalue()[:-40])


def zipped(folder: Path, target: Path, inside: str = "") -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for path in folder.rglob("*"):  # in the file system's order
            archive.write(path, inside + path.relative_to(folder).as_posix())
    return target


@pytest.fixture
def classes(tmp_path) -> Path:
    """Two classes, a deeper folder, and files that must be ignored."""
    root = tmp_path / "pets"
    write(root / "dog" / "b.png", 30)
    write(root / "dog" / "deep" / "a.PNG", 40)
    write(root / "cat" / "10.png", 10)
    write(root / "cat" / "2.png", 20)
    write(root / "__MACOSX" / "cat" / "x.png", 99)
    write(root / ".hidden" / "x.png", 99)
    (root / "cat" / "._10.png").write_bytes(b"junk")
    (root / "cat" / "notes.txt").write_text("junk")
    (root / "README.md").write_text("junk")
    return root


def test_class_folders(classes):
    data = opened(classes)
    assert isinstance(data, InMemory)
    assert (data.name, data.image_size, data.channels, len(data)) == ("pets", 8, 3, 4)
    assert data.class_names == ["cat", "dog"]
    assert data.num_classes == 2
    assert levels(data) == [10, 20, 30, 40]
    assert data.batch(torch.tensor([3, 0]))[1].tolist() == [1, 0]
    assert data.images[0, :, 3, 3].tolist() == [10, 5, 0]


@pytest.mark.parametrize("inside", ["", "pets/"])
def test_zip_equals_folder(classes, tmp_path, inside):
    folder, packed = opened(classes), opened(zipped(classes, tmp_path / "p.zip", inside))
    assert torch.equal(folder.images, packed.images)
    assert torch.equal(folder.labels, packed.labels)
    assert folder.class_names == packed.class_names


def test_the_current_folder_has_a_name(classes, monkeypatch):
    monkeypatch.chdir(classes)
    assert open_data(".").name == "pets"


def test_a_stray_image_beside_the_classes_is_left_out(classes):
    before = opened(classes)
    write(classes / "loose.png", 50)
    data = opened(classes)
    assert (len(data), data.class_names) == (4, ["cat", "dog"])
    assert torch.equal(data.images, before.images)
    assert any("left out 1 image beside the folders, such as loose.png" in line for line in data.notices)


def test_images_beside_the_folders_mean_no_classes(classes):
    for i in range(2):
        write(classes / f"loose{i}.png", 50)
    data = opened(classes)
    assert (len(data), data.num_classes, data.labels) == (6, 0, None)
    assert data.batch(torch.tensor([0]))[1] is None
    assert any("no classes, since 2 images are in no folder, such as loose0.png" in line for line in data.notices)


def test_a_single_folder_is_no_class(tmp_path):
    write(tmp_path / "all" / "a.png", 1)
    assert opened(tmp_path).num_classes == 0


@pytest.mark.parametrize("splits", [["train", "test"], ["train", "val"], ["train", "val", "test"]])
def test_train_is_taken(tmp_path, splits):
    for k, split in enumerate(splits):
        for c in "xy":
            write(tmp_path / split / c / "a.png", 10 + k)
    data = opened(tmp_path)
    assert (levels(data), data.class_names) == ([10, 10], ["x", "y"])
    assert "taking 'train'" in data.notices[0]


def test_classes_are_sorted(tmp_path):
    for k, c in enumerate("gcafbed"):
        write(tmp_path / c / "a.png", k)
    data = opened(tmp_path)
    assert data.class_names == list("abcdefg")
    assert data.labels.tolist() == list(range(7))
    assert levels(data) == [2, 4, 1, 6, 5, 3, 0]


def test_train_beside_another_class_is_a_class(tmp_path):
    for c in ("train", "plane"):
        write(tmp_path / c / "a.png", 1)
    assert opened(tmp_path).class_names == ["plane", "train"]


def test_stylegan_labels(tmp_path):
    for k in range(3):
        write(tmp_path / f"0000{k}" / f"img{k}.png", k)
    table = [[f"0000{k}/img{k}.png", label] for k, label in enumerate([2, 0, 2])]
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": table}))
    data = opened(tmp_path)
    assert data.labels.tolist() == [2, 0, 2]
    assert data.num_classes == 3
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": None}))
    assert opened(tmp_path).num_classes == 0  # though there are three folders


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"labels": [["a.png", 0]]}', "has no label for b.png"),
        ('{"labels": [["a.png", 0.5], ["b.png", 1]]}', "must be an integer"),
        ('{"labels": [["a.png", -1], ["b.png", 1]]}', "must be an integer"),
        ('{"labels": ', "not of StyleGAN's format"),
        ('{"labels": [3]}', "not of StyleGAN's format"),
        ("[]", "not of StyleGAN's format"),
    ],
)
def test_bad_stylegan_labels(tmp_path, content, message):
    write(tmp_path / "a.png", 1)
    write(tmp_path / "b.png", 2)
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(InputError, match=message):
        opened(tmp_path)


@pytest.mark.parametrize("memory_limit", [2**30, 0])
def test_broken_image_is_named_or_skipped(classes, memory_limit):
    truncate(classes / "cat" / "2.png")
    with pytest.raises(InputError, match=r"^cat/2.png: broken image .*`skip_broken`") as caught:
        opened(classes, memory_limit=memory_limit)
    assert "\n" not in str(caught.value)
    data = opened(classes, memory_limit=memory_limit, skip_broken=True)
    assert data.broken == ["cat/2.png"]
    assert levels(data) == [10, 30, 40]
    assert data.labels.tolist() == [0, 1, 1]


def test_a_jpeg_whose_header_is_good_is_found_when_decoding(tmp_path):
    for k in range(3):
        noise = np.random.default_rng(k).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{k}.jpg")
    whole = (tmp_path / "1.jpg").read_bytes()
    (tmp_path / "1.jpg").write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(InputError, match=r"1.jpg: broken image .*truncated"):
        opened(tmp_path)
    held = opened(tmp_path, skip_broken=True)
    assert held.broken == ["1.jpg"]
    (tmp_path / "1.jpg").rename(tmp_path / "1.txt")
    assert torch.equal(held.images, opened(tmp_path).images)
    (tmp_path / "1.txt").rename(tmp_path / "1.jpg")
    # too large for memory: found when its turn comes, and the next one stands in
    streamed = opened(tmp_path, memory_limit=0)
    with pytest.raises(InputError, match=r"^1.jpg: broken image"):
        streamed.batch(torch.tensor([1]))
    streamed = opened(tmp_path, memory_limit=0, skip_broken=True)
    assert torch.equal(streamed.batch(torch.tensor([1]))[0], streamed.batch(torch.tensor([2]))[0])


def test_several_broken_images_are_counted(classes):
    truncate(classes / "cat" / "2.png")
    truncate(classes / "dog" / "b.png")
    with pytest.raises(InputError, match=r"2 of 4 images are broken, the first is cat/2.png"):
        opened(classes)


def test_only_broken_images(tmp_path):
    truncate(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"every image is broken; the first is a.png"):
        opened(tmp_path, skip_broken=True)


def test_empty_and_missing(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match="no images there"):
        opened(tmp_path)
    with pytest.raises(InputError, match="no such file or folder"):
        opened(tmp_path / "nowhere")
    with pytest.raises(InputError, match="not a set of images; give a folder, a .zip"):
        opened(tmp_path / "notes.txt")
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04junk")
    with pytest.raises(InputError, match="damaged zip"):
        opened(tmp_path / "bad.zip")


def test_too_small(tmp_path):
    write(tmp_path / "a.png", 1, size=(20, 20))
    write(tmp_path / "b.png", 1, size=(20, 15))
    with pytest.raises(InputError, match=r"b.png is 20×15 pixels.*`image_size` \(at most 15\)"):
        opened(tmp_path, image_size=16)
    assert opened(tmp_path, image_size=19, pad=2).image_size == 19


def test_sizes_that_differ_need_a_size(tmp_path):
    write(tmp_path / "a.png", 1, size=(20, 20))
    write(tmp_path / "b.png", 2, size=(20, 15))
    with pytest.raises(InputError, match=r"b.png is 20×15\): pass `image_size`, at most 15"):
        opened(tmp_path)
    with pytest.raises(InputError, match="at most 17"):
        opened(tmp_path, pad=1)
    data = opened(tmp_path, image_size=15)
    assert (levels(data), data.image_size) == ([1, 2], 15)


def test_pad_without_a_size_adds_to_the_images(tmp_path):
    write(tmp_path / "a.png", 7)
    data = opened(tmp_path, pad=2)
    assert data.image_size == 12
    assert data.images[0, 0, 2:-2, 2:-2].eq(7).all()
    assert data.images[0, 0].sum() == 64 * 7


def test_channels_follow_the_images(tmp_path):
    write(tmp_path / "a.png", 10, mode="L")
    assert opened(tmp_path).channels == 1
    assert opened(tmp_path, channels=3).images[0, :, 0, 0].tolist() == [10, 10, 10]
    write(tmp_path / "b.png", 20)
    assert opened(tmp_path).channels == 3
    assert opened(tmp_path, channels=1).images[1, 0, 0, 0] == 12  # 0.299 · 20 + 0.587 · 10


@pytest.mark.parametrize("packed", [False, True])
def test_streamed_equals_in_memory(classes, tmp_path, packed):
    path = zipped(classes, tmp_path / "p.zip") if packed else classes
    held, streamed = opened(path), opened(path, memory_limit=4 * 3 * 64 - 1)
    assert isinstance(opened(path, memory_limit=4 * 3 * 64), InMemory)
    assert isinstance(streamed, Streamed)
    streamed = pickle.loads(pickle.dumps(streamed))
    indices = torch.tensor([3, 1, 1])
    for a, b in zip(held.batch(indices), streamed.batch(indices), strict=True):
        assert torch.equal(a, b)
    image, label = streamed[2]
    assert torch.equal(image, held.images[2])
    assert label == 1


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_unsafe_and_duplicate_members_are_harmless(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name, level in [("../../evil.png", 1), ("a.png", 2), ("a.png", 3), ("b\\c.png", 4)]:
            file = io.BytesIO()
            picture(level).save(file, "PNG")
            archive.writestr(name, file.getvalue())
    data = opened(tmp_path / "x.zip")
    assert levels(data) == [3, 4, 1]  # a.png, b/c.png, evil.png
    assert "1 file would lie outside, such as ../../evil.png: taken as evil.png" in data.notices
    assert "1 file there more than once, such as a.png: of each the last is taken" in data.notices
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.zip"]


def test_a_damaged_member_is_a_broken_image(classes, tmp_path):
    path = zipped(classes, tmp_path / "p.zip")
    data = bytearray(path.read_bytes())
    at = data.index(b"IDAT", data.index(b"cat/2.png")) + 8
    data[at] ^= 255
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"cat/2.png: cannot be read from p.zip .*`skip_broken`"):
        opened(path)
    assert opened(path, skip_broken=True).broken == ["cat/2.png"]


def test_a_zip_opens_anew_in_another_process(classes, tmp_path):
    source = Zip(zipped(classes, tmp_path / "p.zip"))
    source.read("dog/b.png")
    first = source._handle
    source._process = -5  # as after a fork
    assert source.read("dog/b.png") == (classes / "dog" / "b.png").read_bytes()
    assert source._handle is not first
    assert pickle.loads(pickle.dumps(source))._handle is None


def test_links_that_lead_up_do_not_loop(classes):
    (classes / "cat" / "up").symlink_to(classes, target_is_directory=True)
    assert len(opened(classes)) == 4


def test_progress_sees_every_image(classes):
    seen = []

    def progress(iterable, description, total):
        for item in iterable:
            seen.append((description, total))
            yield item

    opened(classes, progress=progress)
    assert seen == [("checking images", 4)] * 4 + [("decoding images", 4)] * 4


@pytest.mark.skipif(
    not (Path(__file__).parents[2].parent / "shared" / "data" / "emoji128.zip").exists(),
    reason="emoji128.zip is not here",
)
def test_emoji():
    data = opened(Path(__file__).parents[2].parent / "shared" / "data" / "emoji128.zip")
    assert (len(data), data.image_size, data.channels, data.num_classes) == (3916, 128, 3, 11)
    counts = data.labels.bincount()
    assert (counts.min(), counts.max()) == (66, 896)
    assert data.images[:, :, 0, 0].float().mean() > 200  # transparent corners are white
