"""``benchmarks/alarms.py``: what it writes of a run, and which runs count as having done well."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "alarms.py"


@pytest.fixture(scope="module")
def counted():
    spec = importlib.util.spec_from_file_location("alarms_counted", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("by", "best", "last", "well"),
    [
        ("fid10k", 10.0, 15.0, True),
        ("fid10k", 10.0, 15.1, False),
        ("fid10k", 10.0, None, False),
        ("modes10k", 8.0, 6.0, True),
        ("modes10k", 8.0, 5.0, False),
        ("modes10k", 0.0, 0.0, False),
        (None, None, None, None),
    ],
)
def test_doing_well(counted, by, best, last, well):
    assert counted.did_well(by, best, last) is well


def test_from_end_to_end(counted, tmp_path, monkeypatch, capsys):
    out = tmp_path / "alarms.json"
    command = ["alarms.py", "--presets", "ring", "--latents", "none", "--seeds", "1", "--kimg", "2", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", command)
    counted.main()
    found = json.loads(out.read_text())
    (run,) = found["runs"]
    assert (run["preset"], run["latent"], run["kimg"], run["ticks"], run["snapshots"]) == ("ring", "none", 2, 1, 1)
    assert (run["by"], run["alarms"], len(run["diversity"])) == ("modes10k", [], 1)
    assert found["runs_that_did_well"] + found["runs_that_did_not"] == 1
    assert "alarms none" in capsys.readouterr().out
