"""Moving pictures: they open, and have as many frames as they were given, each the picture that it should be."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from logan.errors import InputError
from logan.report.animation import SIDE, STRIP, check_form, durations, enlarged, in_palette, save, save_frames


def frames_of(path):
    with Image.open(path) as picture:
        return [(frame.convert("RGB"), frame.info["duration"]) for frame in ImageSequence.Iterator(picture)]


def smooth(n, channels, side=16):
    """n pictures that differ, without hard edges."""
    t = torch.linspace(0, 1, n)[:, None, None, None]
    x, y = torch.linspace(-1, 1, side)[None, None, None], torch.linspace(-1, 1, side)[None, None, :, None]
    phase = torch.arange(channels)[None, :, None, None]
    return torch.sin(3 * x + 2 * phase + 5 * t) * torch.cos(2 * y - phase)


def native(frame, side=16):
    return np.asarray(frame.resize((side, side), Image.Resampling.NEAREST), dtype=float)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("name", "error"), [("a.gif", 9.0), ("a.webp", 0.5), ("A.GIF", 9.0)])
def test_frames_are_the_pictures(tmp_path, channels, name, error):
    """WebP and grey GIFs to the bit; a GIF in colour as near as 256 colours for all frames are."""
    images = smooth(11, channels)
    save(tmp_path / name, images, fps=10)
    found = frames_of(tmp_path / name)
    assert len(found) == 11
    wanted = ((images + 1) * 127.5).round().expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy()
    got = np.stack([native(frame) for frame, _ in found])
    assert np.sqrt(((got - wanted) ** 2).mean()) < (0.5 if channels == 1 else error)
    assert all(frame.size == (SIDE, SIDE) for frame, _ in found)
    assert sum(lasts for _, lasts in found) == 1100
    with Image.open(tmp_path / name) as picture:
        assert picture.info["loop"] == 0  # without end
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_colours_do_not_flicker():
    """What stands still has one colour in all frames, and the palette is one."""
    images = smooth(6, 3)
    images[:, :, :, :8] = images[:1, :, :, :8]
    frames = in_palette(images)
    assert len({bytes(frame.getpalette()) for frame in frames}) == 1
    still = [np.asarray(frame.convert("RGB"))[:, : SIDE // 4] for frame in frames]
    assert np.mean([(a != still[0]).any(-1).mean() for a in still]) < 0.2


@pytest.mark.parametrize("name", ["a.gif", "a.webp"])
def test_a_frame_that_stays_lasts_longer(tmp_path, name):
    images = smooth(2, 1)[[0, 0, 0, 1]]
    save(tmp_path / name, images, fps=5)
    assert sum(lasts for _, lasts in frames_of(tmp_path / name)) == 800


def test_images_that_are_no_numbers_are_drawn(tmp_path):
    images = smooth(3, 3)
    images[1, 0, 0, 0] = torch.nan
    images[2] = 7
    save(tmp_path / "a.gif", images, fps=5)
    assert len(frames_of(tmp_path / "a.gif")) == 3


@pytest.mark.parametrize("fps", [1, 7, 24, 29.97, 50])
@pytest.mark.parametrize("unit", [1, 10])
def test_the_whole_lasts_as_long_as_it_should(fps, unit):
    for n in (1, 24, 100):
        lasting = durations(n, fps, unit)
        assert len(lasting) == n
        assert min(lasting) > 0
        assert abs(sum(lasting) - 1000 * n / fps) <= unit / 2
        assert max(lasting) - min(lasting) <= unit


@pytest.mark.parametrize("side", [1, 8, 17, 64, 191, 192, 500])
def test_small_pictures_are_enlarged_by_a_whole_factor(side):
    picture = Image.new("L", (side, side))
    large = enlarged(picture)
    assert large.width >= SIDE
    assert large.width % side == 0
    assert large.width < SIDE + side
    assert enlarged(picture, even=True).width % 2 == 0


def test_a_strip(tmp_path):
    save(tmp_path / "a.png", smooth(15, 3, 48), fps=24)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (STRIP * 50 + 2, 2 * 50 + 2)


def test_a_folder_of_frames(tmp_path):
    images = smooth(12, 3)
    save_frames(tmp_path / "new" / "film", images)
    written = sorted((tmp_path / "new" / "film").iterdir())
    assert [path.name for path in written] == [f"{i:06d}.png" for i in range(12)]
    with Image.open(written[7]) as picture:
        assert (np.asarray(picture) == ((images[7] + 1) * 127.5).round().permute(1, 2, 0).numpy()).all()
    save_frames(tmp_path / "new" / "film", images[:2], written)
    assert len(list((tmp_path / "new" / "film").iterdir())) == 2


def test_a_folder_has_all_frames_or_none(tmp_path, monkeypatch):
    calls = []

    def full(self, path):
        calls.append(path)
        if len(calls) == 3:
            raise OSError(28, "No space left on device", str(path))
        path.write_bytes(b"x")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(InputError, match="cannot be written"):
        save_frames(tmp_path / "film", smooth(5, 1))
    assert not (tmp_path / "film").exists()


class Ffmpeg(SimpleNamespace):
    """What stands in for imageio-ffmpeg: keeps what it is sent, and writes as many bytes."""

    def __init__(self, error=None):
        super().__init__(seen=[], error=error, how=None)

    def write_frames(self, path, size, **how):
        self.size, self.how = size, how
        try:
            while True:
                frame = yield
                if self.error:
                    raise self.error
                self.seen.append(frame)
        finally:
            with open(path, "wb") as file:
                file.write(b"video" * len(self.seen))


@pytest.mark.parametrize(("channels", "side"), [(1, 8), (3, 193), (3, 16)])
def test_video_is_given_every_frame(tmp_path, monkeypatch, channels, side):
    stand_in = Ffmpeg()
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", stand_in)
    save(tmp_path / "a.mp4", smooth(5, channels, side), fps=12)
    assert (tmp_path / "a.mp4").read_bytes() == b"video" * 5
    assert len(stand_in.seen) == 5
    assert all(len(frame) == 3 * stand_in.size[0] * stand_in.size[1] for frame in stand_in.seen)
    assert stand_in.size[0] % 2 == stand_in.size[1] % 2 == 0
    assert stand_in.how["fps"] == 12
    assert stand_in.how["macro_block_size"] <= 2  # else the pictures are resized
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_a_video_that_fails_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", Ffmpeg(OSError("unknown encoder")))
    with pytest.raises(InputError, match=r"ffmpeg could not write the video \(unknown encoder\)"):
        save(tmp_path / "a.mp4", smooth(3, 1), fps=12)
    assert list(tmp_path.iterdir()) == []


def test_a_real_video(tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="the extra 'video' is not installed here")
    save(tmp_path / "a.mp4", smooth(13, 3), fps=10)
    assert ffmpeg.count_frames_and_secs(str(tmp_path / "a.mp4"))[0] == 13


def test_what_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    for name, fps, said in (
        ("a.avi", 24, r"\.avi is not a form"),
        ("a.jpg", 24, r"\.jpg is not a form"),
        ("a.gif", 51, "`fps` must be >= 1 and <= 50 for .gif, not 51"),
        ("a.webp", 0, "`fps` must be >= 1"),
        ("a.webp", float("nan"), "`fps` must be >= 1"),
        ("a.mp4", 24, r'`out` NAME.mp4 needs imageio-ffmpeg: pip install "logan-gan\[video\]"'),
    ):
        with pytest.raises(InputError, match=said):
            check_form(tmp_path / name, fps)
    monkeypatch.setattr("PIL.features.check", lambda feature: False)
    with pytest.raises(InputError, match="without WebP"):
        check_form(tmp_path / "a.webp", 24)
    assert check_form(tmp_path / "A.GIF", 24) == ".gif"
    assert check_form(tmp_path / "film", 24) == ""
