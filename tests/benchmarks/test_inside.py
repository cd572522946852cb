"""``benchmarks/inside.py``: what it reads from a look, and a run of it."""

import csv
import importlib.util
import math
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "inside.py"


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


@pytest.mark.slow
def test_from_end_to_end(inside, monkeypatch, tmp_path, capsys):
    out = tmp_path / "small"
    networks = "--width 2 --depth 1 --latent-dim 1 --activation leaky-relu"
    flags = f"--batch 50 --kimg 3 --tick 1 --snap 3 {networks} --metrics modes50 --threads 1"
    command = ["inside.py", "--out", str(out), "--runs", str(tmp_path / "runs"), "--seeds", "1", "--looks", "5",
               "--eigenvalues", "1", "--methods", "none", "ngd", *flags.split()]  # fmt: skip
    monkeypatch.setattr("sys.argv", command)
    assert inside.main() == 0
    text = (out / "table.md").read_text()
    assert "| ngd | error of approximation 21 |" in text
    assert "| none | largest ω of ½(H − Hᵀ) |" in text
    assert "| ngd | largest ω of ½(H − Hᵀ), latent step left out |" in text
    assert "| ngd | largest eigenvalue of ½(H + Hᵀ), magnitude, latent step left out |" in text
    assert all(line.count("|") == 6 for line in text.splitlines() if line.startswith("|"))
    assert "| none | largest ω of ½(H − Hᵀ), latent step left out |" not in text
    assert "| none | error of approximation 21 |" not in text  # without a latent step there is none
    assert {p.name for p in out.iterdir()} == {
        "table.md", *(f"{n}.{s}" for n in ("alignment", "spectrum") for s in ("png", "svg", "csv"))}  # fmt: skip
    with open(out / "spectrum.csv") as f:
        rows = list(csv.DictReader(f))
    assert {r["label"] for r in rows if r["panel"] == inside.ROTATION} == {"none", "ngd", "ngd, latent step left out"}
    assert len({r["x"] for r in rows}) == 5  # of 60 steps
    capsys.readouterr()


def test_what_was_left_out_stands_beside_what_was_not(inside):
    look = {
        "rotation": [1.0],
        "rotation_plain": [-2.0, 3.0],
        "potential_plain": [-4.0],
        "eigenvalues_plain": [[5.0, -6.0]],
    }
    found = {name: quantity(look) for name, quantity in inside.LEFT_OUT.items()}
    assert found == {inside.REAL: 5, inside.IMAGINARY: 6, inside.POTENTIAL: 4, inside.ROTATION: 3}
    assert inside.SPECTRUM.keys() == inside.LEFT_OUT.keys()


def test_a_third_without_numbers_is_no_number(inside):
    looks = [{"norm_g": 1.0}, {"norm_g": None}, {"norm_g": 3.0}]
    assert inside.row("a", "b", inside.named("norm_g"), [looks, looks]) == ["| a | b | 1 | - | 3 |"]
    assert inside.row("a", "b", inside.named("other"), [looks]) == []


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--preset", "rign"], "did you mean 'ring'"),
        (["--looks", "2"], "--looks must be at least 3"),
        (["--probe", "4000"], "a look in every 4000 are fewer than 3 looks: pass a smaller --probe"),
    ],
)
def test_bad_input_is_one_line(inside, flags, said, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("sys.argv", ["inside.py", "--out", str(tmp_path / "out"), *flags])
    assert inside.main() == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
