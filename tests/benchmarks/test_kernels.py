"""The count of a step's kernels, from end to end."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest


@pytest.fixture
def kernels():
    path = Path(__file__).parents[2] / "benchmarks" / "kernels.py"
    spec = importlib.util.spec_from_file_location("kernels", path)
    sys.modules["kernels"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["kernels"]


@pytest.mark.slow
def test_a_recorded_step_starts_fewer_and_most_of_sn_dcgans_elementwise_ones_can_be_fused(
    kernels, tmp_path, monkeypatch
):
    out = tmp_path / "kernels.json"
    monkeypatch.setattr(
        sys,
        "argv",
        ["kernels.py", "--presets", "cifar10", "--precisions", "bfloat16", "--spectral-norm", "--out", str(out)],
    )
    kernels.main()
    counts = {(c["latent"], c["engine"]): c for c in json.loads(out.read_text())["counts"]}
    assert counts["ngd", "recorded"]["total"] < 0.6 * counts["ngd", "plain"]["total"]
    for c in counts.values():
        assert sum(c["groups"].values()) == sum(c["names"].values()) == c["total"]
        assert c["fused"] < c["total"]
        assert 0 < c["spectral_norm"] < c["total"]
        assert c["groups"]["optimiser"] >= 2
    lines = out.with_suffix(".md").read_text().splitlines()
    assert len(lines) == 2 + 4
    assert len({line.count("|") for line in lines}) == 1
