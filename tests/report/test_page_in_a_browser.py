"""The page as a person meets it: in a real browser, on a laptop and on a phone, by pointer and by keyboard."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from logan.report import frames, looks, material, page
from logan.report.networks_of import look_at

from ..browser import LAPTOP, PHONE, layout_shift, opened, overflows, seconds_to_open
from . import synthetic


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    path = synthetic.add_networks(synthetic.folder(tmp_path_factory.mktemp("runs") / "00000-digits-ngd", snapshots=6))
    page.write(path / "report.html", [material.read(path)], [look_at(path, "cpu")])
    return (path / "report.html").as_uri()


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    outdir = tmp_path_factory.mktemp("runs")
    evil = [{"alarm": "x", "since": 1, "what": "</script><img src=x onerror=alert(1)>"}]
    paths = [
        synthetic.folder(outdir / "a-run-with-a-name-that-is-far-too-long-for-a-phone-in-every-way", alarms=evil),
        synthetic.add_networks(
            synthetic.folder(outdir / "<b>", synthetic.small("ring")), synthetic.small("ring"), size=1, channels=2
        ),
    ]
    out = outdir / "report.html"
    page.write(out, [material.read(p) for p in paths], [look_at(p, "cpu") for p in paths])
    return out.as_uri()


def place(element):
    """Where an element lies in the page, wherever that is scrolled to."""
    return element.evaluate(
        "(e) => { const b = e.getBoundingClientRect(); return [b.x + scrollX, b.y + scrollY, b.width, b.height]; }"
    )


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_the_slider_changes_the_picture_and_moves_nothing(browser, url, size):
    with opened(browser, url, size) as shown:
        image, slider = shown.locator("#frame0"), shown.locator("#slider")
        box, seen = place(image), [image.get_attribute("src")]
        slider.focus()
        for _ in range(3):
            shown.keyboard.press("ArrowLeft")
            seen.append(image.get_attribute("src"))
        assert len(set(seen)) == 4
        assert shown.locator("#at0").inner_text() == shown.locator("#stop").inner_text() == "20 kimg"
        assert image.get_attribute("alt") == "Samples of the run after 20 kimg"
        assert slider.get_attribute("aria-valuetext") == "20 kimg"
        slider.fill("0")
        assert image.get_attribute("src") not in seen
        assert place(image) == box
        assert image.evaluate("(i) => i.decode().then(() => i.naturalWidth)") > 0
        assert layout_shift(shown) == 0


def test_play_goes_through_all_of_them(browser, url):
    with opened(browser, url) as shown:
        shown.locator("#play").click()
        assert shown.locator("#play").get_attribute("aria-label") == "Pause"
        shown.wait_for_function("() => document.getElementById('slider').value === '6'", timeout=10_000)
        assert shown.locator("#play").get_attribute("aria-label") == "Play"
        assert shown.locator("#at0").inner_text() == "40 kimg"


def test_values_under_the_pointer_and_by_keyboard(browser, url):
    with opened(browser, url) as shown:
        panel = shown.locator("figure.panel", has=shown.locator("h3", has_text="‖g‖²"))
        chart, readout = panel.locator("svg"), panel.locator(".readout")
        chart.scroll_into_view_if_needed()
        at_rest, box, before = readout.inner_text(), chart.bounding_box(), place(chart)
        shown.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
        assert readout.inner_text() != at_rest
        assert chart.locator(".cursor").get_attribute("visibility") == "visible"
        shown.mouse.move(0, 0)
        assert readout.inner_text() == at_rest
        chart.focus()
        shown.keyboard.press("Home")
        assert readout.inner_text().split() == ["1", "kimg", "‖g‖²", "1"]
        shown.keyboard.press("ArrowRight")
        assert readout.inner_text().split() == ["2", "kimg", "‖g‖²", "0.1"]
        shown.keyboard.press("Escape")
        assert readout.inner_text() == at_rest
        assert place(chart) == before
        assert layout_shift(shown) == 0


@pytest.mark.parametrize("size", [(360, 740), PHONE, (768, 1024), LAPTOP])
def test_nothing_is_wider_than_the_screen(browser, url, comparison, size):
    for address in (url, comparison):
        with opened(browser, address, size, dark=size == PHONE) as shown:
            assert not overflows(shown)
            assert layout_shift(shown) == 0


def test_a_strangers_comparison_does_nothing(browser, comparison):
    with opened(browser, comparison) as shown:
        shown.on("dialog", lambda dialog: pytest.fail(dialog.message))
        assert shown.locator("img[onerror]").count() == 0
        shown.locator("#slider").fill("1")
        assert shown.locator("#frame1").evaluate("(i) => i.decode().then(() => i.naturalWidth)") > 0


def test_without_scripts_there_is_the_last_picture(browser, url):
    with opened(browser, url, java_script_enabled=False) as shown:
        assert shown.locator("#frame0").get_attribute("src").startswith("data:image/")
        assert shown.locator("#at0").inner_text() == "40 kimg"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_texts_stand_out_from_their_background(browser, url, dark):
    """WCAG's contrast of 4.5 to 1, of every colour that text and lines' names have."""
    with opened(browser, url, dark=dark) as shown:
        ratios = shown.evaluate(
            """() => {
              const style = getComputedStyle(document.documentElement), of = (name) => style.getPropertyValue(name).trim();
              const light = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255)
                .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
                .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
              const found = {};
              for (const ink of ["--ink", "--soft", "--accent", "--warn", ...[..."01234567"].map((i) => "--s" + i)])
                for (const paper of ["--paper", "--card"]) {
                  const [a, b] = [light(of(ink)), light(of(paper))].sort((x, y) => y - x);
                  found[ink + " on " + paper] = (a + 0.05) / (b + 0.05);
                }
              return found;
            }"""
        )
        assert len(ratios) == 24
        assert {pair: ratio for pair, ratio in ratios.items() if not ratio >= 4.5} == {}


def test_a_live_page_reloads_itself_keeps_its_place_and_stops_at_the_end(browser, tmp_path):
    path = synthetic.folder(tmp_path / "run", snapshots=4)
    run, nothing, out = material.read(path), looks.none("not yet"), tmp_path / "report.html"
    half = replace(run, stats=run.stats[:20], pictures=run.pictures[:3])
    page.write(out, [half], [nothing], live=1.0)
    with opened(browser, out.as_uri()) as shown:
        slider, began = shown.locator("#slider"), shown.evaluate("() => performance.timeOrigin")
        assert "training: 20 of 40 kimg" in shown.locator("#status").inner_text()
        slider.fill("1")
        shown.wait_for_function(
            f"() => performance.timeOrigin > {began} && document.readyState === 'complete'", timeout=20_000
        )
        assert slider.input_value() == "1"
        page.write(out, [run], [nothing])
        shown.wait_for_function("() => document.body?.innerText.includes('finished: 40 kimg')", timeout=20_000)
        assert slider.input_value() == "1"
        loaded = shown.evaluate("() => performance.timeOrigin")
        shown.wait_for_timeout(1500)
        assert shown.evaluate("() => performance.timeOrigin") == loaded  # it does not look again any more


def test_a_hundred_snapshots_open_in_two_seconds(browser, tmp_path, monkeypatch):
    """Pictures as of a hundred colour images, each of which takes all the room that it may."""
    config = synthetic.small()
    path = synthetic.folder(
        tmp_path / "run", replace(config, run=replace(config.run, kimg=100)), snapshots=100, side=40
    )
    noise = np.random.default_rng(0).integers(0, 256, (4, 96, 96, 3), dtype=np.uint8)
    few = [frames.encode(Image.fromarray(one).resize((640, 640), Image.Resampling.BICUBIC)) for one in noise]
    assert all(len(frame.source) > 55_000 for frame in few)
    monkeypatch.setattr(
        frames.Encoder, "frame", lambda self, picture: replace(few[int(picture.kimg) % 4], kimg=picture.kimg)
    )
    out = tmp_path / "report.html"
    page.write(out, [material.read(path)], [looks.none("not now")])
    assert 5_000_000 < out.stat().st_size < 10_000_000
    with opened(browser, out.as_uri()) as shown:
        assert seconds_to_open(shown) < 2
        for stop in ("0", "57", "99"):
            shown.locator("#slider").fill(stop)
            assert shown.locator("#frame0").evaluate("(i) => i.decode().then(() => i.naturalWidth)") > 0
        assert layout_shift(shown) == 0


@pytest.mark.slow
def test_a_browser_follows_a_run_to_its_end(browser, tmp_path):
    """From the first page on, which is there before the first step, without a hand on the browser."""
    flags = "--kimg 40 --tick 1 --snap 4 --metrics none --width 32 --threads 1 --engine plain --outdir".split()
    with subprocess.Popen(
        [sys.executable, "-m", "logan.cli.main", "train", *flags, tmp_path], stderr=subprocess.DEVNULL
    ) as run:
        out = tmp_path / "00000-digits-ngd" / "report.html"
        until = time.monotonic() + 120
        while not out.exists() and time.monotonic() < until:
            time.sleep(0.02)
        with opened(browser, out.as_uri()) as shown:
            assert "training: 0 of 40 kimg" in shown.locator("#status").inner_text()
            shown.wait_for_function("() => document.body?.innerText.includes('finished: 40 kimg')", timeout=120_000)
            assert shown.locator("#slider").get_attribute("max") == "10"
            assert shown.locator("#latent img").count() == 4
        assert run.wait() == 0
