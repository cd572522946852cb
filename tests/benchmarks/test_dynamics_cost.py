"""``benchmarks/dynamics_cost.py``: sizes by formula, and a comparison from end to end."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from PIL import Image

from logan import networks

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "dynamics_cost.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("dynamics_cost", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("wanted", [1e3, 1e4, 1e6])
def test_widths_give_about_the_wanted_number_of_parameters(script, wanted):
    def total(width):
        pair = networks.create("mlp", image_size=8, image_channels=1, latent_dim=64, width=width, depth=2)
        return sum(map(networks.count_parameters, pair))

    width = script.width_for(wanted)
    assert all(abs(total(width) - wanted) <= abs(total(other) - wanted) for other in (width - 1, width + 1))


@pytest.mark.slow
def test_from_end_to_end(script, tmp_path, capsys):
    args = ["--parameters", "2000", "6000", "--rounds", "1", "--batch", "8"]
    script.main([*args, "--methods", "LOGAN (ngd)", "SGA", "extragradient", "--out", str(tmp_path)])
    result = json.loads((tmp_path / "cost.json").read_text())
    costs = {(r["method"], r["parameters"]): r for r in result["costs"]}
    sizes = sorted({size for _, size in costs})
    assert len(costs) == 8
    assert sizes == pytest.approx([2000, 6000], rel=0.1)
    for size in sizes:
        plain, sga = costs["plain", size], costs["SGA", size]
        assert plain["operations_ratio"] == plain["memory_ratio"] == plain["time_ratio"] == 1
        assert 2 < sga["operations_ratio"] < 5  # a constant: H has size² entries, and is not formed
        assert sga["memory_ratio"] > 1
        assert costs["LOGAN (ngd)", size]["operations_ratio"] > 1
        assert costs["extragradient", size]["operations_ratio"] == pytest.approx(2)
        assert all(r["fallback"] is None for r in (plain, sga))
        assert sga["time_ratio_10"] <= sga["time_ratio"] <= sga["time_ratio_90"]
    assert result["machine"]["threads"] == 1
    assert result["settings"]["rounds"] == 1
    table = (tmp_path / "table.md").read_text()
    assert table.count("| SGA |") == 3
    assert capsys.readouterr().out.endswith(table + "\n")
    with Image.open(tmp_path / "cost.png") as image:
        assert image.width > image.height
