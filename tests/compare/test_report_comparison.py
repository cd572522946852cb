"""The table, the CSV and the pictures of a comparison, of hand-made results."""

import csv
import io
import os
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from logan.compare import summary

from ..evaluation.small import result

GOOD = [{"is10": 1.0, "fid10": 90.0}, {"is10": 3.0, "fid10": 40.0}, {"is10": 4.0, "fid10": 44.0}]
BETTER = [{"is10": 1.0, "fid10": 80.0}, {"is10": 6.0, "fid10": 30.0}, {"is10": 2.0, "fid10": 90.0}]
DIVERGED = [{"is10": 1.0, "fid10": 90.0}, {"is10": None, "fid10": None}, {"is10": None, "fid10": None}]
TWO_METHODS = [result("none", GOOD), result("ngd", GOOD, 0), result("ngd", BETTER, 1)]


def rows(results):
    """The table by method and column."""
    lines = [[cell.strip() for cell in x.strip("|").split("|")] for x in summary.table(results).splitlines()]
    return {x[0]: dict(zip(lines[0], x, strict=True)) for x in lines[2:]}


def test_fid_leads_and_only_scores_that_all_runs_have_are_compared():
    assert summary.score_names(TWO_METHODS) == ["fid10", "is10"]
    other = result("none", [{"is10": 1.0, "fid20": 3.0}])
    assert summary.score_names([*TWO_METHODS, other]) == ["is10"]


def test_results_are_grouped_in_their_order():
    grouped = summary.by_label([result("b", GOOD), result("a", GOOD), result("b", BETTER, 1)])
    assert {label: [r.entry.config.run.seed for r in group] for label, group in grouped.items()} == {
        "b": [0, 1],
        "a": [0],
    }
    assert list(grouped) == ["b", "a"]


def test_a_row_per_method():
    table = rows(TWO_METHODS)
    assert list(table) == ["none", "ngd"]
    assert [table[m]["seeds"] for m in table] == ["1", "2"]


def test_mean_and_deviation_over_seeds_at_the_best_snapshot():
    row = rows(TWO_METHODS)["ngd"]
    assert row["fid10, best"] == "35 ± 7.07"  # 40 and 30
    assert row["is10, best"] == "4.5 ± 2.12"  # 3 and 6: where FID is lowest


def test_mean_and_deviation_at_the_last_snapshot():
    row = rows(TWO_METHODS)["ngd"]
    assert row["fid10, final"] == "67 ± 32.5"  # 44 and 90
    assert row["is10, final"] == "3 ± 1.41"  # 4 and 2


def test_one_seed_has_no_deviation():
    assert rows(TWO_METHODS)["none"]["fid10, best"] == "40"


def test_steps_and_times():
    row = rows(TWO_METHODS)["ngd"]
    assert row["best at step"] == "20, 20"
    assert row["seconds"] == "1.5 ± 0"
    assert row["ms per step"] == "50 ± 0"  # 1.5 s for 30 steps


def test_collapses_are_said_by_seed():
    table = rows(TWO_METHODS)
    assert table["none"]["collapsed at step"] == "-"
    assert table["ngd"]["collapsed at step"] == "-, 30"


def test_a_seed_that_diverged_leaves_no_mean():
    row = rows([result("ngd", GOOD), result("ngd", DIVERGED, 1)])["ngd"]
    assert row["fid10, final"] == "undefined in 1 of 2"
    assert row["is10, final"] == "undefined in 1 of 2"
    assert row["fid10, best"] == "65 ± 35.4"  # 40 and 90
    assert row["collapsed at step"] == "-, 20"


def test_large_numbers_have_no_exponent():
    assert rows([result("ngd", [{"fid10": 12345.6}])])["ngd"]["fid10, best"] == "12346"


def test_all_scores_are_in_the_csv():
    lines = list(csv.DictReader(io.StringIO(summary.all_scores([result("ngd", GOOD), result("cs", DIVERGED, 4)]))))
    assert len(lines) == 12
    assert lines[3] == {
        "method": "ngd",
        "seed": "0",
        "images": "2000",
        "steps": "20",
        "seconds": "1.00",
        "score": "fid10",
        "value": "40",
    }
    assert [(x["method"], x["seed"], x["value"]) for x in lines[-2:]] == [("cs", "4", "")] * 2


@pytest.mark.parametrize("against", ["steps", "seconds"])
def test_curves_are_drawn_even_of_runs_that_diverge(tmp_path, against):
    results = [*TWO_METHODS, result("cs", DIVERGED), result("cs", GOOD, 1)]
    summary.save_curves(tmp_path / "a.png", results, "fid10", against)
    assert Image.open(tmp_path / "a.png").size[0] > 500


def test_curves_of_runs_that_all_diverge_are_drawn_without_a_warning(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        summary.save_curves(tmp_path / "a.png", [result("cs", DIVERGED, s) for s in (0, 1)], "fid10", "steps")


@pytest.mark.parametrize(("against", "matters"), [("seconds", True), ("steps", False)])
def test_what_curves_are_drawn_against(tmp_path, against, matters):
    fast, slow = result("ngd", GOOD), result("ngd", GOOD)
    for point in slow.points:
        point["seconds"] = point["steps"] ** 2
    for name, run in (("fast", fast), ("slow", slow)):
        summary.save_curves(tmp_path / f"{name}.png", [run], "fid10", against)
    one, two = (np.asarray(Image.open(tmp_path / f"{name}.png").convert("RGB")) for name in ("fast", "slow"))
    assert (one != two).any() == matters


def test_the_last_picture_of_each_method(tmp_path):
    for name, colour in (("fakes000001.png", "red"), ("fakes000010.png", "lime"), ("fakes_init.png", "blue")):
        Image.new("RGB", (50, 50), colour).save(tmp_path / name)
    summary.save_pictures(tmp_path / "a.png", [result("ngd", GOOD, run=tmp_path), result("cs", GOOD, run=tmp_path)])
    colours = {c for _, c in Image.open(tmp_path / "a.png").convert("RGB").getcolors(10**6)}
    assert (0, 255, 0) in colours
    assert not {(255, 0, 0), (0, 0, 255)} & colours


def test_runs_without_pictures_leave_their_place_empty(tmp_path):
    summary.save_pictures(tmp_path / "a.png", [result(str(i), GOOD, run=tmp_path) for i in range(5)])
    assert Image.open(tmp_path / "a.png").size[1] > 500  # two rows


def header_of(width, height):
    """A PNG that says it is so large, with next to nothing in it."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def picture_file(size=(50, 50)):
    file = io.BytesIO()
    Image.new("RGB", size, "lime").save(file, "PNG")
    return file.getvalue()


BROKEN = {
    "20,000 pixels a side": lambda path: path.write_bytes(header_of(20_000, 20_000)),
    "8,000 pixels a side, of which none is there": lambda path: path.write_bytes(header_of(8000, 8000)),
    "cut off": lambda path: path.write_bytes(picture_file()[:80]),
    "empty": lambda path: path.write_bytes(b""),
    "no picture": lambda path: path.write_bytes(b"%!PS\n"),
    "a flipped bit": lambda path: path.write_bytes(picture_file()[:-20] + b"\xff" + picture_file()[-19:]),
    "a pipe": os.mkfifo,
    "a folder": os.mkdir,
    "a link": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("make", BROKEN.values(), ids=BROKEN)
def test_a_broken_picture_is_left_out_with_a_line(tmp_path, make):
    said = []
    good = tmp_path / "good"
    good.mkdir()
    Image.new("RGB", (50, 50), "lime").save(good / "fakes000010.png")
    make(tmp_path / "fakes000010.png")
    runs = [result("ngd", GOOD, run=tmp_path), result("cs", GOOD, run=good)]
    summary.save_pictures(tmp_path / "a.png", runs, said.append)
    assert len(said) == 1
    assert said[0].startswith(f"left out of the pictures: {tmp_path / 'fakes000010.png'}")
    assert "\n" not in said[0]
    assert (0, 255, 0) in {c for _, c in Image.open(tmp_path / "a.png").convert("RGB").getcolors(10**6)}


def test_large_pictures_are_held_as_they_are_shown(tmp_path):
    (tmp_path / "a.png").write_bytes(picture_file((5000, 2500)))
    assert summary._picture(tmp_path / "a.png", print).size == (summary.SHOWN, summary.SHOWN // 2)
