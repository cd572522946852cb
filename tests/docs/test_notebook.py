"""``examples/start.ipynb`` runs, and shows what a reader should see: pictures, one bar or none, no errors, no walls of text."""

from __future__ import annotations

import base64
import io
import re

import pytest
from PIL import Image

from tests.docs.pages import ROOT

nbformat = pytest.importorskip("nbformat", reason="comes with nbclient")
NOTEBOOK = ROOT / "examples" / "start.ipynb"


def outputs(content):
    return [output for cell in content.cells for output in cell.get("outputs", ())]


def texts(content) -> str:
    return "\n".join(o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in outputs(content))


def looks_right(content) -> None:
    pictures = [o["data"]["image/png"] for o in outputs(content) if "image/png" in o.get("data", {})]
    assert len(pictures) >= 3
    for picture in pictures:
        image = Image.open(io.BytesIO(base64.b64decode(picture)))
        assert 300 < image.width < 1200
        assert image.convert("L").getextrema() != (0, 0)
    said = texts(content)
    assert not [o for o in outputs(content) if o.output_type == "error"]
    assert "\x1b" not in said  # no control characters of terminals
    assert "ipywidgets" not in said  # rich would ask for them
    assert len(said.splitlines()) < 60
    assert len(re.findall(r"^tick 0 ", said, re.MULTILINE)) == 1  # each line of the log once, whatever the bar does
    assert "mean score" in said


def test_what_is_kept_looks_right():
    content = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(content)
    looks_right(content)
    assert NOTEBOOK.stat().st_size < 300_000
    assert not re.search(r"/(?:home|root|work|tmp)/", NOTEBOOK.read_text(encoding="utf-8"))


def test_all_of_it_was_run():
    content = nbformat.read(NOTEBOOK, as_version=4)
    counts = [cell.execution_count for cell in content.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))


@pytest.mark.slow
def test_it_runs(monkeypatch):
    """As a reader would run it, from the first cell to the last."""
    pytest.importorskip("nbclient")
    monkeypatch.syspath_prepend(ROOT / "examples")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    import run_start

    looks_right(run_start.run())
