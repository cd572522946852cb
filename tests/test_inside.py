"""``benchmarks/inside.py``: what it reads from a look, and a run of it."""

import importlib.util
import math
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "inside.py"


@pytest.fixture(scope="module")
def inside():
    spec = importlib.util.spec_from_file_location("inside", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_quantities_of_a_look(inside):
    look = {"eigenvalues": [[1.0, 2.0], [-3.0, -4.0]], "potential": [-7.0, 5.0], "rotation": [2.5, 3.5], "norm_g": None}
    assert inside.leading(0)(look) == -3
    assert inside.leading(1)(look) == 4
    assert inside.largest("eigenvalues")(look) == 5
    assert inside.largest("potential")(look) == 7
    assert inside.largest("rotation")(look) == 3.5
    assert math.isnan(inside.named("norm_g")(look))
    assert math.isnan(inside.leading(0)({}))
    assert math.isnan(inside.largest("rotation")({}))


def test_from_end_to_end(inside, monkeypatch, tmp_path, capsys):
    out = tmp_path / "small"
    networks = "--width 2 --depth 1 --latent-dim 1 --activation leaky-relu"
    flags = f"--batch 50 --kimg 3 --tick 1 --snap 3 {networks} --metrics modes50 --threads 1"
    command = ["inside.py", "--out", str(out), "--runs", str(tmp_path / "runs"), "--seeds", "1", "--looks", "60",
               "--eigenvalues", "1", "--methods", "none", "ngd", *flags.split()]  # fmt: skip
    monkeypatch.setattr("sys.argv", command)
    inside.main()
    text = (out / "table.md").read_text()
    assert "| ngd | error of approximation 21 |" in text
    assert "| none | largest ω of ½(H − Hᵀ) |" in text
    assert "| none | error of approximation 21 |" not in text  # without a latent step there is none
    assert {p.name for p in out.iterdir()} == {
        "table.md", *(f"{n}.{s}" for n in ("alignment", "spectrum") for s in ("png", "svg", "csv"))}  # fmt: skip
    capsys.readouterr()
