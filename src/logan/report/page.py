"""A run, or several beside each other, as one HTML file: nothing in it comes from elsewhere, and nothing from a run can act in it.

The content security policy forbids everything but the page's own style and script, which it knows by their hashes, and
pictures that are in the page. What comes from a run passes through :mod:`.markup`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

from logan import __version__
from logan.files import write_text
from logan.report import look_sections, overview, strips, svg_curves, tables_of_settings
from logan.report.frames import MOST_FRAMES, Encoder, Frame
from logan.report.looks import Looks
from logan.report.markup import Markup, data_block, join, tag, void
from logan.report.material import Material, Picture
from logan.report.quantities import charts
from logan.report.repeat_command import command

NAME = "report.html"
LETTERS = "ABCDEFGH"
"""Runs in one page, at most."""
STEP = (
    "Samples before and after steps of latent optimisation, by the run’s own settings: z moves to where D’s score of G(z) is "
    "higher. Below each sample stands its score."
)
SECTIONS = {
    "samples": "Samples over time",
    "curves": "Curves",
    "latent": "The latent step at work",
    "latents": "Truncation and interpolation",
    "memory": "Nearest training images",
    "watch": "Warnings of the watch",
    "how": "How it was trained",
}


def write(
    path: Path,
    runs: Sequence[Material],
    looks: Sequence[Looks],
    encoder: Encoder | None = None,
    live: float | None = None,
) -> None:
    """Write a page, in one move; arguments as those of :func:`page`.

    Raises:
        WriteError: if it cannot be written; what was there before is whole.
    """
    write_text(path, page(runs, looks, encoder, live))


def page(
    runs: Sequence[Material], looks: Sequence[Looks], encoder: Encoder | None = None, live: float | None = None
) -> str:
    """The page of one run, or of several on shared axes. The same runs give the same bytes.

    Args:
        runs: what their folders hold.
        looks: what the networks of each showed.
        encoder: remembers pictures from one page of a run to the next.
        live: seconds after which a browser should look again; None for a page that does not change any more.
    """
    encoder = encoder or Encoder()
    letters = LETTERS[: len(runs)]
    title = runs[0].name if len(runs) == 1 else f"{len(runs)} runs compared"
    frames, samples = _samples(runs, letters, encoder)
    drawn, chart_data = _curves(runs, letters)
    parts: dict[str, list[Markup]] = {
        "samples": [samples], "curves": [drawn], "latent": [tag("p", STEP)], "latents": [], "memory": [],
        "watch": [overview.warnings(runs, letters)], "how": [],
    }  # fmt: skip
    for i, (run, seen) in enumerate(zip(runs, looks, strict=True)):
        head = tag("h3", tag("b", letters[i]), " ", run.name, class_="run") if len(runs) > 1 else None
        effect, data = look_sections.latent_step(seen, f"path{i}")
        chart_data |= data
        parts["latent"].append(join(head, effect))
        parts["latents"].append(join(head, _latents(seen)))
        parts["memory"].append(join(head, look_sections.neighbours(seen)))
        parts["how"].append(join(head, _how(run, seen)))
    if len(runs) > 1:
        parts["how"].insert(
            0, tag("section", tag("h3", "Settings that differ"), tables_of_settings.differing(runs, letters))
        )
    body = join(
        tag("a", "To the samples", href="#samples", class_="skip"),
        _header(runs, looks, letters, title, live is not None),
        _navigation(),
        tag("main", *(_section(name, *content) for name, content in parts.items())),
        _footer(runs),
        data_block("data", {"frames": frames, "charts": chart_data, "live": live}),
    )
    return _document(title, body, live)


def _document(title: str, body: Markup, live: float | None) -> str:
    style, script = _asset("page.css"), _asset("page.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        f"base-uri 'none'; form-action 'none'"
    )
    again = (
        tag("noscript", void("meta", http_equiv="refresh", content=str(max(5, round(live)))))
        if live is not None
        else None
    )
    head = tag(
        "head",
        void("meta", charset="utf-8"),
        void("meta", http_equiv="Content-Security-Policy", content=policy),
        void("meta", name="viewport", content="width=device-width, initial-scale=1"),
        void("meta", name="color-scheme", content="light dark"),
        void("meta", name="referrer", content="no-referrer"),
        void("meta", name="generator", content=f"logan {__version__}"),
        again,
        tag("title", f"{title} · LOGAN"),
        void("link", rel="icon", href="data:,"),
        tag("style", Markup(style)),
    )
    return f"<!doctype html>\n{tag('html', head, tag('body', body, tag('script', Markup(script))), lang='en')}\n"


@cache
def _asset(name: str) -> str:
    return (files("logan.report") / name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _section(name: str, *content: Markup) -> Markup:
    return tag(
        "section", tag("h2", SECTIONS[name], id=f"{name}-title"), *content, id=name, aria_labelledby=f"{name}-title"
    )


def _navigation() -> Markup:
    links = (tag("li", tag("a", title, href=f"#{name}")) for name, title in SECTIONS.items())
    return tag("nav", tag("ul", *links), aria_label="Sections")


def _header(runs: Sequence[Material], looks: Sequence[Looks], letters: str, title: str, live: bool) -> Markup:
    if len(runs) > 1:
        return tag(
            "header",
            tag("p", "LOGAN · training report", class_="kicker"),
            tag("h1", title),
            overview.table_of_runs(runs, letters, live),
        )
    run = runs[0]
    return tag(
        "header",
        tag("p", "LOGAN · training report", class_="kicker"),
        tag("h1", title, " ", overview.chip(run, live)),
        tag("p", overview.sentence(run, looks[0]), class_="lead"),
        overview.tiles(run),
        overview.doubt(run),
    )


def _samples(runs: Sequence[Material], letters: str, encoder: Encoder) -> tuple[list[list[list[object]]], Markup]:
    """The frames for the slider, [kimg, source] by run, and the section, which shows the last of each without any script."""
    most = max(8, MOST_FRAMES // len(runs))
    all_frames = [encoder.frames(run.pictures, most, _best_kimg(run)) for run in runs]
    shown = [
        _shown(run, frames, letters[i] if len(runs) > 1 else "", i)
        for i, (run, frames) in enumerate(zip(runs, all_frames, strict=True))
    ]
    reals = next((frame for run in runs if run.reals and (frame := encoder.frame(Picture(0.0, run.reals)))), None)
    if reals is not None:
        picture = strips.picture(reals, "Real images of the training set")
        shown.append(tag("figure", picture, tag("figcaption", "real data"), class_="reals"))
    stops = sorted({frame.kimg for frames in all_frames for frame in frames})
    intro = tag("p", "Images from latents that are the same all through the run, by the moving average of G.")
    section = join(intro, _slider(stops) if len(stops) > 1 else None, tag("div", *shown, class_="grids"))
    return [[[frame.kimg, frame.source] for frame in frames] for frames in all_frames], section


def _best_kimg(run: Material) -> float | None:
    found = (run.best or {}).get("kimg")
    return float(found // 1) if isinstance(found, int | float) else None


def _shown(run: Material, frames: Sequence[Frame], letter: str, index: int) -> Markup:
    if not frames:
        return tag(
            "figure",
            tag("p", "There are no pictures of samples.", class_="absent"),
            tag("figcaption", letter or run.name),
        )
    last = frames[-1]
    alt = f"Samples of {f'run {letter}' if letter else 'the run'} after {last.kimg:,.0f} kimg"
    picture = strips.picture(last, alt, id=f"frame{index}")
    best = _best_kimg(run)
    note = f" · best at {best:,.0f} kimg" if best is not None else ""
    words = tag("span", f"{last.kimg:,.0f} kimg", id=f"at{index}")
    return tag("figure", picture, tag("figcaption", f"{letter} · " if letter else "samples · ", words, note))


def _slider(stops: Sequence[float]) -> Markup:
    last = len(stops) - 1
    return tag(
        "div",
        tag("button", "▶", type="button", id="play", aria_label="Play", title="Play"),
        tag("label", "thousands of images seen", for_="slider", class_="hidden"),
        void(
            "input",
            type="range",
            id="slider",
            min=0,
            max=last,
            value=last,
            step=1,
            aria_valuetext=f"{stops[-1]:,.0f} kimg",
        ),
        tag("output", f"{stops[-1]:,.0f} kimg", for_="slider", id="stop"),
        class_="slider",
    )


def _curves(runs: Sequence[Material], letters: str) -> tuple[Markup, dict[str, object]]:
    found: list[Markup] = []
    data: dict[str, object] = {}
    for chart in charts(runs, letters):
        drawn, data[chart.key] = svg_curves.draw(chart)
        found.append(drawn)
    if not found:
        return tag("p", "There is no log yet.", class_="absent"), {}
    legend = None
    if len(runs) > 1:
        legend = tag(
            "p",
            *(
                tag("span", svg_curves.swatch(i), " ", tag("b", letters[i]), " ", run.name, " ")
                for i, run in enumerate(runs)
            ),
            class_="legend",
        )
    probed = any(t["probe"] for run in runs for t in run.stats)
    note = None if probed else tag(
        "p", "How fast each player’s weights move is in the log of runs with ", tag("code", "--probe 100"), ".", class_="small"
    )  # fmt: skip
    hint = tag(
        "p",
        "Against thousands of real images seen (kimg). Point at a chart, or choose one and use ← and →, for its values.",
        class_="small",
    )
    return join(hint, legend, tag("div", *found, class_="panels"), note), data


def _latents(seen: Looks) -> Markup:
    truncated = (
        "Latents of the same samples, drawn nearer and nearer to the middle (section 5.4 of the paper): less variety, often more "
        "quality."
    )
    between = "From one sample to another through latent space. Jumps would be a sign of samples learnt by heart."
    return tag(
        "div",
        tag("div", tag("h3", "Truncation"), tag("p", truncated), look_sections.truncation(seen)),
        tag("div", tag("h3", "Interpolation"), tag("p", between), look_sections.interpolation(seen)),
        class_="halves",
    )


def _how(run: Material, seen: Looks) -> Markup:
    networks = None if seen.kimg is None else f"The networks shown at work are those at {seen.kimg:,.4g} kimg."
    typed = command(run.config) if run.config is not None else None
    missing = list(run.missing)
    repeat = join(tag("h3", "To repeat it"), tag("pre", tag("code", typed))) if typed else None
    environment = [
        (name.replace("_", " "), tables_of_settings.value_text(value))
        for name, value in list(run.environment.items())[:40]
    ]
    if run.version and "logan" not in run.environment:
        environment.insert(0, ("logan", run.version))
    if not run.environment:
        missing.append("Versions and device were not recorded (environment.json): the run is of an older version.")
    return join(
        tag("p", f"Folder: {run.path}. ", networks),
        repeat,
        tag("h3", "What differs from the preset"), tables_of_settings.changed(run), tables_of_settings.everything(run),
        tag("h3", "Environment") if environment else None,
        tables_of_settings.table(("what", "value"), environment) if environment else None,
        join(tag("h3", "What is missing"), tag("ul", *(tag("li", sentence) for sentence in missing))) if missing else None,
    )  # fmt: skip


def _footer(runs: Sequence[Material]) -> Markup:
    words = " ".join(str(run.path) for run in runs)
    return tag(
        "footer",
        tag(
            "p",
            f"Made by logan {__version__}: ",
            tag("code", f"logan report {words}"),
            ". Nothing in this page was loaded from a network.",
        ),
    )
