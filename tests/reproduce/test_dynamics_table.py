"""The table of ``logan reproduce dynamics``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from logan import presets
from logan.cli.main import main
from logan.evaluation import dynamics_table
from logan.evaluation.comparison import Entry, Result


def result(label: str, seed: int, scores: list[tuple[float, float | None]], preset: str = "ring") -> Result:
    config = presets.get(preset, "none")
    points = [
        {"images": 256 * s, "steps": s, "seconds": 2.0 * s, "scores": {"modes10k": m, "quality10k": q}}
        for s, (m, q) in zip((10, 20, 30), scores, strict=True)
    ]
    return Result(Entry(label, replace(config, run=replace(config.run, seed=seed))), Path("."), points)


@pytest.mark.parametrize(
    ("scores", "steps"),
    [
        ([(8, 0.5), (8, 0.9), (8, 0.95)], 20),
        ([(7, 0.99), (7, 0.99), (7, 0.99)], None),  # good points, but on seven of eight modes
        ([(0, None), (8, 0.2), (8, 0.91)], 30),
    ],
)
def test_first_good(scores, steps):
    found = dynamics_table.first_good(result("sga", 0, scores))
    assert (None if found is None else found["steps"]) == steps


def test_a_grid_has_more_modes():
    assert dynamics_table.first_good(result("sga", 0, [(8, 0.99)] * 3, "grid")) is None
    assert dynamics_table.first_good(result("sga", 0, [(23, 0.99)] * 3, "grid"))["steps"] == 10


def test_table(monkeypatch):
    monkeypatch.setattr(dynamics_table, "memory", lambda r: 1.5)
    runs = [result("sga", s, [(8, 0.5), (8, 0.9), (8, 0.95)]) for s in (0, 1)] + [result("none", 0, [(0, None)] * 3)]
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in dynamics_table.table(runs).splitlines()[2:4]]
    assert rows[0] == ["sga", "2", "8 ± 0, 8 to 8", "0.95 ± 0.00, 0.95 to 0.95", "20 (2 of 2)", "40", "2000.00", "1.5"]
    assert rows[1][4:6] == ["none of 1", "-"]


def test_memory_of_a_second_order_step_is_more():
    sga = result("sga", 0, [(0, 0)] * 3)
    game = replace(sga.entry.config.game, dynamics="sga")
    sga = replace(sga, entry=replace(sga.entry, config=replace(sga.entry.config, game=game)))
    assert dynamics_table.memory(sga) > dynamics_table.memory(result("none", 0, [(0, 0)] * 3)) > 0


def test_from_end_to_end(tmp_path, capsys):
    flags = "--batch 50 --kimg 1 --tick 1 --snap 1 --width 8 --metrics modes100 --seeds 1 --threads 1".split()
    methods = ["none:d-lr=4e-3", "ngd", "sga", "optimistic"]
    assert main(["reproduce", "dynamics", *flags, "--methods", *methods, "--outdir", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "dynamics.md").read_text()
    assert text.count("\n| ") == 2 * (1 + len(methods))
    assert "## ring" in text
    assert "## grid" in text
    capsys.readouterr()


def test_every_method_of_the_default_can_be_planned(capsys):
    assert main(["reproduce", "dynamics", "--plan-only", "--seeds", "1"]) == 0
    assert capsys.readouterr().out.count("seed 0") == 2 * len(dynamics_table.METHODS)
