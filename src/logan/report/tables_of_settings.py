"""Settings as tables: those of one run, with what differs from its preset, and those in which several runs differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from logan.report.markup import Markup, join, tag
from logan.report.material import Material
from logan.report.repeat_command import changes

GROUPS = {
    "data": "Data",
    "networks": "Networks",
    "latent": "Latent step",
    "game": "Game",
    "run": "Run",
    "scores": "Scores",
}
MOST_ROWS = 300


def table(head: Sequence[object], rows: Sequence[Sequence[object]], caption: str | None = None) -> Markup:
    """A table whose first column names its rows; wide ones scroll by themselves."""
    top = tag("tr", *(tag("th", cell, scope="col") for cell in head))
    body = [tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:])) for row in rows]
    title = tag("caption", caption) if caption else None
    return tag("div", tag("table", title, tag("thead", top), tag("tbody", *body)), class_="wide", tabindex="0")


def value_text(value: Any) -> str:
    """A setting's value for people."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return " ".join(map(value_text, value[:40])) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def changed(run: Material) -> Markup:
    """What differs from the preset."""
    if run.config is None:
        return tag("p", "Which settings differ from the preset is not known.")
    found = changes(run.config)
    if not found:
        return tag("p", "All settings are the preset's own.")
    rows = [(tag("code", c.name), value_text(c.value), value_text(c.usual)) for c in found]
    return table(("setting", "this run", f"preset {run.config.preset}"), rows)


def everything(run: Material) -> Markup:
    """All settings, folded away."""
    parts = []
    for group, values in run.settings.items():
        if not isinstance(values, dict):
            continue
        rows = [(tag("code", name), value_text(value)) for name, value in list(values.items())[:MOST_ROWS]]
        parts.append(table(("setting", "value"), rows, GROUPS.get(group, group)))
    if not parts:
        return join()
    return tag("details", tag("summary", "All settings"), tag("div", *parts[:12], class_="tables"))


def differing(runs: Sequence[Material], letters: Sequence[str]) -> Markup:
    """The settings in which several runs differ."""
    flat = [_flat(run.settings) for run in runs]
    names = list(dict.fromkeys(name for values in flat for name in values))
    rows = []
    for name in names:
        values = [value_text(one[name]) if name in one else "not given" for one in flat]
        if len(set(values)) > 1:
            rows.append((tag("code", name), *values))
    if not rows:
        return tag("p", "All settings are the same.")
    return table(("setting", *letters), rows[:MOST_ROWS])


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for group, values in settings.items():
        for name, value in values.items() if isinstance(values, dict) else [("", values)]:
            found[f"{group}.{name}" if name else group] = value
    return found
