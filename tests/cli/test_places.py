"""No picture is lost: names that say what differs, and nothing replaced unasked. And images that are too small."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from logan.cli.main import main
from logan.cli.sample import SampleArguments, default_name


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    outdir = tmp_path_factory.mktemp("runs")
    flags = "--network dcgan --width 8 --latent-dim 8 --batch 50 --kimg 1 --tick 1 --snap 1 --metrics none --conditional".split()
    assert main(["train", *flags, "--outdir", str(outdir)]) == 0
    return outdir / "00000-digits-ngd"


def error(capsys, *args):
    assert main([str(a) for a in args]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    return err


VARIANTS = [[], ["--seed", "1"], ["--trunc", "0.5"], ["--trunc", "0.51"], ["--n", "9"], ["--latent-steps", "2"],
            ["--labels", "3"], ["--labels", "1", "3"], ["--labels", *"0123456789" * 9]]  # fmt: skip


def test_what_differs_has_another_name(run, capsys):
    made = {}
    for flags in VARIANTS:
        assert (
            main(["sample", str(run), "--n", "4", *flags] if "--n" not in flags else ["sample", str(run), *flags]) == 0
        )
        path = Path(capsys.readouterr().out.strip())
        assert path.parent == run
        assert len(path.name) < 120
        made[path] = path.read_bytes()
    assert len(made) == len(VARIANTS)
    assert all(path.read_bytes() == content for path, content in made.items())


def test_the_plain_name_is_short():
    assert default_name(SampleArguments("r"), 600_000, None) == "samples000600-seed0.png"
    assert (
        default_name(SampleArguments("r", trunc=0.7, labels=("a",)), 5_000, [3])
        == "samples000005-seed0-trunc0.7-labels3.png"
    )


@pytest.mark.parametrize("name", ["a.png", "a.npz"])
def test_a_file_that_is_there_stays(run, tmp_path, capsys, name):
    out = tmp_path / name
    out.write_bytes(b"a holiday")
    line = error(capsys, "sample", run, "--n", 4, "--out", out)
    assert "is there already; pass --force" in line
    assert out.read_bytes() == b"a holiday"
    assert main(["sample", str(run), "--n", "4", "--out", str(out), "--force"]) == 0
    assert out.read_bytes() != b"a holiday"


def test_a_folder_that_is_not_ours_stays_even_with_force(run, tmp_path, capsys):
    out = tmp_path / "faces"
    assert main(["sample", str(run), "--n", "4", "--out", str(out)]) == 0
    capsys.readouterr()
    assert "not empty" in error(capsys, "sample", run, "--n", 2, "--out", out)
    assert len(list(out.iterdir())) == 4
    assert main(["sample", str(run), "--n", "2", "--out", str(out), "--force"]) == 0
    assert sorted(p.name for p in out.iterdir()) == ["000000.png", "000001.png"]
    (out / "holiday.png").write_bytes(b"x")
    capsys.readouterr()
    assert "holiday.png, which logan sample did not make" in error(capsys, "sample", run, "--out", out, "--force")
    assert (out / "holiday.png").read_bytes() == b"x"
    assert (out / "000000.png").exists()


def test_a_sheet_and_a_prepared_set_stay(tmp_path, capsys):
    photos(tmp_path / "photos", [16] * 4)
    for name, command in (("sheet.png", ["data", "info", tmp_path / "photos", "--image-size", 16, "--sheet"]),
                          ("set.npy", ["data", "prepare", tmp_path / "photos"])):  # fmt: skip
        out = tmp_path / name
        out.write_bytes(b"a holiday")
        more = ["--size", 16] if name == "set.npy" else []
        assert "pass --force" in error(capsys, *command, out, *more)
        assert out.read_bytes() == b"a holiday"
        assert main([str(a) for a in [*command, out, *more, "--force"]]) == 0
        assert out.read_bytes() != b"a holiday"
        capsys.readouterr()


def photos(folder, sides):
    folder.mkdir()
    source = np.random.default_rng(0)
    for i, side in enumerate(sides):
        pixels = source.integers(0, 256, (side, side + i % 2, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:03d}.png")
    return folder


FLAGS = "--network dcgan --width 8 --latent-dim 8 --batch 10 --kimg 1 --tick 1 --snap 1 --metrics none".split()


@pytest.mark.parametrize("small", [1, 3])
def test_small_images_among_the_photographs(tmp_path, capsys, small):
    folder = photos(tmp_path / "photos", [40] * 20 + [12] * small)
    command = ["train", "--data", folder, "--image-size", 32, *FLAGS, "--outdir", tmp_path / "runs", "--dry-run"]
    line = error(capsys, *command)
    assert "020.png is 12×12 pixels" in line
    assert "--skip-small leaves" in line
    assert "logan data prepare can enlarge" in line
    assert (f"{small} of {20 + small} images are too small" in line) == (small > 1)
    assert "--skip-small" in error(capsys, *command, "--skip-broken")
    assert main([str(a) for a in [*command, "--skip-small"]]) == 0
    assert "photos: 20, 3 x 32 x 32" in capsys.readouterr().out
    assert main(["data", "info", str(folder), "--image-size", "32", "--skip-small"]) == 0
    out = capsys.readouterr().out
    assert "20 images, 32x32" in out
    assert f"left out {small} image{'s' * (small > 1)} smaller than 32 pixels: 020.png" in out


def test_without_a_size_the_one_that_keeps_most_is_named(tmp_path, capsys):
    folder = photos(tmp_path / "photos", [40] * 20 + [12])
    line = error(capsys, "train", "--data", folder, *FLAGS, "--outdir", tmp_path / "runs")
    assert "pass --image-size, at most 12, or 40 with --skip-small, which leaves 1 of 21 out" in line


def test_all_too_small(tmp_path, capsys):
    folder = photos(tmp_path / "photos", [12] * 3)
    line = error(
        capsys, "train", "--data", folder, "--image-size", 32, "--skip-small", *FLAGS, "--outdir", tmp_path / "runs"
    )
    assert "3 of 3 images are too small" in line
    assert "pass a smaller --image-size (at most 12)" in line


def test_skipped_images_lose_their_labels_too(tmp_path):
    from logan.data import open_data

    for name, sides in (("cats", [40, 12, 40]), ("dogs", [12, 40])):
        (tmp_path / "pets").mkdir(exist_ok=True)
        photos(tmp_path / "pets" / name, sides)
    data = open_data(str(tmp_path / "pets"), image_size=32, skip_small=True)
    assert data.labels.tolist() == [0, 0, 1]
    assert data.notices == ["left out 2 images smaller than 32 pixels: cats/001.png, dogs/000.png"]


@pytest.mark.parametrize("flag", ["--skip-broken", "--skip-small"])
def test_evaluate_has_the_flags_that_it_advises(tmp_path, capsys, flag):
    real, fake = photos(tmp_path / "real", [16] * 12), photos(tmp_path / "fake", [16] * 12)
    if flag == "--skip-broken":
        (fake / "003.png").write_bytes(b"no picture")
    else:
        Image.new("RGB", (4, 4)).save(fake / "003.png")
    line = error(capsys, "evaluate", real, fake, "--image-size", 16)
    assert flag in line
    # It goes on, up to what a classifier needs.
    after = error(capsys, "evaluate", real, fake, "--image-size", 16, flag, "--metrics", "fid12")
    assert "003.png" in after
    assert "has (11)" in after


def test_of_a_run_those_flags_mean_nothing(run, capsys):
    for flag in ("--skip-broken", "--skip-small"):
        assert f"{flag} is for two folders of images" in error(capsys, "evaluate", run, flag)
