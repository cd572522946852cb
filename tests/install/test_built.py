"""The wheel and the source distribution: what is in them, and that the one is built from the other."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile

import pytest

from tests.install.project import PROJECT, ROOT

pytestmark = pytest.mark.slow


def of_git(*where: str) -> set[str]:
    """Files that are, or could be, in the repository."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", *where],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("not a checkout of git")
    return {name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()}


def test_the_wheel_holds_the_package_and_its_licences_and_nothing_else(built):
    names = set(zipfile.ZipFile(built[1]).namelist())
    info = {name for name in names if ".dist-info/" in name}
    assert names - info == {name.removeprefix("src/") for name in of_git("src")}
    assert {name.partition("/")[2] for name in info} == {
        "METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE",
        *(f"licenses/{name}" for name in PROJECT["license-files"]),
    }  # fmt: skip


def test_the_wheel_is_for_every_system(built):
    assert built[1].name.endswith("-py3-none-any.whl")
    assert built[1].stat().st_size < 3e6


def test_the_source_distribution_holds_what_the_repository_does(built):
    with tarfile.open(built[0]) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    wanted = of_git(
        "src",
        "tests",
        "examples",
        "benchmarks",
        "docs",
        "*.md",
        "Makefile",
        "LICENSE",
        "CITATION.cff",
        "constraints.txt",
    )
    assert wanted - names == set()
    assert names - wanted <= {"PKG-INFO", "pyproject.toml", ".gitignore"} | of_git()
    assert built[0].stat().st_size < 30e6


def test_what_it_says_about_itself(built):
    with zipfile.ZipFile(built[1]) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith("METADATA"))
        text = wheel.read(name).decode("utf-8")
    for line in (
        "Name: logan-gan",
        f"Version: {PROJECT['version']}",
        "License-Expression: MIT",
        "Requires-Python: >=3.10",
    ):
        assert f"\n{line}\n" in text
    extras = set(re.findall(r"^Provides-Extra: (\S+)$", text, re.MULTILINE))
    assert extras == set(PROJECT["optional-dependencies"])


def test_it_works_from_the_wheel(built, tmp_path):
    """Without the sources, its embedded data included; torch and the rest are those of this environment."""
    with zipfile.ZipFile(built[1]) as wheel:
        wheel.extractall(tmp_path)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import logan; from logan.data.open import open_data;"
        "print(logan.__file__, logan.__version__, len(open_data('digits')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(tmp_path / "logan" / "__init__.py"), PROJECT["version"], "1797"]
