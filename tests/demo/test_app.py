"""The page, in a browser and without one."""

import re
import socket
import subprocess
import sys
from importlib.util import find_spec

import pytest

from logan.cli.main import main
from logan.errors import InputError
from tests.browser import LAPTOP, PHONE, opened, overflows
from tests.demo.seen import changed

pytestmark = [  # gradio takes seconds to import: looked for here, imported by the tests
    pytest.mark.skipif(find_spec("gradio") is None, reason="the extra 'demo' is not installed"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def address(model):
    from logan.demo import serve

    return serve(model, "digits", "127.0.0.1", None, wait=False)


@pytest.mark.slow
@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_sliders_move_pictures(browser, address, size):
    """The console stays silent, and nothing is asked for from elsewhere: ``opened`` sees to both."""
    with opened(browser, address, size) as page:
        page.set_default_timeout(60_000)
        first = changed(page, [])
        page.get_by_label("Truncation").first.fill("0.3")
        second = changed(page, first)
        page.get_by_label("Seed").first.fill("7")
        third = changed(page, second)
        page.get_by_role("tab", name="Interpolation").click()
        before = changed(page, third)
        page.get_by_label("Share of the way").first.fill("0.9")
        there = changed(page, before)
        page.get_by_role("tab", name="Latent step").click()
        page.get_by_text(re.compile("D's mean score: ")).wait_for()
        before = changed(page, there)
        said = page.get_by_text(re.compile("D's mean score: ")).inner_text()
        page.get_by_label("Steps").first.fill("25")
        changed(page, before)
        assert page.get_by_text(re.compile("D's mean score: ")).inner_text() != said
        assert not overflows(page)


def test_without_gradio_the_extra_is_named(monkeypatch):
    from logan.demo.app import gradio

    monkeypatch.setitem(sys.modules, "gradio", None)  # as Python marks what cannot be imported
    with pytest.raises(InputError, match=r"pip install \"logan-gan\[demo\]\""):
        gradio()


@pytest.mark.slow
def test_a_port_that_is_taken(model):
    from logan.demo import serve

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"`port` {port} cannot be had on 127.0.0.1"):
            serve(model, "digits", "127.0.0.1", port, wait=False)


@pytest.mark.parametrize(("flags", "says"), [(["--port", "0"], "--port must be in"), (["nowhere"], "nowhere")])
def test_bad_input_is_a_line(tmp_path, capsys, flags, says):
    run = [] if flags == ["nowhere"] else [str(tmp_path)]
    assert main(["demo", *run, *flags]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


@pytest.mark.slow
def test_telemetry_is_off_before_gradio_is_loaded():
    code = (
        "import logan.demo.app as p, sys; assert 'gradio' not in sys.modules; g = p.gradio(); "
        "from gradio import analytics; assert not analytics.analytics_enabled(); print('off')"
    )
    assert "off" in subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
