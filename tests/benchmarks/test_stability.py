"""``benchmarks/stability.py``: which cells count as broken, and a map from end to end."""

from __future__ import annotations

import csv
import importlib.util
import math
import sys
from pathlib import Path

import pytest
from PIL import Image

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "stability.py"


@pytest.fixture(scope="module")
def stability():
    spec = importlib.util.spec_from_file_location("stability", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cell(factor: float) -> tuple[str, float, float]:
    return ("none", factor, 1.0)


def test_less_than_half_of_the_best_is_broken(stability):
    scores = {cell(1): [8.0, 8.0], cell(2): [4.0, 4.0], cell(4): [8.0, -0.2]}
    assert stability.broken(scores, "modes10k") == {cell(4)}


def test_more_than_twice_the_lowest_fid_is_broken_and_so_is_divergence(stability):
    scores = {cell(1): [10.0, 12.0], cell(2): [22.0], cell(4): [22.1], cell(8): [9.0, math.inf]}
    assert stability.broken(scores, "fid10k") == {cell(4), cell(8)}


def test_where_all_diverge_all_are_broken(stability):
    assert stability.broken({cell(1): [math.inf], cell(2): [math.inf]}, "fid10k") == {cell(1), cell(2)}


@pytest.mark.slow
def test_a_map(stability, tmp_path, monkeypatch, capsys):
    """Two cells of two methods: the learning rates are those of the cell, and a second call trains nothing."""
    out = tmp_path / "map"
    flags = "--preset ring --methods none ngd --factors 1 4 --ratios 0.5 --seeds 1 --kimg 1 --tick 1 --snap 1".split()
    more = f"--width 8 --batch 50 --metrics modes100 --out {out} --runs {tmp_path / 'runs'}".split()
    monkeypatch.setattr(sys, "argv", ["stability.py", *flags, *more])
    stability.main()
    rows = list(csv.DictReader((out / "scores.csv").read_text().splitlines()))
    assert {(r["method"], float(r["g_lr"]), float(r["d_lr"])) for r in rows} == {
        (method, 1e-3 * factor, 5e-4 * factor) for method in ("none", "ngd") for factor in (1, 4)
    }
    assert Image.open(out / "modes100.png").width > 500
    monkeypatch.setattr("logan.compare.runs.train", lambda *a, **k: pytest.fail("trained again"))
    before = (out / "table.md").read_text()
    stability.main()
    assert (out / "table.md").read_text() == before


def test_the_rate_of_d_cannot_be_given(stability, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["stability.py", "--out", str(tmp_path / "map"), "--d-lr", "1"])
    with pytest.raises(SystemExit) as stop:
        stability.main()
    assert stop.value.code == 2
    assert "--ratios" in capsys.readouterr().err
