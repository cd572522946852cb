"""Operations are counted as by hand, memory as allocated, and `logan bench` says what it measured."""

import json
import re

import pytest
import torch

from logan.bench import steps
from logan.bench.counting import count, peak_memory
from logan.bench.peak import peak_flops
from logan.cli.main import main
from logan.config import presets


def rows(printed):
    """The cells of a table's rows."""
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in printed.splitlines() if "│" in line]


def test_operations_by_hand():
    a, b = torch.randn(3, 4, requires_grad=True), torch.randn(4, 5, requires_grad=True)
    counted = count(lambda: (a @ b).relu().sum().backward())
    assert counted.flop == 3 * 2 * 3 * 4 * 5  # the product, and one for each factor's gradient
    assert counted.calls["aten.mm.default"] == 3
    assert "aten.t.default" not in counted.calls  # a view calls no kernel


def test_operations_of_a_convolution():
    x, w = torch.randn(2, 3, 8, 8), torch.randn(5, 3, 3, 3, requires_grad=True)
    forward = 2 * 2 * 5 * 8 * 8 * 3 * 9
    assert count(lambda: torch.conv2d(x, w, padding=1)).flop == forward
    counted = count(lambda: torch.conv2d(x, w, padding=1).sum().backward())
    assert counted.flop == 2 * forward  # x takes no gradient


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch without oneDNN")
def test_operations_of_onednn():
    x, w = torch.randn(7, 4), torch.randn(5, 4)
    assert count(lambda: torch.ops.mkldnn._linear_pointwise(x, w, None, "none", [], "")).flop == 2 * 7 * 4 * 5


def test_peak_memory():
    def step():
        a = torch.zeros(2**20)  # 4 MiB
        b = a + 1
        del a
        c = b + 1  # two at a time
        return c.sum()

    assert peak_memory(step, torch.device("cpu")) == pytest.approx(8 * 2**20, rel=0.01)


def test_the_peak_is_a_rate():
    rate = peak_flops(torch.device("cpu"), torch.float32)
    assert 1e8 < rate < 1e15


def test_step(tmp_path, capsys):
    out = tmp_path / "ring.json"
    precisions = ["--precisions", "float32", "bfloat16"]
    args = ["--preset", "ring", "--seconds", "0.2", "--batch", "16", *precisions, "--out", str(out)]
    assert main(["bench", "step", *args]) == 0
    result = json.loads(out.read_text())
    assert len(result["costs"]) == 8
    for c in result["costs"]:  # compared with the same precision
        others = [o["ms"] for o in result["costs"] if (o["latent"], o["precision"]) == ("none", c["precision"])]
        assert c["over_best_baseline"] == pytest.approx(c["ms"] / min(others))
    costs = {(c["latent"], c["engine"]): c for c in result["costs"] if c["precision"] == "float32"}
    assert set(costs) == {(latent, engine) for latent in ("none", "ngd") for engine in ("plain", "recorded")}
    assert result["preset"] == "ring"
    assert result["batch"] == 16
    for (latent, engine), c in costs.items():
        assert c["ms_10"] <= c["ms"] <= c["ms_90"]
        assert c["steps_per_second"] == pytest.approx(1000 / c["ms"])
        assert c["over_baseline"] == pytest.approx(c["ms"] / costs["none", engine]["ms"])
        assert c["times_plain"] == pytest.approx(costs[latent, "plain"]["ms"] / c["ms"])
        assert 0 < c["share_of_peak"] < 1
        assert c["peak_mib"] > 0
    assert costs["ngd", "recorded"]["gflop"] < costs["ngd", "plain"]["gflop"]
    assert costs["none", "recorded"]["gflop"] == costs["none", "plain"]["gflop"]
    assert costs["ngd", "recorded"]["kernels"] < costs["ngd", "plain"]["kernels"]
    printed = capsys.readouterr().out
    assert [[*row[:3], row[11]] for row in rows(printed)] == [
        [c["latent"], c["engine"], c["precision"], f"{c['over_best_baseline']:.2f}"] for c in result["costs"]
    ]
    assert "interleaved" in printed


def test_profile(capsys):
    assert main(["bench", "profile", "--preset", "digits", "--batch", "16", "--rows", "4"]) == 0
    printed = capsys.readouterr().out
    whole = float(re.search(r"digits, latent ngd, recorded: ([\d.]+) ms per step", printed)[1])
    found = rows(printed)
    milliseconds = [float(ms) for *_, ms, _ in found]
    assert len(found) == 4
    assert milliseconds == sorted(milliseconds, reverse=True)
    assert sum(milliseconds) > whole / 4  # the costliest, of more than a hundred
    for *_, ms, part in found:
        assert float(part.rstrip("%")) == pytest.approx(100 * float(ms) / whole, abs=0.5)


@pytest.mark.parametrize("preset", presets.PRESETS)
def test_every_preset_has_a_stand_in(preset):
    shape = steps.stand_in(presets.get(preset))
    expected = {"digits": (1, 8), "ring": (2, 1), "grid": (2, 1), "fashion": (1, 32), "cifar10": (3, 32)}
    large = 128 if "128" in preset else 64
    assert (shape.channels, shape.image_size) == expected.get(preset, (3, large))
    classes = 1000 if preset.startswith("imagenet") else {"digits": 10, "emoji128": 11}.get(preset, 0)
    assert shape.num_classes == classes


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["stepp"], "did you mean 'step'"),
        (["step", "--latent", "none"], "nothing to compare"),
        (["step", "--seconds", "0"], "--seconds must be > 0"),
        (["step", "--engines", "quick"], "--engines"),
        (["step", "--engines"], "--engines needs at least one"),
        (["step", "--precisions", "--seconds", "1"], "--precisions needs at least one"),
        (["step", "--preset", "digit"], "did you mean 'digits'"),
        (["step", "--precisions", "float16"], "--precisions"),
        (["step", "--data", "somewhere"], "pass --image-size and --channels"),
        (["step", "--out", "nowhere/x.json"], "cannot be written"),
        (["step", "--device", "cuda:77"], "--device cuda:77"),
        (["profile", "--rows", "0"], "--rows must be >= 1"),
    ],
)
def test_bad_input(args, message, capsys):
    assert main(["bench", *args]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA")
def test_a_cuda_graph_needs_cuda(capsys):
    for args in (["bench", "step", "--engines", "cuda-graph"], ["train", "--engine", "cuda-graph"]):
        assert main(args) == 2
        assert "needs a CUDA device" in capsys.readouterr().err


def test_help(capsys):
    assert main(["bench"]) == 0
    assert "logan bench step" in capsys.readouterr().out
