"""benchmarks/guides.py: settings chosen on one seed, tested on others."""

import importlib
import json

import pytest
from PIL import Image

from ..evaluation.small import runs as command


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Rings of two seeds, with the latent step and without."""
    outdir = tmp_path_factory.mktemp("runs")
    flags = "--preset ring --width 8 --metrics none --batch 50 --kimg 1 --tick 1 --snap 1 --engine plain --threads 1".split()
    for seed in (0, 1):
        for latent in ("none", "ngd"):
            command("train", *flags, "--seed", seed, "--latent", latent, "--outdir", outdir)
    return sorted(outdir.iterdir())


@pytest.fixture(scope="module")
def guides():
    return importlib.import_module("guides")  # conftest.py says where


def call(module, monkeypatch, *args):
    monkeypatch.setattr("sys.argv", ["guides.py", *map(str, args)])
    module.main()


def test_from_end_to_end(guides, trained, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(guides, "BUDGETS", (1, 2))
    monkeypatch.setattr(guides, "CHOSEN_AT", 2)
    call(guides, monkeypatch, "choose", "--runs", *trained, "--out", tmp_path, "--n", 50)
    lines = [json.loads(x) for x in (tmp_path / "ring.jsonl").read_text().splitlines()]
    assert {x["seed"] for x in lines} == {0}
    assert len(lines) == 2 * (1 + sum(map(len, guides.CANDIDATES.values())))
    call(guides, monkeypatch, "test", "--runs", *trained, "--out", tmp_path, "--n", 50)
    after = [json.loads(x) for x in (tmp_path / "ring.jsonl").read_text().splitlines()]
    tested = after[len(lines) :]
    assert {x["seed"] for x in tested} == {1}
    assert len(tested) == 2 * (1 + 2 * len(guides.CANDIDATES))
    for x in tested:
        if x["guide"]:
            assert x["settings"] == guides.chosen(after, x["guide"])
    call(guides, monkeypatch, "test", "--runs", *trained, "--out", tmp_path, "--n", 50)
    assert len((tmp_path / "ring.jsonl").read_text().splitlines()) == len(after)  # nothing is measured twice
    call(guides, monkeypatch, "report", "--out", tmp_path)
    table = (tmp_path / "table.md").read_text()
    assert all(name in table for name in guides.CANDIDATES)
    assert "of 2)" in table
    call(guides, monkeypatch, "show", "--runs", trained[0], "--out", tmp_path)
    for picture in (tmp_path / "gains.png", tmp_path / "samples-ring-none.webp"):
        with Image.open(picture) as image:
            assert min(image.size) > 200


def test_the_best_on_the_seed_of_choosing_is_chosen(guides):
    def line(settings, update, value, name="latent"):
        return {
            "latents": guides.CHOOSING_SEED, "latent": "none", "update": update, "guide": name, "settings": settings,
            "scores": {"fid50": value},
        }  # fmt: skip

    good, bad, mixed = guides.CANDIDATES["latent"]
    found = [line({}, u, v, None) for u, v in (("a", 10.0), ("b", 100.0))]
    found += [line(good, "a", 8.0), line(good, "b", 80.0), line(bad, "a", 20.0), line(bad, "b", 200.0)]
    found += [line(mixed, "a", 9.9), line(mixed, "b", 70.0)]  # a lower sum, and a smaller ratio on the mean
    assert guides.chosen(found, "latent") == good
