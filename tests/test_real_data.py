"""The presets for real data sets, for 2 kimg each, where the data are on the machine."""

import tarfile
from pathlib import Path

import pytest
from PIL import Image

from logan.cli.main import main

SHARED = Path(__file__).parents[2] / "shared" / "data"
FASHION = Path("/usr/share/datasets/fashion-mnist")


@pytest.mark.skipif(not FASHION.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
@pytest.mark.parametrize("latent", ["ngd", *(pytest.param(m, marks=pytest.mark.slow) for m in ("gd", "none"))])
def test_fashion(tmp_path, latent):
    assert (
        main(
            [
                "train",
                "--preset",
                "fashion",
                "--latent",
                latent,
                "--kimg",
                "2",
                "--metrics",
                "none",
                "--outdir",
                str(tmp_path),
            ]
        )
        == 0
    )
    assert Image.open(tmp_path / f"00000-fashion-{latent}" / "fakes000002.png").size == (10 * 66 + 2, 10 * 66 + 2)


@pytest.mark.slow
@pytest.mark.skipif(
    not (SHARED / "cifar10-jpeg.tar.xz").exists(), reason="../shared/data/cifar10-jpeg.tar.xz is not there"
)
def test_cifar10(tmp_path):
    with tarfile.open(SHARED / "cifar10-jpeg.tar.xz") as archive:
        archive.extractall(tmp_path / "cifar10", filter="data")
    flags = ["--data", str(tmp_path / "cifar10"), "--latent", "ngd", "--kimg", "2", "--outdir", str(tmp_path)]
    assert main(["train", "--preset", "cifar10", *flags]) == 0
    assert Image.open(tmp_path / "00000-cifar10-ngd" / "fakes000002.png").size == (10 * 66 + 2, 10 * 66 + 2)


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "emoji128.zip").exists(), reason="../shared/data/emoji128.zip is not there")
def test_own_images_from_a_zip(tmp_path):
    flags = ["--data", str(SHARED / "emoji128.zip"), "--conditional", "--width", "8", "--batch", "32", "--kimg", "1"]
    assert main(["train", "--preset", "dcgan64", *flags, "--outdir", str(tmp_path)]) == 0
    assert Image.open(tmp_path / "00000-dcgan64-ngd" / "fakes000001.png").size == (10 * 66 + 2, 11 * 66 + 2)
