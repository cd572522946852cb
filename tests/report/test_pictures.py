"""Grids: the right pixels in the right places."""

import numpy as np
import pytest
import torch
from PIL import Image

from logan.report.curves import _falls_far, save_curves
from logan.report.pictures import CELL, GAP, grid, save_picture, to_uint8
from logan.training import loop

from ..training.small import config


def test_rounding_and_range():
    values = torch.tensor([-1.0, 1.0, 0.0, 0.999, -2.0, 2.0]).view(1, 1, 1, 6)
    assert to_uint8(values).flatten().tolist() == [0, 255, 128, 255, 0, 255]
    every = torch.arange(256)
    assert torch.equal(to_uint8(((every * 2 - 255) / 255).view(1, 1, 1, 256)).flatten().long(), every)


@pytest.mark.parametrize("channels", [1, 3])
def test_grid_places_images_row_by_row(channels):
    images = torch.linspace(-1, 1, 5).view(5, 1, 1, 1).expand(5, channels, 8, 8)
    picture = np.asarray(grid(images, columns=3).convert("L"))
    side = CELL // 8 * 8
    assert picture.shape == (2 * (side + GAP) + GAP, 3 * (side + GAP) + GAP)
    middles = [
        picture[GAP + r * (side + GAP) + side // 2, GAP + c * (side + GAP) + side // 2]
        for r in range(2)
        for c in range(3)
    ]
    assert middles[:5] == [0, 64, 128, 191, 255]
    assert middles[5] == picture[0, 0] == 128  # an empty cell looks like the gaps


def test_points_are_drawn_where_they_are(tmp_path):
    points = torch.tensor([[1.0, 0.5]]).view(1, 2, 1, 1).repeat(50, 1, 1, 1)
    save_picture(tmp_path / "a.png", points, centres=torch.tensor([[2.0, 2.0], [-2.0, -2.0]]))
    picture = np.asarray(Image.open(tmp_path / "a.png")).astype(int)
    blue = np.argwhere((picture[:, :, 2] - picture[:, :, 0]) > 60)
    assert len(blue) > 0
    row, column = blue.mean(0) / len(picture)
    assert 0.55 < column < 0.85  # right of the middle
    assert 0.25 < row < 0.5  # above it


def test_a_run_draws_its_curves(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "save_curves", save_curves)
    run = loop.train(config(kimg=1, snap=1), outdir=tmp_path, quiet=True)
    assert Image.open(run / "training-curves.png").size[0] == 800


def test_curves(tmp_path):
    records = [{"kimg": float(k), "d_loss": 1.0, "g_loss": -k, "metrics": {"fid": 5.0 - k}} for k in range(4)]
    save_curves(tmp_path / "c.png", records)
    assert Image.open(tmp_path / "c.png").size[0] == 800
    assert _falls_far([900.0, 20.0, 13.0])
    assert not _falls_far([900.0, 20.0, 0.0])  # no logarithm
    assert not _falls_far([1.2, 8.0, 9.0])
    save_curves(tmp_path / "none.png", [])
    assert not (tmp_path / "none.png").exists()
