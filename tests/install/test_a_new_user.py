"""The way of somebody who has never seen this: an empty environment, install, train, look, sample, export, load elsewhere, play.

As programs of their own, in folders of their own; nothing of this checkout is on their path.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.browser import chromium, opened
from tests.demo.seen import changed
from tests.install.conftest import python_of
from tests.install.project import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
TORCH = re.search(r"^TORCH +\?= (torch==[\d.]+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[1]


@dataclass(frozen=True)
class Person:
    """Somebody with an environment and a folder, who types commands.

    Attributes:
        python: of the environment.
        home: where files go.
        borrowed: the packages are those of the environment that runs the tests, but for ours.
    """

    python: Path
    home: Path
    borrowed: bool

    def types(self, command: str, status: int = 0) -> str:
        """What ``command`` prints; a failed test if it ends with another status."""
        done = subprocess.run(
            self.words(command), cwd=self.home, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == status, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def words(self, command: str) -> Sequence[str | Path]:
        """The command as it is where the environment is active."""
        program, *rest = shlex.split(command)
        if program in ("python", "pip"):
            return [self.python, *(["-m", "pip"] if program == "pip" else []), *rest]
        path = shutil.which(program, path=str(self.python.parent))
        assert path is not None, f"{program} is not installed"
        return [path, *rest]

    @property
    def environment(self) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LOGAN", "VIRTUAL"))
        }
        path = os.pathsep.join([str(self.python.parent), kept.get("PATH", "")])
        return kept | {"HOME": str(self.home), "PATH": path, "LOGAN_CACHE": str(self.home / "cache")}


@pytest.fixture(scope="module", params=["empty", "borrowed"])
def person(request, built, tmp_path_factory) -> Person:
    """Who has just installed the wheel: with all that it brings from a registry, or in a moment, with what is here."""
    home = tmp_path_factory.mktemp(request.param)
    subprocess.run([sys.executable, "-m", "venv", home / "env"], check=True)
    found = Person(python_of(home / "env"), home, request.param == "borrowed")
    wheel = shutil.copy(built[1], home)
    if found.borrowed:
        pytest.importorskip("gradio", reason="the extra 'demo' is not installed")
        packages = Path(found.types("python -c \"import sysconfig; print(sysconfig.get_path('purelib'))\"").strip())
        (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
        found.types(f"pip install --quiet --no-deps {shlex.quote(str(wheel))}")
    else:
        found.types(f"pip install --quiet {TORCH} {shlex.quote(f'{wheel}[demo]')}")
    return found


@contextmanager
def demo(person: Person, model: Path) -> Iterator[str]:
    """The address of ``logan demo``, which is ended as a person ends it."""
    with subprocess.Popen(
        person.words(f"logan demo {shlex.quote(str(model))}"),
        cwd=person.home, env=person.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            said = ""
            for line in process.stdout:
                said += line
                if found := re.search(r"http://127\.0\.0\.1:\d+\S*", line):
                    yield found[0]
                    break
            else:
                raise AssertionError(said)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
    assert process.returncode in (0, 130)


def test_from_nothing_to_a_demo_elsewhere(person, tmp_path):
    """Each step takes what the one before has printed or written."""
    where = person.types('python -c "import logan; print(logan.__file__)"').strip()
    assert Path(where).is_relative_to(person.home)
    assert "logan train" in person.types("logan")

    said = person.types("logan train --kimg 60 --tick 4 --snap 5 --device cpu")
    run = person.home / re.search(r"done: (\S+)", said)[1]
    page = person.home / re.search(r"open (\S+\.html) in a browser", said)[1]
    with chromium() as browser:
        with opened(browser, page.as_uri()) as report:
            assert "finished: 60 kimg" in report.inner_text("body")
            image = report.locator("#frame0")
            at_the_end = image.get_attribute("src")
            report.locator("#slider").fill("0")
            assert image.get_attribute("src") != at_the_end

        person.types(f"logan sample {run} --n 16 --seed 3 --out drawn.png")
        drawn = np.asarray(Image.open(person.home / "drawn.png"))
        assert drawn.std() > 10

        if not person.borrowed:  # the words of a message about a missing extra can be typed as they stand
            refusal = person.types(f"logan export {run} --to shared --onnx", status=2)
            person.types(re.search(r"pip install \"[^\"]+\"", refusal)[0].replace("install", "install --quiet", 1))
        person.types(f"logan export {run} --to shared --licence mit --onnx")
        elsewhere = shutil.move(person.home / "shared", tmp_path / "given away")
        run.rename(tmp_path / "not there any more")
        person.types(f"logan sample {shlex.quote(str(elsewhere))} --n 16 --seed 3 --out again.png")
        assert np.array_equal(drawn, np.asarray(Image.open(person.home / "again.png")))
        loads = "import logan, sys; print(*logan.load(sys.argv[1]).sample(5, seed=1).shape)"
        assert person.types(f"python -c {shlex.quote(loads)} {shlex.quote(str(elsewhere))}").split() == [
            "5",
            "1",
            "8",
            "8",
        ]

        with demo(person, elsewhere) as address, opened(browser, address) as played:
            played.set_default_timeout(60_000)
            first = changed(played, [])
            played.get_by_label("Seed").first.fill("7")
            changed(played, first)
            played.get_by_role("tab", name="Latent step").click()
            played.get_by_text(re.compile("D's mean score: ")).wait_for()
