"""Curves as SVG inside a page: no colour is needed to tell them apart, and no script to read them.

Each line has dashes and marks of its own and its name at its end. A chart is as wide as a phone: pages put several beside
each other instead of stretching one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from logan.report import ticks
from logan.report.markup import Markup, join, tag, void

WIDTH, HEIGHT = 360, 216
LEFT, TOP, BOTTOM = 46, 10, 26
LETTER = 6.4
"""How wide a character of a label is, about."""
MOST_POINTS = 240
"""Of a line; of a longer log, means of ticks in a row are drawn."""
BEYOND = 1e100
"""Values from here on (and those that are none) are left out: a run that has diverged."""
MARKS = 5
"""Marks on a line."""
DASHES = (None, "6 3", "2 2.5", "9 3 2 3", "1 3", "12 4", "5 2 1 2 1 2", "3 5")
KINDS = 8
"""Lines that differ in dashes, marks and colour."""


@dataclass(frozen=True)
class Line:
    """One curve.

    Attributes:
        label: what stands at its end: a word or two.
        points: (x, y) in order of x.
        style: which dashes, marks and colour, from 0.
    """

    label: str
    points: Sequence[tuple[float, float]]
    style: int = 0


@dataclass(frozen=True)
class Chart:
    """One pair of axes.

    Attributes:
        key: of the chart in the page.
        title: what is drawn.
        about: how to read it, in a sentence.
        lines: the curves.
        log: logarithmic upwards, if all values permit.
        events: (x, word): upright lines, as where an alarm was raised.
        best: (line, x): a point with a ring.
        shared: (from, to) of x.
        x_label: what is to the right.
    """

    key: str
    title: str
    about: str
    lines: Sequence[Line]
    log: bool = False
    events: Sequence[tuple[float, str]] = ()
    best: Sequence[tuple[int, float]] = ()
    shared: tuple[float, float] | None = None
    x_label: str = "kimg"


@dataclass
class _Scale:
    """From values to pixels."""

    low: float
    high: float
    begin: float
    end: float
    log: bool = False
    _low: float = field(init=False)
    _span: float = field(init=False)

    def __post_init__(self) -> None:
        self._low = math.log10(self.low) if self.log else self.low
        self._span = (math.log10(self.high) if self.log else self.high) - self._low

    def __call__(self, value: float) -> float:
        at = math.log10(value) if self.log else value
        return self.begin + (at - self._low) / self._span * (self.end - self.begin)

    def marks(self, about: int = 4) -> list[float]:
        return ticks.logarithmic(self.low, self.high) if self.log else ticks.linear(self.low, self.high, about)


def thinned(points: Sequence[tuple[float, float]], most: int = MOST_POINTS) -> list[tuple[float, float]]:
    """The points that can be drawn, ``most`` at most: means of so many in a row, each at the x of the last of them."""
    finite = [(x, y) for x, y in points if abs(x) < BEYOND and abs(y) < BEYOND]
    size = -(-len(finite) // most) if finite else 1
    parts = [finite[i : i + size] for i in range(0, len(finite), size)]
    return [(part[-1][0], math.fsum(y for _, y in part) / len(part)) for part in parts]


def draw(chart: Chart) -> tuple[Markup, dict[str, object]]:
    """A figure with the chart, and what the page's script needs to show the values under the pointer."""
    lines = [Line(line.label, thinned(line.points), line.style % KINDS) for line in chart.lines]
    lines = [line for line in lines if line.points]
    right = WIDTH - 12 - min(110, max(24.0, *(LETTER * len(line.label) for line in lines)))
    x, y = _scales(chart, lines, right)
    drawn = [
        _grid(x, y, right, chart.x_label),
        *(_event(x(at), word) for at, word in chart.events if x.low <= at <= x.high),
        *(_line(line, x, y) for line in lines),
        *_labels(lines, x, y),
        *_rings(chart, lines, x, y),
        void("line", class_="cursor", x1=0, x2=0, y1=TOP, y2=HEIGHT - BOTTOM, visibility="hidden"),
    ]
    svg = tag(
        "svg", *drawn, class_="chart", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", tabindex="0", data_chart=chart.key,
        aria_label=f"{chart.title}. {described(lines, chart.x_label)}",
    )  # fmt: skip
    readout = tag("p", _values_at_the_end(lines, chart.x_label), class_="readout")
    caption = tag("figcaption", tag("h3", chart.title), tag("p", chart.about, class_="about"), readout)
    data = {
        "x": [[point[0] for point in line.points] for line in lines],
        "y": [[point[1] for point in line.points] for line in lines],
        "labels": [line.label for line in lines],
        "unit": chart.x_label,
        "scale": [x.low, x.high, x.begin / WIDTH, x.end / WIDTH],
    }
    return tag("figure", caption, svg, class_="panel"), data


def described(lines: Sequence[Line], x_label: str) -> str:
    """The curves in words."""
    told = []
    for line in lines:
        values = [y for _, y in line.points]
        first, last = ticks.number(values[0]), ticks.number(values[-1])
        low, high = ticks.number(min(values)), ticks.number(max(values))
        told.append(f"{line.label}: from {first} to {last} at {ticks.number(line.points[-1][0], 4)} {x_label}, "
                    f"between {low} and {high}.")  # fmt: skip
    return " ".join(told)


def swatch(style: int) -> Markup:
    """A short piece of a line of that style, for lists beside charts."""
    line = void(
        "line", class_=f"line s{style % KINDS}", x1=1, x2=33, y1=7, y2=7, stroke_dasharray=DASHES[style % KINDS]
    )
    return tag("svg", line, _mark(style % KINDS, 17, 7), class_="swatch", viewBox="0 0 34 14", aria_hidden="true")


def _values_at_the_end(lines: Sequence[Line], x_label: str) -> Markup:
    ends = {line.points[-1][0] for line in lines}
    when = f"{ticks.number(max(ends), 4)} {x_label}" if len(ends) == 1 else "last"
    values = [tag("span", tag("b", line.label), " ", ticks.number(line.points[-1][1], 4)) for line in lines]
    return join(tag("span", when), *values)


def _scales(chart: Chart, lines: Sequence[Line], right: float) -> tuple[_Scale, _Scale]:
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points]
    low, high = chart.shared or (min(xs), max(xs))
    x = _Scale(low, high if high > low else low + 1, LEFT, right)
    log = chart.log and min(ys) > 1 / BEYOND
    bottom, top = min(ys), max(ys)
    if log:
        room = max((math.log10(top) - math.log10(bottom)) * 0.06, 0.02)
        bottom, top = 10 ** (math.log10(bottom) - room), 10 ** (math.log10(top) + room)
    else:
        room = (top - bottom) * 0.06 or abs(top) * 0.1 or 1.0
        bottom, top = (bottom if bottom == 0 else bottom - room), top + room
    return x, _Scale(bottom, top, HEIGHT - BOTTOM, TOP, log)


def _grid(x: _Scale, y: _Scale, right: float, x_label: str) -> Markup:
    rows = [
        join(
            void("line", class_="grid", x1=LEFT, x2=_px(right), y1=_px(y(v)), y2=_px(y(v))),
            tag("text", ticks.number(v), class_="tick", x=LEFT - 6, y=_px(y(v) + 3.5), text_anchor="end"),
        )
        for v in y.marks()
    ]
    below, at = HEIGHT - BOTTOM + 14, x.marks(3)
    columns = [
        tag("text", ticks.number(v, 4), class_="tick", x=_px(x(v)), y=below, text_anchor="middle") for v in at[:-1]
    ]
    last = f"{ticks.number(at[-1], 4)} {x_label}"
    place = min(x(at[-1]) + 3 * len(ticks.number(at[-1], 4)) + 5.8 * (len(x_label) + 1), WIDTH - 2)
    columns.append(tag("text", last, class_="tick", x=_px(place), y=below, text_anchor="end"))
    axis = void("line", class_="axis", x1=LEFT, x2=_px(right), y1=HEIGHT - BOTTOM, y2=HEIGHT - BOTTOM)
    return join(*rows, axis, *columns)


def _event(at: float, word: str) -> Markup:
    line = void("line", class_="event", x1=_px(at), x2=_px(at), y1=TOP, y2=HEIGHT - BOTTOM)
    flag = tag("text", "!", class_="flag", x=_px(at), y=TOP + 9, text_anchor="middle")
    return tag("g", tag("title", word), line, void("circle", class_="flag", cx=_px(at), cy=TOP + 5, r=6), flag)


def _line(line: Line, x: _Scale, y: _Scale) -> Markup:
    places = [(x(a), y(b)) for a, b in line.points]
    path = "M" + "L".join(f"{_px(a)} {_px(b)}" for a, b in places)
    shown = places if len(places) <= MARKS + 2 else [places[i] for i in _spread(len(places), line.style)]
    return join(
        void("path", class_=f"line s{line.style}", d=path, stroke_dasharray=DASHES[line.style]),
        *(_mark(line.style, a, b) for a, b in shown),
    )


def _spread(n: int, style: int) -> list[int]:
    """Which of n points are marked: others for each style, so that marks of curves that meet do not hide each other."""
    return sorted({min(n - 1, round((i + (style % 4 + 1) / 5) * (n - 1) / MARKS)) for i in range(MARKS)} | {n - 1})


def _mark(style: int, x: float, y: float) -> Markup:
    """A disc, square, triangle, diamond, ring, cross, triangle on its head, or a square's outline."""
    r = 3.2
    kind = f"mark s{style}" + (" hollow" if style in (4, 7) else "")
    if style in (0, 4):
        return void("circle", class_=kind, cx=_px(x), cy=_px(y), r=r)
    shapes = {
        1: ((-r, -r), (r, -r), (r, r), (-r, r)),
        2: ((0, -r - 1), (r + 0.6, r - 0.4), (-r - 0.6, r - 0.4)),
        3: ((0, -r - 1), (r + 1, 0), (0, r + 1), (-r - 1, 0)),
        6: ((0, r + 1), (r + 0.6, 0.4 - r), (-r - 0.6, 0.4 - r)),
        7: ((-r, -r), (r, -r), (r, r), (-r, r)),
    }
    if style == 5:
        d = f"M{_px(x - r)} {_px(y - r)}L{_px(x + r)} {_px(y + r)}M{_px(x - r)} {_px(y + r)}L{_px(x + r)} {_px(y - r)}"
        return void("path", class_=f"line s{style}", d=d)
    return void("path", class_=kind, d="M" + "L".join(f"{_px(x + a)} {_px(y + b)}" for a, b in shapes[style]) + "Z")


def _labels(lines: Sequence[Line], x: _Scale, y: _Scale) -> list[Markup]:
    """Names at the ends of the lines, moved apart where they would lie on each other."""
    wanted = sorted((y(line.points[-1][1]), i) for i, line in enumerate(lines))
    places: list[float] = []
    for at, _ in wanted:
        places.append(max(at, places[-1] + 13 if places else TOP + 6))
    excess = max(0.0, places[-1] - (HEIGHT - BOTTOM - 2)) if places else 0.0
    for k in range(len(places) - 1, -1, -1):  # back up, from the lowest on
        limit = (places[k + 1] - 13) if k + 1 < len(places) else places[k] - excess
        places[k] = min(places[k], limit)
    return [
        tag(
            "text",
            lines[i].label[:17],
            class_=f"label s{lines[i].style}",
            x=_px(x(lines[i].points[-1][0]) + 8),
            y=_px(place + 4),
        )
        for place, (_, i) in zip(places, wanted, strict=True)
    ]


def _rings(chart: Chart, lines: Sequence[Line], x: _Scale, y: _Scale) -> list[Markup]:
    found = []
    for index, at in chart.best:
        points = lines[index].points if index < len(lines) else ()
        value = next((b for a, b in points if a == at), None)
        if value is not None:
            ring = void("circle", class_="ring", cx=_px(x(at)), cy=_px(y(value)), r=7)
            found.append(tag("g", tag("title", f"best: {ticks.number(value, 4)}"), ring))
    return found


def _px(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
