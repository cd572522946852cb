"""A run whose samples are all alike does not end with praise: in its last lines and on its page."""

from __future__ import annotations

import json
import shutil

import pytest

from logan.report import looks, material, page
from logan.report.alike import alike
from logan.training.ending import farewell

from . import synthetic
from .test_page import assert_harmless


def ticks(*diversities, steps=5000):
    """A snapshot every 10 kimg, and a line of the log between two."""
    found = []
    for i, value in enumerate(diversities, 1):
        found += [
            {"tick": 2 * i, "kimg": 10.0 * i - 5, "steps": steps * i - 1},
            {"tick": 2 * i + 1, "kimg": 10.0 * i, "steps": steps * i, "diversity": value},
        ]
    return found


@pytest.mark.parametrize(
    ("values", "best", "steps", "parts"),
    [
        ((0.007,), 10, 600, ["last snapshot (10 kimg), which is called the best,", "0.007", "train longer"]),
        ((0.01, 0.8, 0.9), 10, 5000, ["The best snapshot (10 kimg) makes", "samples still differed at 30 kimg"]),
        ((0.5, 0.9, 0.03), 20, 5000, ["The last snapshot (30 kimg) makes", "collapsed; samples still differed at 20"]),
        ((0.9, 0.01, 0.03), 20, 5000, ["last snapshot (30 kimg), and so does the best (20 kimg),", "collapsed"]),
        ((0.01, 0.02), None, 5000, ["The last snapshot (20 kimg) makes", "They never differed"]),
        ((0.02, None), 10, 900, ["last snapshot (10 kimg)"]),
    ],
)
def test_it_is_said(values, best, steps, parts):
    said = alike(ticks(*values, steps=steps), best)
    for part in parts:
        assert part in said
    assert "\n" not in said


@pytest.mark.parametrize("values", [(0.01, 0.06), (0.9,), (None,), ()])
def test_nothing_is_said_of_others(values):
    assert alike(ticks(*values), len(values) * 10) is None


@pytest.fixture(scope="module")
def collapsed(tmp_path_factory):
    path = synthetic.folder(tmp_path_factory.mktemp("runs") / "00000-digits-ngd")
    lines = synthetic.lines(path)
    for line in lines:
        if "diversity" in line:
            line["diversity"] = 0.007
    (path / "stats.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_the_last_lines_of_a_run(collapsed, tmp_path):
    *_, best, last = farewell(collapsed).splitlines()
    assert best.startswith("best snapshot: 40 kimg, FID (")
    assert last.startswith(
        "warning: The last snapshot (40 kimg), which is called the best, makes nearly the same image"
    )
    unscored = shutil.copytree(collapsed, tmp_path / "run")
    (unscored / "best.json").unlink()
    assert farewell(unscored).splitlines()[-1].startswith("warning: The last snapshot (40 kimg) makes")


def test_the_report_says_it_below_the_score(collapsed, tmp_path):
    def texts(path):
        return " ".join(assert_harmless(page.page([material.read(path)], [looks.none("")])).text().split())

    assert "Look at the samples. The last snapshot (40 kimg), which is called the best, makes nearly" in texts(
        collapsed
    )
    assert "Look at the samples" not in texts(synthetic.folder(tmp_path / "fine"))
