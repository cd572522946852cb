"""Every kind of image file gives the pixels that a person would expect."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from logan.data.dataset import BrokenImage
from logan.data.images import Fit, decode, read_header
from logan.errors import InputError


def saved(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def pixels(data: bytes) -> np.ndarray:
    image = decode(data, "x")
    assert image.mode in ("L", "RGB")
    return np.asarray(image)


RGB = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [10, 20, 30]]], np.uint8)
GREY = np.array([[0, 100], [200, 255]], np.uint8)


@pytest.mark.parametrize(
    ("kind", "options"), [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("PPM", {}), ("WEBP", {"lossless": True})]
)
def test_lossless_formats_keep_colour(kind, options):
    assert (pixels(saved(Image.fromarray(RGB), kind, **options)) == RGB).all()


def test_grey_stays_grey():
    assert (pixels(saved(Image.fromarray(GREY))) == GREY).all()


def test_one_bit_becomes_black_and_white():
    image = Image.fromarray(GREY > 150)
    assert image.mode == "1"
    assert (pixels(saved(image)) == [[0, 0], [255, 255]]).all()


def test_palette():
    image = Image.new("P", (2, 1))
    image.putpalette([1, 2, 3, 40, 50, 60])
    image.putdata([1, 0])
    assert (pixels(saved(image)) == [[[40, 50, 60], [1, 2, 3]]]).all()


def test_transparent_palette_entry_becomes_white():
    image = Image.new("P", (2, 1))
    image.putpalette([1, 2, 3, 40, 50, 60])
    image.putdata([1, 0])
    for kind in ("PNG", "GIF"):
        assert (pixels(saved(image, kind, transparency=0)) == [[[40, 50, 60], [255, 255, 255]]]).all()


def test_half_transparent_palette_entry_is_mixed_with_white():
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 40, 50, 60])
    image.putdata([1, 0])
    assert (pixels(saved(image, transparency=bytes([51, 255]))) == [[[40, 50, 60], [204, 204, 204]]]).all()


def test_rgba_is_composited_over_white():
    rgba = np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [0, 0, 0, 51]]], np.uint8)
    expected = [[[255, 0, 0], [255, 255, 255], [204, 204, 204]]]
    assert (pixels(saved(Image.fromarray(rgba))) == expected).all()


def test_grey_with_alpha_is_composited_over_white():
    image = Image.merge("LA", (Image.fromarray(GREY), Image.fromarray(np.array([[255, 0], [255, 0]], np.uint8))))
    assert (pixels(saved(image)) == [[0, 255], [200, 255]]).all()


@pytest.mark.parametrize("mode", ["1", "L"])
def test_a_grey_level_declared_transparent_becomes_white(mode):
    image = Image.new(mode, (2, 1), 0)
    image.putpixel((1, 0), 255)
    assert (pixels(saved(image, transparency=0)) == [[255, 255]]).all()


def test_cmyk():
    ink = np.array([[[0, 0, 0, 0], [0, 255, 255, 0], [0, 0, 0, 255]]], np.uint8)
    got = pixels(saved(Image.fromarray(ink, "CMYK"), "TIFF"))
    assert (got == [[[255, 255, 255], [255, 0, 0], [0, 0, 0]]]).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_are_scaled_not_clipped(kind):
    levels = np.array([[0, 128, 129, 257, 32768, 65535]], np.uint16)
    # older versions of Pillow read such a PPM, but do not write it
    data = b"P5 6 1 65535\n" + levels.astype(">u2").tobytes() if kind == "PPM" else saved(Image.fromarray(levels), kind)
    assert pixels(data).tolist() == [np.rint(levels[0] / 257).astype(int).tolist()] == [[0, 0, 1, 1, 128, 255]]


def test_sixteen_bits_in_mode_i():
    levels = np.array([[0, 257, 65535]], np.int32)
    assert pixels(saved(Image.fromarray(levels), "TIFF")).tolist() == [[0, 1, 255]]


def test_values_without_a_known_range_are_refused():
    for values in (np.array([[0, 70000]], np.int32), np.array([[-1, 5]], np.int32), np.array([[0.5]], np.float32)):
        with pytest.raises(BrokenImage, match=r"x: holds .* save it with 8 or 16 bits"):
            decode(saved(Image.fromarray(values), "TIFF"), "x")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation):
    upright = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40
    turned = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[274] = orientation
    assert (pixels(saved(Image.fromarray(np.ascontiguousarray(turned)), exif=exif)) == upright).all()


def test_first_frame_of_an_animation():
    frames = [Image.new("L", (2, 2), level) for level in (0, 128, 255)]
    assert (pixels(saved(frames[0], "GIF", save_all=True, append_images=frames[1:])) == 0).all()


def test_header_tells_size_and_kind():
    assert read_header(saved(Image.new("L", (3, 2))), "x") == (3, 2, True)
    assert read_header(saved(Image.new("RGBA", (3, 2))), "x") == (3, 2, False)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP"])
def test_truncated_files_are_broken_images(kind):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    data = saved(Image.fromarray(noise), kind)
    with pytest.raises(BrokenImage, match=r"^x: broken image") as caught:
        decode(data[: len(data) // 2], "x")
    assert "\n" not in str(caught.value)


def test_text_is_a_broken_image():
    for work in (decode, read_header):
        with pytest.raises(BrokenImage, match=r"x: broken image \(not an image that Pillow can read\)"):
            work(b"hello", "x")


def test_crop_takes_the_centre():
    wide = np.arange(12, dtype=np.uint8).reshape(2, 6)
    assert Fit(2, 1)(Image.fromarray(wide), "x").tolist() == [[[2, 3], [8, 9]]]
    assert Fit(2, 1)(Image.fromarray(np.ascontiguousarray(wide.T)), "x").tolist() == [[[2, 8], [3, 9]]]


def test_reduction_does_not_alias():
    # a chessboard of single pixels must turn grey; point sampling would give all black or all white
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    small = Fit(16, 1)(Image.fromarray(board), "x")[0, 2:-2, 2:-2].float()
    assert (small - 127.5).abs().max() < 3


def test_native_size_is_untouched():
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    assert (Fit(16, 3)(Image.fromarray(noise), "x").permute(1, 2, 0).numpy() == noise).all()


def test_channels():
    assert Fit(2, 3)(Image.fromarray(GREY), "x").tolist() == [GREY.tolist()] * 3
    luminance = Fit(2, 1)(Image.fromarray(RGB), "x")[0]
    assert luminance.tolist() == [[76, 150], [29, 18]]  # 0.299 R + 0.587 G + 0.114 B, rounded


def test_pad_is_black_and_counts():
    got = Fit(6, 1, pad=2)(Image.new("L", (2, 2), 255), "x")[0]
    assert got.shape == (6, 6)
    assert (got[2:4, 2:4] == 255).all()
    assert got.sum() == 4 * 255


def test_too_small_is_said_with_the_remedy():
    with pytest.raises(InputError, match=r"cat.png is 5×3 pixels, smaller than .*\(4\).*at most 3\)"):
        Fit(4, 1)(Image.new("L", (5, 3)), "cat.png")
