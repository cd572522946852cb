"""``logan reproduce table2`` from end to end, on a handful of images of 32x32."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from logan.cli.main import main
from logan.config import presets
from logan.evaluation import protocols, snapshots
from logan.metrics import classifier
from logan.paper import table2

SMALL = "--width 2 --latent-dim 4 --batch 50 --kimg 1 --tick 1 --snap 1 --threads 1 --engine plain --metrics fid50 is50".split()
LABELLED = ["--detector", "classifier"]


def write_images(root: Path, suffix: str) -> Path:
    source = np.random.default_rng(0)
    for split in ("train", "test"):
        for name, level in (("dark", 40), ("light", 200)):
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(40):
                pixels = (level + source.integers(-40, 40, (32, 32, 3))).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{i:02d}{suffix}")
    return root


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory):
    """The folder of a table of none and ngd, one seed, protocols B and C."""
    root = tmp_path_factory.mktemp("table2")
    data = write_images(root / "images", ".jpg")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOGAN_CACHE", str(root / "cache"))
        patch.setattr(classifier, "IMAGES_SHOWN", 256)
        for name, n in (("B", 100), ("C", 60)):  # the protocols, with fewer images
            protocol = replace(protocols.PROTOCOLS[name], metrics=(f"fid{n}", f"is{n}"))
            patch.setitem(protocols.PROTOCOLS, name, protocol)
        command = ["reproduce", "table2", "--methods", "none,ngd", "--seeds", "1", "--protocols", "B", "C", "--data",
                   str(data), *LABELLED, *SMALL, "--evaluation-steps", "2", "--outdir", str(root / "out")]  # fmt: skip
        assert main(command) == 0
        yield root, command


def rows(root: Path) -> list[list[str]]:
    lines = (root / "out" / "table2.md").read_text(encoding="utf-8").splitlines()
    return [[c.strip() for c in line.strip("|").split("|")] for line in lines if line.startswith("|")][2:]


def test_every_method_under_every_protocol_with_and_without_steps(reproduced):
    measured = [tuple(r[:4]) for r in rows(reproduced[0]) if not r[0].startswith("published")]
    assert set(measured) == {("none", p, "0", "1") for p in "BC"} | {("ngd", p, k, "1") for p in "BC" for k in "02"}
    assert len(measured) == 6


def test_the_numbers_are_those_of_the_records(reproduced):
    root, _ = reproduced
    run = next((root / "out").glob("*ngd*"))
    found = [json.loads(x) for x in (run / "metric-fid60.jsonl").read_text().splitlines()]
    by_steps = {r["latent_steps"]: r for r in found}
    assert by_steps.keys() == {0, 2}
    for k, record in by_steps.items():
        assert (record["protocol"], record["split"], record["n_real"], record["n_fake"]) == ("C", "test", 80, 60)
        (row,) = [r for r in rows(root) if r[:3] == ["ngd", "C", str(k)]]
        assert row[4] == f"{record['results']['fid60']:.2f}"
    assert by_steps[0]["results"]["fid60"] != by_steps[2]["results"]["fid60"]


def test_published_numbers_and_what_keeps_ours_from_them(reproduced):
    text = (reproduced[0] / "out" / "table2.md").read_text(encoding="utf-8")
    assert "17.7 ± 0.4" in text
    assert "kimg 1 for 12800" in text
    assert "JPEG" in text
    assert "Detector classifier, not Inception" in text


def test_a_second_call_neither_trains_nor_measures(reproduced, monkeypatch):
    root, command = reproduced
    monkeypatch.setenv("LOGAN_CACHE", str(root / "cache"))
    monkeypatch.setattr("logan.compare.runs.train", lambda *a, **k: pytest.fail("trained again"))
    monkeypatch.setattr(snapshots, "score", lambda *a, **k: pytest.fail("measured again"))
    before = (root / "out" / "table2.md").read_text(encoding="utf-8")
    assert main(command) == 0
    assert (root / "out" / "table2.md").read_text(encoding="utf-8") == before


def fails(capsys, *args: str) -> str:
    assert main(["reproduce", *args]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.strip().splitlines()
    return line


def test_without_test_images_protocol_c_stops_before_training(reproduced, tmp_path, capsys):
    data = tmp_path / "images"
    shutil.copytree(reproduced[0] / "images" / "train", data)
    out = tmp_path / "out"
    line = fails(capsys, "table2", "--data", str(data), *LABELLED, *SMALL, "--outdir", str(out))
    assert "test" in line
    assert not out.exists()


def test_without_inception_weights_it_stops_before_training(reproduced, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    out = tmp_path / "out"
    line = fails(capsys, "table2", "--data", str(reproduced[0] / "images"), *SMALL, "--outdir", str(out))
    assert "inception" in line.lower()
    assert not out.exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["table7"], "table7"),
        (["table2", "--protocols", "D"], "'D'"),
        (["table2", "--evaluation-steps", "-1"], "--evaluation-steps"),
        (["table2", "--methods", "ngdd"], "unknown method"),
        (["mixtures", "--seeds", "0"], "--seeds"),
        (["mixtures", "--latent", "ngd"], "--latent"),
        (["mixtures", "--preset", "digits"], "--preset has no place"),
        (["table2", "--preset=digits"], "--preset has no place"),
    ],
)
def test_bad_flags_are_one_line(args, said, capsys):
    assert said in fails(capsys, *args)


def test_plan_only_starts_nothing(tmp_path, capsys):
    assert main(["reproduce", "mixtures", "--plan-only", "--outdir", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 2 * 5 * 7
    assert "3,840 kimg (15,000 steps of 256)" in out
    assert not (tmp_path / "out").exists()


def test_the_recipe_itself_needs_no_notes():
    configs = {method: presets.get("cifar10", method) for method in ("none", "gd", "ngd")}
    configs = {k: replace(c, scores=replace(c.scores, detector="inception")) for k, c in configs.items()}
    assert table2.notes(configs) == []


def test_every_departure_from_the_recipe_is_named_with_its_method():
    config = presets.get("cifar10", "ngd")
    other = replace(config, latent=replace(config.latent, beta=5.0), game=replace(config.game, batch=32))
    (note,) = [n for n in table2.notes({"none": presets.get("cifar10", "none"), "ngd": other}) if "recipe" in n]
    assert note == "Not the recipe of Table 2 (ngd): beta 5.0 for 0.1, batch 32 for 64."


def test_cs_in_the_game_of_the_others_is_said():
    assert any("non-saturating" in n for n in table2.notes({"cs": presets.get("cifar10", "cs")}))


def test_the_recipe_is_that_of_appendix_e():
    config = presets.get("cifar10", "ngd")
    assert config.run.kimg * 1000 == 200_000 * 64
    latent = config.latent
    assert (latent.beta, latent.portion, latent.penalty, config.game.batch) == (0.1, 0.7, 3.0, 64)


@pytest.mark.parametrize(("method", "steps"), [("none", (0,)), ("ngd", (0, 10)), ("gd", (0, 10)), ("cs", (3,))])
def test_latent_steps_at_evaluation(method, steps):
    assert table2.latent_steps_of(method, 10) == steps


def test_png_files_are_no_jpeg(tmp_path):
    assert not table2.is_jpeg(str(write_images(tmp_path / "a", ".png")))
