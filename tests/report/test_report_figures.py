"""How lines of a figure are told apart."""

from __future__ import annotations

import pytest
from PIL import Image

from logan.report.panels import LEGEND, Line, Panel, save, styles_of


def lines(n: int) -> list[Line]:
    return [Line(f"method {i}", [0, 1], [i, i + 1]) for i in range(n)]


def test_no_two_of_forty_labels_look_alike():
    styles = styles_of([*lines(40), *lines(40)])
    assert len(styles) == len(set(styles.values())) == 40


def test_a_line_like_another_has_its_colour_dashed():
    styles = styles_of([*lines(2), Line("without", [0], [0], like="method 1")])
    assert styles["without"] == (styles["method 1"][0], "--")
    assert styles["method 1"][1] == "-"


@pytest.mark.parametrize("n", [2, LEGEND + 1])
def test_a_long_legend_stands_below_the_axes(n, tmp_path):
    """Then the picture is higher, and the legend is drawn once and not in each panel."""
    save(tmp_path / "f", [Panel("a", "x", "y", lines(n)), Panel("b", "x", "y", lines(n))])
    text = (tmp_path / "f.svg").read_text()
    assert text.count("<!-- method 0 -->") == (1 if n > LEGEND else 2)
    with Image.open(tmp_path / "f.png") as picture:
        assert (picture.height > 4.3 * 110) == (n > LEGEND)
