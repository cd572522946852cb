"""Truncation curves as CSV and as pictures, of hand-made points."""

import math

import numpy as np
import torch
from PIL import Image

from logan.metrics.truncation import Point
from logan.report import truncation_curves

CURVES = {
    "one": [Point(1.0, 20.0, 5.0), Point(0.5, 35.25, 7.0)],
    "two": [Point(1.0, 15.0, 6.0), Point(0.02, math.nan, math.nan)],
}


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"))


def test_csv():
    assert (
        truncation_curves.as_csv(CURVES, "9", {"seed": 4})
        == "run,truncation,fid9,is9,seed\none,1,20,5,4\none,0.5,35.25,7,4\ntwo,1,15,6,4\ntwo,0.02,nan,nan,4\n"
    )


def test_marked_points_are_seen(tmp_path):
    truncation_curves.save_plot(tmp_path / "plain.png", CURVES, {}, "title")
    truncation_curves.save_plot(tmp_path / "marked.png", CURVES, {"one": CURVES["one"][1]}, "title")
    assert (pixels(tmp_path / "plain.png") != pixels(tmp_path / "marked.png")).any()


def test_samples_stand_side_by_side(tmp_path):
    colours = {"one": (1.0, -1.0, -1.0), "two": (-1.0, 1.0, -1.0)}
    images = {k: torch.tensor(c).reshape(1, 3, 1, 1).expand(4, 3, 8, 8) for k, c in colours.items()}
    truncation_curves.save_samples(tmp_path / "a.png", {k: (CURVES[k][0], images[k]) for k in CURVES}, 2)
    picture = pixels(tmp_path / "a.png")
    red, green = ((picture == np.array(c)).all(2).nonzero()[1] for c in ([255, 0, 0], [0, 255, 0]))
    assert len(red) > 1000
    assert red.max() < green.min()
