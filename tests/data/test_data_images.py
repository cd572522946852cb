"""Every kind of image file gives the pixels that a person would expect."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from logan.data import bounds, images
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


def of_chunks(*parts: tuple[bytes, bytes]) -> bytes:
    """A PNG of these chunks and its end."""
    packed = (
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in (*parts, (b"IEND", b""))
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def png(pixels: np.ndarray, kind: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of 16 bits, (H, W) or (H, W, channels), with further chunks before its pixels."""
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    return of_chunks((b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)))


def transparent(*levels: int) -> tuple[bytes, bytes]:
    return b"tRNS", struct.pack(f">{len(levels)}H", *levels)


def test_sixteen_bit_grey_with_a_transparent_level():
    """1025 and 1026 have one high byte, and become one level in 8 bits: all 16 tell which is transparent."""
    levels = np.array([[1025, 1026, 65535, 0]])
    assert pixels(png(levels, 0, transparent(1025))).tolist() == [[255, 4, 255, 0]]
    assert pixels(png(levels, 0)).tolist() == [[4, 4, 255, 0]]


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_few_bits_of_grey_with_a_transparent_level(bits):
    """Every level in turn, beside all others: it is white, and they are what they are."""
    levels = np.arange(2**bits)
    rows = np.unpackbits(levels[:, None].astype(np.uint8), axis=1)[:, 8 - bits :].reshape(-1)
    for level in {0, 1, 2**bits // 2, 2**bits - 1}:
        header = struct.pack(">IIBBBBB", len(levels), 1, bits, 0, 0, 0, 0)
        line = b"\0" + np.packbits(rows).tobytes()
        data = of_chunks((b"IHDR", header), transparent(level), (b"IDAT", zlib.compress(line)))
        expected = np.where(levels == level, 255, levels * 255 // (2**bits - 1))
        assert pixels(data)[0].tolist() == expected.tolist()


def test_jpeg_2000_has_a_bound_of_its_own(monkeypatch):
    monkeypatch.setattr(images, "MOST_JPEG2000_PIXELS", 15)
    data = saved(Image.new("RGB", (4, 4)), "JPEG2000")
    with pytest.raises(BrokenImage, match=r"x: 4×4 pixels, and an image may have 15"):
        read_header(data, "x")
    monkeypatch.setattr(images, "MOST_JPEG2000_PIXELS", 16)
    assert pixels(data).shape == (3, 4, 4) or pixels(data).shape == (4, 4, 3)


def test_a_tiff_with_signs_is_refused():
    """Of 16 bits: -1 would be taken for white."""
    grey = Image.fromarray(np.array([[1, 2, 60_000]], np.uint16))
    with pytest.raises(BrokenImage, match=r"x: holds numbers of 16 bits or with a sign; save it with 8 or 16 bits"):
        decode(saved(grey, "TIFF", tiffinfo={339: 2}), "x")


def test_a_machine_that_is_full_is_no_broken_image(monkeypatch):
    def full(*_):
        raise MemoryError

    monkeypatch.setattr(images, "open_image", full)
    with pytest.raises(MemoryError):
        decode(saved(Image.new("L", (2, 2))), "x")


def test_sixteen_bit_colour_with_a_transparent_colour():
    colours = np.array([[[1025, 2000, 65535], [1026, 2000, 65535], [1025, 2001, 65535], [1025, 2000, 65534]]])
    white, other = [255, 255, 255], [4, 7, 255]
    assert pixels(png(colours, 2, transparent(1025, 2000, 65535))).tolist() == [[white, other, other, other]]
    assert pixels(png(colours, 2)).tolist() == [[other] * 4]
    assert pixels(png(colours, 2, transparent(4, 7, 255))).tolist() == [[other] * 4]  # not what Pillow makes of it


def test_sixteen_bits_with_a_transparent_colour_are_turned_with_it():
    exif = Image.Exif()
    exif[274] = 6
    levels = np.array([[1025, 1026]])
    data = png(levels, 0, transparent(1025), (b"eXIf", exif.tobytes()[6:]))
    assert pixels(data).tolist() == [[255], [4]]


@pytest.mark.parametrize("kind", [4, 6])
def test_sixteen_bits_with_alpha_keep_their_kind(kind):
    channels = {4: [30000, 32768], 6: [30000, 30000, 30000, 32768]}[kind]
    data = png(np.array([[channels, [*channels[:-1], 65535]]]), kind)
    assert read_header(data, "x").grey == (kind == 4)
    image = decode(data, "x")
    assert image.mode == ("L" if kind == 4 else "RGB")
    got = np.asarray(image).reshape(2, -1)[:, 0].tolist()
    assert got == [pytest.approx(117 + 138 * 0.5, abs=2), 117]


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate"])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_tiff_whose_white_is_zero(bits, compression):
    levels = np.array([[0, 257, 65535]], np.uint16) if bits == 16 else np.array([[0, 1, 255]], np.uint8)
    data = saved(Image.fromarray(levels), "TIFF", tiffinfo={262: 0}, compression=compression)
    with Image.open(io.BytesIO(data)) as image:
        if image.tag_v2[262] != 0:
            pytest.skip("this Pillow does not write such a TIFF")
    # Pillow turns 8 bits round when it writes and when it reads them, and 16 bits not at all
    assert pixels(data).tolist() == ([[255, 254, 0]] if bits == 16 else [[0, 1, 255]])


def test_a_tiff_of_twelve_bits():
    """By hand, since Pillow reads but does not write them."""
    values = bytes([0x00, 0x07, 0xFF, 0xFF, 0xF0, 0x10])  # 0, 2047, 4095, 16 in twelve bits each
    entries = [(256, 4), (257, 1), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1), (279, len(values))]
    table = b"".join(struct.pack("<HHII", tag, 3, 1, value) for tag, value in entries)
    data = b"II*\0" + struct.pack("<I", 14) + values + struct.pack("<H", len(entries)) + table + bytes(4)
    assert pixels(data).tolist() == [[0, 127, 255, 1]]


@pytest.mark.parametrize("size", [100, 3_000_000, 80_000_000])
@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt", b"iCCP"])
def test_a_png_with_a_long_text_is_whole(kind, size):
    text = b"a" * size
    packed = zlib.compress(text, 1)
    body = {
        b"tEXt": b"\0" + text[:5_000_000],
        b"zTXt": b"\0\0" + packed,
        b"iTXt": b"\0\1\0\0\0" + packed,
        b"iCCP": b"\0\0" + packed,
    }
    names = [b"Comment", b"XML:com.adobe.xmp"] if kind != b"iCCP" else [b"icc"]
    for name in names:
        data = png(np.array([[257, 514]]), 0, (kind, name + body[kind]))
        assert pixels(data).tolist() == [[1, 2]]
        assert read_header(data, "x") == (2, 1, True)


@pytest.mark.parametrize("packed", [False, True])
def test_a_png_that_says_in_a_text_which_side_is_up(packed):
    text = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    body = b"\0\1\0\0\0" + zlib.compress(text) if packed else b"\0\0\0\0\0" + text
    assert pixels(png(np.array([[257, 514]]), 0, (b"iTXt", b"XML:com.adobe.xmp" + body))).tolist() == [[1], [2]]


def test_every_flipped_bit_of_a_png_is_found():
    """All but the few that change a chunk which is no part of the picture into another such."""
    noise = np.random.default_rng(0).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    whole = saved(Image.fromarray(noise))
    for at in range(len(whole)):
        for bit in range(8):
            data = bytearray(whole)
            data[at] ^= 1 << bit
            with pytest.raises(BrokenImage):
                decode(bytes(data), "x")


def test_an_animation_in_a_png_is_its_first_picture():
    frames = [Image.new("L", (2, 2), level) for level in (10, 128, 255)]
    assert (pixels(saved(frames[0], save_all=True, append_images=frames[1:])) == 10).all()


# What is larger than the bounds.


def zeros(width: int, height: int, bits: int = 8, kind: int = 0) -> bytes:
    """A PNG of so many pixels in a few bytes; no more of them than a mebibyte is there."""
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    return of_chunks((b"IHDR", header), (b"IDAT", zlib.compress(bytes(2**20))))


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\0\0\0" + b",\0\0\0\0\1\0\1\0\0" + b"\2\2L\1\0;"


def webp(width: int, height: int) -> bytes:
    body = b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + bytes(40)
    body = b"WEBPVP8L" + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


BOMBS = {
    "grey": zeros(16384, 16384),
    "16 bit": zeros(13000, 13000, 16),
    "RGBA": zeros(60000, 60000, 8, 6),
    "one row": zeros(2**31 - 1, 1),
    "GIF": gif(65535, 65535),
    "BMP": b"BM" + struct.pack("<IIIIiiHH", 54, 0, 54, 40, 40000, 40000, 1, 24) + bytes(24),
    "PPM": b"P6 30000 30000 255\n" + bytes(99),
    "WEBP": webp(16384, 16384),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_too_many_pixels_are_refused_by_the_header(kind, monkeypatch):
    def loaded(*_):
        raise AssertionError("decoded")

    monkeypatch.setattr(images.Image.Image, "load", loaded)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", loaded)
    for work in (decode, read_header):
        with pytest.raises(BrokenImage, match=r"^x: .*67,108,864( pixels that an image may have)?; make it smaller"):
            work(BOMBS[kind], "x")


@pytest.mark.parametrize("data", [b"P3 3000 3000 255\n1 1 1", b"P2 3000 3000 99\n1", b"P5 3000 3000 1000\n12"])
def test_what_is_slow_to_decode_has_a_bound_of_its_own(data):
    with pytest.raises(BrokenImage, match=r"x: 3000×3000 pixels, and an image may have 4,194,304; save it as PNG"):
        decode(data, "x")


def with_scans(more: int) -> bytes:
    data = saved(Image.new("L", (64, 64), 99), "JPEG", progressive=True)
    return data[:-2] + data[data.rindex(b"\xff\xda") : -2] * more + data[-2:]


def test_a_jpeg_that_goes_over_its_picture_again_and_again():
    assert (pixels(with_scans(20)) == pixels(with_scans(0))).all()
    for more in (64, 100_000):
        for work in (decode, read_header):
            with pytest.raises(BrokenImage, match="x: a JPEG of more than 64 scans; save it anew"):
                work(with_scans(more), "x")


def test_what_only_looks_like_scans_is_none():
    """In a text, as in the film that a telephone puts behind its photograph."""
    data = with_scans(0)
    text = b"\xff\xda" * 1000
    assert (pixels(data[:2] + b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text + data[2:]) == pixels(data)).all()
    assert (pixels(data + text) == pixels(data)).all()


def test_more_bytes_than_an_image_can_have(monkeypatch):
    monkeypatch.setattr(images, "MOST_BYTES", 50)
    with pytest.raises(BrokenImage, match=r"^x: .* bytes, and an image file may have 50 bytes; make it smaller"):
        read_header(saved(Image.fromarray(RGB)), "x")


def test_the_largest_image_is_decoded(monkeypatch):
    monkeypatch.setattr(images, "MOST_PIXELS", 40)
    monkeypatch.setattr(bounds, "LARGE", 1)
    image = Image.new("L", (40, 1), 7)
    monkeypatch.setattr(images.check_pixels, "__defaults__", (40, "; make it smaller"))
    assert (pixels(saved(image)) == 7).all()
    with pytest.raises(BrokenImage, match="41×1 pixels"):
        decode(saved(image.resize((41, 1))), "x")


def test_sixteen_bits_in_mode_i():
    levels = np.array([[0, 257, 65535]], np.int32)
    assert pixels(saved(Image.fromarray(levels), "PPM")).tolist() == [[0, 1, 255]]


def test_values_without_a_known_range_are_refused():
    for values in ([[0, 70000]], [[-1, 5]], [[0, 100, 255]], [[0.5]]):
        values = np.array(values, np.float32 if values == [[0.5]] else np.int32)
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
        with pytest.raises(BrokenImage, match=r"x: broken image \(not an image of PNG, JPEG, .*\)"):
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
