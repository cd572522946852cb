"""``logan interpolate``: frames that are G of the path, in every form."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

import logan
from logan.cli.main import main
from logan.report.pictures import to_uint8
from logan.sampling.interpolation import end_of_seed, path_through
from logan.sampling.latent_files import write

from ..sampling.untrained import run_folder
from .test_project import error


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_folder(tmp_path_factory.mktemp("runs") / "run", "ngd")


@pytest.fixture(scope="module")
def conditional(tmp_path_factory):
    return run_folder(tmp_path_factory.mktemp("runs") / "run", conditional=True, prior="normal")


@pytest.fixture(scope="module")
def on_sphere(tmp_path_factory):
    return run_folder(tmp_path_factory.mktemp("runs") / "run", "cs")


def film(folder):
    return np.stack([np.asarray(Image.open(path)) for path in sorted(folder.iterdir())])


def interpolate(run, *flags):
    assert main(["interpolate", str(run), *map(str, flags)]) == 0


@pytest.mark.parametrize("trunc", [1.0, 0.5])
def test_the_ends_are_the_samples_of_their_seeds(run, tmp_path, trunc):
    interpolate(run, "--seeds", 1, 2, 3, "--frames", 4, "--trunc", trunc, "--out", tmp_path / "film")
    frames = film(tmp_path / "film")
    assert len(frames) == 9
    for i, seed in enumerate((1, 2, 3)):
        out = tmp_path / f"{seed}.npz"
        assert (
            main(["sample", str(run), "--n", "1", "--seed", str(seed), "--trunc", str(trunc), "--out", str(out)]) == 0
        )
        assert np.array_equal(frames[4 * i], np.load(out)["arr_0"][0, :, :, 0])
    assert len({frame.tobytes() for frame in frames}) == 9


def test_frames_are_g_of_the_path(on_sphere, tmp_path):
    interpolate(on_sphere, "--seeds", 7, 8, "--frames", 5, "--loop", "--out", tmp_path / "film", "--batch", 3)
    model = logan.load(on_sphere)
    z, _ = path_through(model.info.config, [end_of_seed(model, 7), end_of_seed(model, 8)], 5, loop=True)
    with torch.no_grad():
        wanted = to_uint8(model.generator(z))[..., 0].numpy()
    assert (np.abs(film(tmp_path / "film").astype(int) - wanted) <= 1).all()


def test_a_loop_comes_back(run, tmp_path):
    interpolate(run, "--seeds", 1, 2, "--frames", 6, "--loop", "--out", tmp_path / "film")
    frames = film(tmp_path / "film")
    assert len(frames) == 12
    assert np.array_equal(frames[1:6], frames[:6:-1])  # back the way it came


@pytest.mark.parametrize("name", ["a.gif", "a.webp"])
def test_it_moves(run, tmp_path, capsys, name):
    interpolate(run, "--seeds", 1, 2, "--frames", 5, "--fps", 10, "--out", tmp_path / name)
    assert capsys.readouterr().out.strip() == str(tmp_path / name)
    with Image.open(tmp_path / name) as picture:
        assert picture.n_frames == 6
        frames = [(frame.load(), frame.info["duration"]) for frame in ImageSequence.Iterator(picture)]
        assert sum(lasts for _, lasts in frames) == 600


def test_by_default_a_gif_in_the_run_folder_that_stays(run, capsys):
    interpolate(run, "--seeds", 1, 2, "--frames", 2)
    assert (run / "interpolated-1-2.gif").exists()
    assert "is there already; pass --force" in error(capsys, "interpolate", run, "--seeds", 1, 2, "--frames", 2)
    interpolate(run, "--seeds", 1, 2, "--frames", 2, "--loop")
    assert (run / "interpolated-1-2-loop.gif").exists()
    interpolate(run, "--seeds", 1, 2, "--frames", 2, "--trunc", 0.5, "--path", "spherical")
    assert (run / "interpolated-1-2-trunc0.5-spherical.gif").exists()
    many = [str(k) for k in range(1000, 1040)]
    interpolate(run, "--seeds", *many, "--frames", 1)
    assert (run / "interpolated-40-ends.gif").exists()


def test_a_strip_and_a_folder(run, tmp_path, capsys):
    interpolate(run, "--seeds", 1, 2, "--frames", 3, "--out", tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (4 * 50 + 2, 52)
    interpolate(run, "--seeds", 1, 2, "--frames", 3, "--out", tmp_path / "film")
    line = error(capsys, "interpolate", run, "--seeds", 1, 2, "--out", tmp_path / "film")
    assert "is not empty" in line
    interpolate(run, "--seeds", 1, 2, "--frames", 2, "--out", tmp_path / "film", "--force")
    assert len(film(tmp_path / "film")) == 3
    (tmp_path / "film" / "holiday.jpg").write_bytes(b"x")
    line = error(capsys, "interpolate", run, "--seeds", 1, 2, "--out", tmp_path / "film", "--force")
    assert "holds holiday.jpg, which logan interpolate did not make" in line


def test_between_files(run, tmp_path, capsys):
    model = logan.load(run)
    ends = [end_of_seed(model, seed) for seed in (4, 5)]
    write(tmp_path / "a.npz", ends[0].z, None, snapshot_sha256="cd" * 32)
    np.savez(tmp_path / "b.npz", z=ends[1].z.double().numpy()[None])
    files = [tmp_path / "a.npz", tmp_path / "b.npz"]
    interpolate(run, "--between", *files, "--frames", 3, "--out", tmp_path / "one")
    assert "a.npz: its z was found for another snapshot (sha256 cdcdcdcdcdcd)" in capsys.readouterr().err
    interpolate(run, "--seeds", 4, 5, "--frames", 3, "--out", tmp_path / "two")
    assert np.array_equal(film(tmp_path / "one"), film(tmp_path / "two"))
    interpolate(run, "--between", *files, "--frames", 2)
    assert (run / "interpolated-a-b.gif").exists()


def test_classes(conditional, tmp_path, capsys):
    model = logan.load(conditional)
    ends = [end_of_seed(model, seed, label=label) for seed, label in ((1, 4), (2, 7))]
    for end, name in zip(ends, "ab", strict=True):
        write(tmp_path / f"{name}.npz", end.z, end.label)
    np.savez(tmp_path / "c.npz", z=ends[0].z.numpy())
    np.savez(tmp_path / "d.npz", z=ends[0].z.numpy(), label=10)
    a, b, c, d = (tmp_path / f"{name}.npz" for name in "abcd")
    interpolate(conditional, "--between", a, b, "--frames", 4, "--out", tmp_path / "own")
    assert (
        "the ends are of classes 4, 7: between two, the class changes in the middle; --label" in capsys.readouterr().err
    )
    z, labels = path_through(model.info.config, ends, 4)
    with torch.no_grad():
        wanted = to_uint8(model.generator(z, labels))[..., 0].numpy()
    assert (np.abs(film(tmp_path / "own").astype(int) - wanted) <= 1).all()
    interpolate(conditional, "--between", a, b, "--frames", 4, "--label", 4, "--out", tmp_path / "four")
    assert "classes" not in capsys.readouterr().err
    with torch.no_grad():
        wanted = to_uint8(model.generator(z, torch.full((5,), 4)))[..., 0].numpy()
    assert (np.abs(film(tmp_path / "four").astype(int) - wanted) <= 1).all()
    assert "names no class, and this generator needs one; pass --label" in error(
        capsys, "interpolate", conditional, "--between", a, c, "--out", tmp_path / "x"
    )
    assert "is of class 10" in error(capsys, "interpolate", conditional, "--between", a, d, "--out", tmp_path / "x")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "a path needs two ends or more"),
        (["--seeds", "1"], "a path needs two ends or more"),
        (["--seeds", "1", "-2"], "--seeds must be >= 0"),
        (["--seeds", "1", "2", "--between", "a.npz", "b.npz"], "one or the other"),
        (["--between", "a.npz", "nothing.npz"], "a.npz does not exist"),
        (["--between", "bad.npz", "bad.npz"], "bad.npz is damaged, or no .npz"),
        (["--between", "a.npz", "b.npz", "--trunc", "0.5"], "--trunc is of the latents of --seeds"),
        (["--seeds", "1", "2", "--trunc", "2"], "--trunc must be in"),
        (["--seeds", "1", "2", "--frames", "0"], "--frames must be >= 1"),
        (["--seeds", "1", "2", "--frames", "9999"], "19,998 frames are more than the 10,000"),
        (["--seeds", "1", "2", "--path", "curved"], "--path is one of"),
        (["--seeds", "1", "2", "--fps", "99"], "--fps must be >= 1 and <= 50 for .gif"),
        (["--seeds", "1", "2", "--out", "a.avi"], "--out a.avi: .avi is not a form"),
        (["--seeds", "1", "2", "--out", "bad"], "bad is a file; name a folder"),
        (["--seeds", "1", "2", "--out", "a.mp4"], 'imageio-ffmpeg: pip install "logan-gan[video]"'),
        (["--seeds", "1", "2", "--label", "3"], "--label needs a class-conditional generator"),
        (["--seeds", "1", "2", "--batch", "0"], "--batch must be >= 1"),
    ],
)
def test_what_cannot_be_done(run, tmp_path, capsys, monkeypatch, flags, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    (tmp_path / "bad.npz").write_bytes(b"no latent")
    (tmp_path / "bad").write_bytes(b"a holiday")
    before = set(tmp_path.iterdir())
    out = [] if "--out" in flags else ["--out", tmp_path / "new.gif"]
    assert said in error(capsys, "interpolate", run, *flags, *out)
    assert set(tmp_path.iterdir()) == before


def test_the_sphere_has_no_truncation(on_sphere, capsys):
    assert "--trunc has no meaning" in error(capsys, "interpolate", on_sphere, "--seeds", 1, 2, "--trunc", 0.5)
