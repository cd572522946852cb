"""The promise of the README: latent optimisation in a GAN of your own, in at most six changed lines."""

import difflib
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def code(name: str) -> list[str]:
    """The lines of an example after its docstring, without blank ones."""
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    return [line for line in re.sub(r'^""".*?"""', "", text, flags=re.DOTALL).splitlines() if line.strip()]


def test_at_most_six_lines_differ():
    changes = difflib.SequenceMatcher(a=code("own_gan.py"), b=code("own_gan_latent.py"), autojunk=False).get_opcodes()
    changed = sum(max(i2 - i1, j2 - j1) for tag, i1, i2, j1, j2 in changes if tag != "equal")
    assert 0 < changed <= 6
    assert 45 <= len(code("own_gan.py")) <= 70


@pytest.mark.parametrize("name", ["own_gan.py", "own_gan_latent.py"])
def test_it_runs(name):
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, "--steps", "20"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"step 20: \d of 8 modes", done.stdout)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("gradient_penalty.py", "--size 8 --width 4"),
        pytest.param("maml.py", "--tasks 1 --width 4", marks=pytest.mark.slow),
    ],
)
def test_second_derivatives_agree_and_are_timed(name, sizes):
    """The examples themselves compare the recording's gradients with eager autograd's."""
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name, "--rounds", "2", *sizes.split()],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "gradients agree to" in done.stdout
    assert re.search(r"^\| recorded \| [\d.]+ \| \d+ \| [\d.]+ \| [\d.]+ \|$", done.stdout, re.MULTILINE)
