"""What pyproject.toml says agrees with itself and with the rest of the repository."""

from __future__ import annotations

import re
from importlib.metadata import requires
from urllib.parse import urlsplit

import logan
from tests.install.project import PROJECT, PYPROJECT, ROOT


def test_one_version():
    assert PROJECT["version"] == logan.__version__
    cited = re.search(r"^version: \"?([\w.]+)\"?$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert cited is None or cited[1] == logan.__version__
    assert f"## {logan.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_versions_of_python_agree():
    least = re.fullmatch(r">=3\.(\d+)", PROJECT["requires-python"])[1]
    named = [
        int(m[1])
        for c in PROJECT["classifiers"]
        if (m := re.fullmatch(r"Programming Language :: Python :: 3\.(\d+)", c))
    ]
    assert named == list(range(int(least), named[-1] + 1))
    assert PYPROJECT["tool"]["ruff"]["target-version"] == f"py3{least}"
    assert PYPROJECT["tool"]["mypy"]["python_version"] == f"3.{least}"


def test_licences_are_there_and_said_once():
    for name in PROJECT["license-files"]:
        assert (ROOT / name).stat().st_size > 100
    assert not [c for c in PROJECT["classifiers"] if c.startswith("License")]  # PEP 639: the expression says it


def test_addresses_are_real_places():
    """None of a host that is made up."""
    for address in PROJECT.get("urls", {}).values():
        assert urlsplit(address).scheme == "https"
        assert urlsplit(address).hostname in {"arxiv.org", "github.com", "pypi.org"}


def test_what_tests_need_of_extras_is_in_dev_too():
    """``make test`` installs dev alone; ``inception``, ``hf`` and ``video`` are tried where they are, ``docs`` is for the site."""
    names = lambda requirements: {re.split(r"[<>=;\[ ]", r)[0] for r in requirements}  # noqa: E731
    extras = PROJECT["optional-dependencies"]
    wanted = set().union(*(names(extras[x]) for x in extras if x not in ("dev", "docs", "inception", "hf", "video")))
    assert wanted <= names(extras["dev"])


def test_commands_exist():
    import importlib

    for target in PROJECT["scripts"].values():
        module, _, name = target.partition(":")
        assert callable(getattr(importlib.import_module(module), name))


def test_the_installed_package_says_the_same():
    """Its requirements; an editable install that is out of date hides a missing dependency."""
    installed = {re.split(r"[<>=!~;\[ ]", r)[0] for r in requires("logan-gan") or [] if "extra ==" not in r}
    assert installed == {re.split(r"[<>=!~;\[ ]", r)[0] for r in PROJECT["dependencies"]}
