"""Pictures of what people see in a browser, for the documentation: laptop and phone, light and dark.

    python benchmarks/screenshots.py --out docs/images            # trains digits for two minutes, and takes all pictures
    python benchmarks/screenshots.py --run runs/00003-digits-ngd --only report

Needs Playwright, Gradio (the extra "demo"), and a Chromium or Chrome of the system. To add pictures, write a function that yields
scenes, and enter it in ``SCENES``.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WINDOWS = {"laptop": (1280, 800), "phone": (390, 844)}
COLOURS = {"light": False, "dark": True}
MOST_BYTES = 200_000
"""Of a picture."""


@dataclass(frozen=True)
class Scene:
    """What is photographed, in every window and every colour.

    Attributes:
        name: the picture's, before the window's: ``report`` makes ``report-laptop-light.png``.
        url: of the page.
        prepare: is given Playwright's page once it is loaded, to go to the place of which the picture is.
    """

    name: str
    url: str
    prepare: Callable[[Any], None] = lambda page: None


def report(run: Path) -> Iterator[Scene]:
    """The report of a run: its top, its curves, what the latent step does, and the training images."""
    from logan.report import material, page
    from logan.report.networks_of import look_at

    page.write(run / page.NAME, [material.read(run)], [look_at(run, "cpu")])
    url = (run / page.NAME).resolve().as_uri()
    yield Scene("report", url)
    for section in ("curves", "latent", "memory"):
        yield Scene(f"report-{section}", url, _at(section))


def demo(run: Path) -> Iterator[Scene]:
    """The demo of a run: its samples, a way between two of them, and latent optimisation."""
    from logan.demo.app import gradio, serve
    from logan.sampling import load

    address = serve(load(run, "cpu"), run.name, "127.0.0.1", None, wait=False)
    try:
        yield Scene("demo", address, _drawn(1))
        yield Scene("demo-interpolation", address, _tab("Interpolation", 2))
        yield Scene("demo-latent", address, _tab("Latent step", 3, "D's mean score:"))
    finally:
        gradio().close_all()


SCENES: dict[str, Callable[[Path], Iterator[Scene]]] = {"report": report, "demo": demo}
"""By what ``--only`` calls them: of a run folder, scenes; a server may be started before the first, and ended after the last."""


def _at(section: str) -> Callable[[Any], None]:
    """Scroll to a section, below the bar that stays on top."""
    return lambda page: page.evaluate(
        "(name) => { document.documentElement.style.scrollBehavior = 'auto'; document.getElementById(name).scrollIntoView(); }",
        section,
    )


def _drawn(count: int) -> Callable[[Any], None]:
    """Wait until so many pictures are seen."""
    return lambda page: page.wait_for_function(
        "count => [...document.querySelectorAll('img')].filter(i => i.offsetParent && i.naturalWidth).length >= count",
        arg=count, timeout=60_000,
    )  # fmt: skip


def _tab(name: str, count: int, down_to: str | None = None) -> Callable[[Any], None]:
    """Open a tab of the demo, once the first has been drawn, and wait for its pictures; scroll no further than a text needs."""

    def prepare(page: Any) -> None:
        _drawn(1)(page)
        page.get_by_role("tab", name=name).click()
        _drawn(count)(page)
        if down_to is not None:
            page.get_by_text(down_to).scroll_into_view_if_needed()

    return prepare


def photograph(browser: Any, scene: Scene, out: Path) -> None:
    """One picture for every window and colour."""
    for window, (width, height) in WINDOWS.items():
        for colour, dark in COLOURS.items():
            scheme = "dark" if dark else "light"
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
            page = context.new_page()
            page.goto(scene.url)
            scene.prepare(page)
            page.wait_for_timeout(300)
            save(page.screenshot(), out / f"{scene.name}-{window}-{colour}.png")
            context.close()


def save(data: bytes, path: Path) -> None:
    """Write a screenshot as a PNG of few colours: as many as fit."""
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    for colours in (256, 128, 64, 32):
        picture.quantize(colours, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size < MOST_BYTES:
            break
    print(f"{path}: {path.stat().st_size // 1000} kB")


def trained(outdir: Path) -> Path:
    """The digits, at the preset's length, with a picture every 20 kimg."""
    from logan.config import presets
    from logan.training.loop import train

    config = presets.get("digits")
    return train(replace(config, run=replace(config.run, tick=4, snap=5)), outdir=outdir, report=True)


def main() -> int:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="a run folder; by default one is trained")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--only", choices=SCENES, action="append", help="these alone")
    given = parser.parse_args()
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        print(f"no browser is installed: none of {', '.join(BROWSERS)}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        run = given.run or trained(Path(folder))
        given.out.mkdir(parents=True, exist_ok=True)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
            for name in given.only or SCENES:
                for scene in SCENES[name](run):
                    photograph(browser, scene, given.out)
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
