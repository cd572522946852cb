"""Which formats are read, by which names, and that no other is: whatever a file is called."""

from __future__ import annotations

import ast
import io
import os
import stat
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import EpsImagePlugin, Image, features

from logan.data import formats, open_data
from logan.data.dataset import BrokenImage
from logan.data.formats import SUFFIXES, SUFFIXES_OF, looks_like_an_image
from logan.data.images import decode, read_header
from logan.errors import InputError

SMOOTH = np.stack(np.broadcast_arrays(*np.ogrid[0:120:15, 0:240:30], np.uint8(99)), axis=2).astype(np.uint8)
NEEDS = {"AVIF": "avif", "JPEG2000": "jpg_2000", "WEBP": "webp"}
CAN_READ = [kind for kind in SUFFIXES_OF if kind not in NEEDS or NEEDS[kind] in features.get_supported()]
OTHERS = ["EPS", "PCX", "SGI", "ICO", "DDS", "SPIDER", "QOI", "PDF", "ICNS"]


def saved(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", CAN_READ)
def test_every_format_by_every_of_its_suffixes(tmp_path, kind):
    data = saved(Image.fromarray(SMOOTH), kind)
    for i, suffix in enumerate(SUFFIXES_OF[kind]):
        (tmp_path / f"{i}{suffix}").write_bytes(data)
        (tmp_path / f"{i} upper{suffix.upper()}").write_bytes(data)
    images = open_data(str(tmp_path)).images
    assert len(images) == 2 * len(SUFFIXES_OF[kind])
    off = (images - torch.from_numpy(SMOOTH).permute(2, 0, 1).float()).abs()
    assert off.mean() < (12 if kind in ("JPEG", "WEBP", "AVIF", "GIF") else 1)
    assert all(looks_like_an_image(data[:16], f"x{suffix}") for suffix in SUFFIXES_OF[kind])


@pytest.mark.parametrize("kind", [k for k in CAN_READ if k != "TGA"])
def test_the_name_does_not_matter(kind):
    """ImageNet has a PNG that is called JPEG."""
    data = saved(Image.fromarray(SMOOTH), kind)
    assert decode(data, "x.jpg").size == decode(data, "00000001").size == (8, 8)


def test_a_tga_must_be_called_one():
    """Nothing in it tells what it is, so anything could be taken for one."""
    data = saved(Image.fromarray(SMOOTH), "TGA")
    assert (np.asarray(decode(data, "x.TGA")) == SMOOTH).all()
    with pytest.raises(BrokenImage, match="not an image of PNG, JPEG"):
        decode(data, "x.png")


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.tga", "x"])
def test_other_formats_are_refused_whatever_they_are_called(kind, name):
    Image.init()
    if kind not in Image.SAVE:
        pytest.skip(f"this Pillow does not write {kind}")
    data = saved(Image.fromarray(SMOOTH).resize((16, 16)).convert("F" if kind == "SPIDER" else "RGB"), kind)
    for work in (decode, read_header):
        with pytest.raises(BrokenImage, match=r"^x.*: broken image") as caught:
            work(data, name)
        assert "\n" not in str(caught.value)
    assert not looks_like_an_image(data[:16], "x.png")


@pytest.mark.skipif(os.name != "posix", reason="makes a program of a script")
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.tga"])
def test_an_eps_that_is_called_an_image_starts_no_program(tmp_path, monkeypatch, name):
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "gs"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(script.parent), prepend=os.pathsep)
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)  # look again whether it is there
    data = saved(Image.fromarray(SMOOTH), "EPS")
    with pytest.raises(OSError), Image.open(io.BytesIO(data)) as image:  # noqa: PT011 (that it fails is not the point)
        image.load()
    assert (tmp_path / "started").exists()  # so it would be
    (tmp_path / "started").unlink()
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / name).write_bytes(data)
    with pytest.raises(InputError, match=rf"{name}: broken image \(not an image of PNG, JPEG"):
        open_data(str(tmp_path / "set"))
    assert not (tmp_path / "started").exists()


def test_a_format_that_this_pillow_has_not_is_named(monkeypatch):
    data = saved(Image.fromarray(SMOOTH), "TIFF")
    monkeypatch.setattr(formats, "_readable", lambda: ("PNG", "JPEG"))
    with pytest.raises(
        BrokenImage, match=r"x.tif: broken image \(this version of Pillow does not read TIFF; pip install -U"
    ):
        decode(data, "x.tif")
    with pytest.raises(BrokenImage, match=r"x.png: broken image \(not an image of PNG, JPEG\)"):
        decode(data, "x.png")


def test_nothing_in_the_library_lets_pillow_choose():
    root = Path(__file__).parents[2] / "src"
    calls = [
        (path, node)
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("Image.open", "PIL.Image.open", "Image.init", "imread")
    ]
    assert calls
    for path, call in calls:
        assert [k.arg for k in call.keywords] == ["formats"], f"{path}:{call.lineno}"


def test_suffixes_are_those_that_are_looked_for():
    wanted = ".jfif .jpe .avif .jp2 .tga .png .jpg .jpeg .bmp .webp .tif .tiff .gif .ppm"
    assert set(wanted.split()) <= set(SUFFIXES)
