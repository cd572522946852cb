"""A real browser for tests: the system's Chromium, headless, driven by Playwright. Tests skip where there is none.

A folder's ``conftest.py`` imports the fixture ``browser``; tests open pages with :func:`opened`, which fails the test if the page
wrote to the console or asked for anything that it should not.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
LAPTOP, PHONE = (1280, 800), (390, 844)
_WATCH_SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.shifts.push(entry.value);
}).observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture(scope="module")
def browser():
    """Chromium, for the tests of a module: Playwright's loop must not outlive it."""
    with chromium() as started:
        yield started


@contextmanager
def chromium():
    """The browser; pytest.skip where it cannot be had."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"no browser is installed: none of {', '.join(NAMES)}")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield started
        finally:
            started.close()


@contextmanager
def opened(browser, url: str, size=LAPTOP, *, dark=False, allowed=(), **context) -> Iterator:
    """A page, loaded; on leaving, its console was silent, nothing failed, and nothing else was asked for.

    Args:
        browser: the fixture.
        url: of the page: ``file://…`` or ``http://127.0.0.1:…``.
        size: of the window, in CSS pixels.
        dark: the person prefers dark colours.
        allowed: beginnings of further addresses that the page may ask for.
        context: further arguments of Playwright's ``new_context``.
    """
    width, height = size
    scheme = "dark" if dark else "light"
    own = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **context)
    page = own.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("request", lambda request: asked.append(request.url))
    page.add_init_script(_WATCH_SHIFTS)
    try:
        page.goto(url)
        yield page
        fine = (url, "data:", "blob:", *allowed)
        assert [a[:200] for a in asked if not a.startswith(fine)] == []
        assert said == []
    finally:
        own.close()


def layout_shift(page) -> float:
    """How far things have moved by themselves since the page was opened (cumulative layout shift), also after input."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return page.evaluate("() => window.shifts.reduce((a, b) => a + b, 0)")


def overflows(page) -> bool:
    """Whether the page can be scrolled sideways."""
    return page.evaluate("() => document.documentElement.scrollWidth > document.documentElement.clientWidth")


def seconds_to_open(page) -> float:
    """From the navigation's beginning until everything was loaded, by the browser's own clock."""
    return page.evaluate("() => performance.getEntriesByType('navigation')[0].loadEventEnd / 1000")
