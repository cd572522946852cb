"""The site has a place for every page, turns links to where pages lie on it, and is built without a warning."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, links


def load(name: str):
    found = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


site = load("site")
MENU = re.findall(r'= "([\w/.-]+\.md)" \}', (ROOT / "docs" / "zensical.toml").read_text(encoding="utf-8"))
NOT_YET = {"report.md", "sharing.md", "demo.md", "guide.md"}


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory):
    out = tmp_path_factory.mktemp("build") / "docs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site, "commands", lambda: "# Commands\n")  # a slow test has them
        site.Site(out).write()
    return out


def test_every_page_is_in_the_menu(laid_out):
    """But raw results, which pages link to, and the examples."""
    pages = {path.relative_to(laid_out).as_posix() for path in laid_out.rglob("*.md")}
    placed = {page for page in pages if not page.startswith(("examples/", "results/")) or page == "results/index.md"}
    assert placed - set(MENU) == set()
    assert set(MENU) - pages <= NOT_YET
    assert len(MENU) == len(set(MENU))


def test_the_menu_that_is_built_has_no_page_that_is_not_there(laid_out):
    text = (laid_out.parent / "zensical.toml").read_text(encoding="utf-8")
    for page in re.findall(r'= "([\w/.-]+\.md)" \}', text):
        assert (laid_out / page).exists(), page


def test_links_lead_somewhere_on_the_site(laid_out):
    for page in laid_out.rglob("*.md"):
        for link in links(page.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:|#", link):
                assert (page.parent / link.partition("#")[0]).exists(), (page, link)


def test_links_are_turned(tmp_path):
    made = site.Site(tmp_path)
    turned = {
        "[a](docs/training.md#data)": "[a](training.md#data)",
        "[a](docs/results/README.md)": "[a](results/index.md)",
        "[a](docs/results)": "[a](results/index.md)",
        "![a](docs/images/digits.png)": "![a](images/digits.png)",
        "[`x`](src/logan/latent.py)": "`x`",
        "[a](examples/own_gan.py)": "[a](examples/own_gan.md)",
        "[a](https://arxiv.org/abs/1912.00953)": "[a](https://arxiv.org/abs/1912.00953)",
        "```\n[a](docs/training.md)\n```": "```\n[a](docs/training.md)\n```",
        "<!-- not run: why -->\n```\nx\n```": "```\nx\n```",
    }
    for before, after in turned.items():
        assert made.page("README.md", before) == after
    assert (
        made.page("docs/guides/own-gan.md", "[a](../../README.md) [b](../large.md)")
        == "[a](../index.md) [b](../large.md)"
    )
    assert (tmp_path / "images" / "digits.png").exists()


def test_lists_stand_apart():
    assert site.lists_apart("Words:\n- a\n- b\n  more\n\nx") == "Words:\n\n- a\n- b\n  more\n\nx"
    assert site.lists_apart("1. a\n2. b") == "1. a\n2. b"


def test_docstrings_are_rewritten():
    pytest.importorskip("griffe", reason="comes with the extra docs")
    rewritten = load("griffe_docstrings").rewritten
    assert rewritten("    Example:\n        >>> 1") == "    Examples:\n        >>> 1"
    assert rewritten("As :func:`~logan.game.simultaneous` and :class:`Moved`.") == "As `simultaneous` and `Moved`."


def test_modules_of_the_reference_are_there():
    for _, modules in site.REFERENCE.values():
        for module in modules:
            assert importlib.util.find_spec(module), module


@pytest.mark.slow
def test_it_is_built_without_a_warning(tmp_path):
    pytest.importorskip("zensical", reason="comes with the extra docs")
    build = tmp_path / "build"
    subprocess.run([sys.executable, ROOT / "docs" / "site.py", build / "docs"], check=True)
    settings = build / "zensical.toml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(
        text.replace("../src", str(ROOT / "src")).replace("../docs/", f"{ROOT}/docs/"), encoding="utf-8"
    )
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "--config-file", settings],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "griffe:" not in said
    index = Path(build / "site" / "index.html").read_text(encoding="utf-8")
    assert not re.search(r'<(?:script|link|img)[^>]+(?:src|href)="https?://', index)  # asks no other host
    reference = (build / "site" / "reference" / "step.html").read_text(encoding="utf-8")
    assert "logan.latent.LatentStep" in reference
    commands = (build / "site" / "reference" / "commands.html").read_text(encoding="utf-8")
    assert "--penalty" in commands
