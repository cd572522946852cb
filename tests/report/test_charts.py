"""Curves: the right points in the right places, told apart without colour, and said in words."""

from __future__ import annotations

import doctest
import math
import re
from itertools import pairwise

import pytest

from logan.report import markup, quantities, repeat_command, svg_curves, ticks
from logan.report.frames import thinned
from logan.report.material import Material, Picture
from logan.report.svg_curves import Chart, Line, draw


@pytest.mark.parametrize("module", [markup, ticks, repeat_command], ids=lambda m: m.__name__.rpartition(".")[2])
def test_examples(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def path_of(svg, style):
    """The points of a line, in pixels."""
    (d,) = re.findall(rf'<path class="line s{style}" d="M([^"]+)"', svg)
    return [tuple(map(float, pair.split())) for pair in d.split("L")]


def test_points_are_where_they_belong():
    chart = Chart("a", "A", "about", [Line("y", [(0, 0.0), (50, 5.0), (100, 10.0)])], shared=(0, 100))
    svg, data = draw(chart)
    (x0, y0), (x1, y1), (x2, y2) = path_of(svg, 0)
    assert x0 == svg_curves.LEFT
    assert (x1, y1) == pytest.approx(((x0 + x2) / 2, (y0 + y2) / 2), abs=0.11)
    assert y0 == svg_curves.HEIGHT - svg_curves.BOTTOM  # zero is the axis
    assert y0 > y1 > y2 > svg_curves.TOP
    low, high, begin, end = data["scale"]
    assert (low, high) == (0, 100)
    assert begin * svg_curves.WIDTH == x0
    assert end * svg_curves.WIDTH == pytest.approx(x2, abs=0.06)


def test_logarithmic_where_all_values_permit():
    points = [(1, 1.0), (2, 10.0), (3, 100.0)]
    (_, a), (_, b), (_, c) = path_of(draw(Chart("a", "A", "", [Line("y", points)], log=True))[0], 0)
    assert a - b == pytest.approx(b - c, abs=0.11)
    (_, a), (_, b), (_, c) = path_of(draw(Chart("a", "A", "", [Line("y", [*points[:2], (3, 0.0)])], log=True))[0], 0)
    assert c > a > b  # linear then


@pytest.mark.parametrize(
    "values", [[math.nan], [1.0], [0.0, 0.0], [1e-300, 1e300], [math.inf, 1.0, -math.inf], [-1e308, 1e308], [5e-324]]
)
@pytest.mark.parametrize("log", [False, True])
def test_no_value_breaks_a_chart(values, log):
    svg, _ = draw(Chart("a", "A", "", [Line("y", list(enumerate(values))), Line("z", [(0, 1.0)], 1)], log=log))
    assert not re.search(r'"[^"]*\b(nan|inf)\b[^"]*"', svg), svg


def test_lines_differ_in_more_than_colour():
    lines = [Line(f"run {i}", [(k, float(i + k)) for k in range(30)], i) for i in range(svg_curves.KINDS)]
    svg, _ = draw(Chart("a", "A", "", lines))
    dashes = re.findall(r'<path class="line s(\d)" d="[^"]*"(?: stroke-dasharray="([^"]*)")?/>', svg)
    assert len({d for style, d in dashes if style != "5" or d}) == svg_curves.KINDS
    shapes = {
        re.sub(r"-?[\d.]+", "", svg_curves._mark(i, 0, 0).replace(f"s{i}", "")) + str(i in (0, 3, 7)) for i in range(8)
    }
    assert len(shapes) >= 5
    for line in lines:  # names at the ends
        assert re.search(rf'<text class="label s{line.style}"[^>]*>{line.label}</text>', svg)


def test_names_do_not_lie_on_each_other():
    lines = [Line(f"run {i}", [(0, 0.0), (10, 5.0 + i / 1000)], i) for i in range(8)]
    svg, _ = draw(Chart("a", "A", "", lines))
    places = sorted(float(y) for y in re.findall(r'<text class="label[^>]* y="([\d.]+)"', svg))
    assert all(b - a >= 12.9 for a, b in pairwise(places))
    assert places[-1] < svg_curves.HEIGHT


def test_a_long_log_becomes_means():
    points = [(k, float(k % 2)) for k in range(1000)]
    short = svg_curves.thinned(points)
    assert len(short) == 200
    assert short[-1][0] == 999
    assert {round(y, 6) for _, y in short} == {0.4, 0.6}
    assert svg_curves.thinned([(0, math.nan), (1, 2.0)]) == [(1, 2.0)]


def test_a_curve_in_words():
    svg, _ = draw(Chart("a", "Losses", "", [Line("D", [(0, 3.0), (50, 1.0), (100, 2.0)])]))
    assert 'aria-label="Losses. D: from 3 to 2 at 100 kimg, between 1 and 3."' in svg


def test_an_alarm_is_drawn_where_it_was_raised():
    line = Line("y", [(0, 0.0), (100, 1.0)])
    svg, _ = draw(Chart("a", "A", "", [line], events=[(50, "D has given up"), (500, "not in the chart")]))
    (at,) = re.findall(r'<line class="event" x1="([\d.]+)"', svg)
    assert float(at) == pytest.approx((path_of(svg, 0)[0][0] + path_of(svg, 0)[1][0]) / 2, abs=0.11)
    assert "not in the chart" not in svg


def test_the_best_snapshot_has_a_ring(tmp_path):
    stats = [{"kimg": float(k), "metrics": {"fid10k": 50.0 - k}, "alarms": [], "probe": []} for k in range(5)]
    run = Material("a", tmp_path, stats=stats, best={"by": "fid10k", "kimg": 3.0, "scores": {"fid10k": 47.0}})
    (chart,) = quantities.charts([run], "A")
    svg, _ = draw(chart)
    (x,) = re.findall(r'<circle class="ring" cx="([\d.]+)"', svg)
    assert float(x) == pytest.approx(path_of(svg, 0)[3][0], abs=0.11)


def test_leads_and_updates(tmp_path):
    """D's lead is before the move: the log has D(G(z′)) and what the move gained; only a part of the latents may be moved."""
    tick = {"kimg": 2.0, "steps": 4, "real_score": 1.0, "fake_score": -1.0, "score_gain": 0.5, "alarms": []}
    tick["probe"] = [{"steps": 2, "d_update": 0.1, "g_update": None}]
    settings = {"latent": {"latent_share": 0.5, "latent_every": 2}}
    run = Material("a", tmp_path, settings=settings, stats=[tick])
    assert quantities.points_of(run, "lead") == [(2.0, 2.125)]
    assert quantities.points_of(run, "probe.d_update") == [(1.0, 0.1)]
    assert quantities.points_of(run, "probe.g_update") == []
    assert {"D's lead", "Update sizes"} <= {chart.title for chart in quantities.charts([run], "A")}


def test_which_pictures_stay(tmp_path):
    pictures = [Picture(float(k), tmp_path) for k in range(251)]
    kept = [p.kimg for p in thinned(pictures, 100, keep=123.0)]
    assert len(kept) == 100
    assert kept == sorted(kept)
    assert kept[0] == 0
    assert kept[-1] == 250
    assert 123 in kept
    assert max(b - a for a, b in pairwise(kept)) <= 5
    assert thinned(pictures[:7], 100) == pictures[:7]
