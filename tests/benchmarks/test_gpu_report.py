"""The report of ``benchmarks/gpu.py``: aims, tables, curves and pictures."""

from __future__ import annotations

import json
import math

from on_gpu import (
    aims,
    drawing,
    written,
)
from on_gpu.parts import PARTS
from on_gpu.sheet import FAILED
from PIL import Image


def test_aims_beside_what_was_measured():
    row = {
        "precision": "bfloat16",
        "latent": "ngd",
        "engine": "compiled",
        "ms": 2.3,
        "ready_seconds": 130,
        "over_best_baseline": 2,
    }
    found = {
        "steps": {"rows": [row, row | {"engine": "plain", "ms": 9.0, "over_best_baseline": 8}]},
        "loop": {"rows": [{"preset": "digits", "latent": "ngd", "steps_per_second": 4000}]},
        "together": {"times_as_fast": 1.7},
        "biggan": {"rows": [{"latent": "ngd", "ms": 1.0, "kernels": 4000}]},
    }
    held = {a["aim"]: (a["measured"], a["holds"]) for a in aims.beside(found)}
    assert held["SN-DCGAN, LOGAN step of the fastest engine"] == (2.3, True)
    assert held["SN-DCGAN, LOGAN over the best step without"] == (2, True)
    assert held["SN-DCGAN, LOGAN step in the training loop"] == (None, None)
    assert held["digits in the training loop"] == (4000, False)
    assert held["four games together, over one after the other"] == (1.7, True)
    assert held["BigGAN-deep 128, kernels per LOGAN step"] == (4000, True)
    assert held["BigGAN-deep 128, batch 32, LOGAN's share of peak"] == (None, None)
    assert held["compiling a step of SN-DCGAN"] == (130, False)
    assert all(a["holds"] is None for a in aims.beside(found, tiny=True))
    assert all(a["measured"] is None for a in aims.beside({}))


def test_a_report_of_parts_that_have_not_come_far(tmp_path):
    found = {
        part.name: {"part": part.name, "status": FAILED, "reason": "a\nb", "last_lines": ["x | y"]} for part in PARTS
    }
    written.save(tmp_path, PARTS, found, 9, 100, False)
    text = (tmp_path / "report.md").read_text()
    assert all(f"## {part.title}" in text for part in PARTS)
    assert "failed: a\n" in text
    written.save(tmp_path, PARTS, {"tests": found["tests"]}, 9, 1, False)
    assert json.loads((tmp_path / "report.json").read_text())["parts"]["table2"] == "not yet"


def test_curves_and_pictures(tmp_path):
    rows = [
        {"method": m, "steps": s, "fid10k": 10.0 / s, "is10k": None, "d_loss": math.nan}
        for m in ("none", "none:update=alternating")
        for s in (1, 2)
    ]
    drawing.save_curves(tmp_path / "curves.png", rows)
    assert Image.open(tmp_path / "curves.png").width > 1000
    assert drawing.named("ngd:update=alternating") == "ngd, alternating"
    Image.new("RGB", (100, 100)).save(tmp_path / "a.png")
    drawing.save_pictures(tmp_path / "pictures.png", {"a": tmp_path / "a.png", "b": tmp_path / "a.png"}, 7)
    assert Image.open(tmp_path / "pictures.png").width > 600
