"""The suite's own test, ``make mutants``: every breakage of the list, made in a copy of the project, must turn it red.

First the tests that should notice are run, and then, if they do not, all of the quick ones. A test counts only if it is green
without the breakage. The working tree is never touched, and nothing is left behind.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from breakages import BREAKAGES, Breakage

ROOT = Path(__file__).parents[2]
NOTICED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)


def broken(breakage: Breakage) -> str:
    """The file's text with the breakage; SystemExit if the list has gone stale."""
    text = (ROOT / "src" / "logan" / breakage.file).read_text(encoding="utf-8")
    if text.count(breakage.old) != 1:
        raise SystemExit(f"{breakage.name}: {breakage.old!r} is {text.count(breakage.old)} times in {breakage.file}")
    return text.replace(breakage.old, breakage.new)


def copy_to(folder: Path) -> None:
    """What is in the working tree, as it is now, but for what git ignores."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


def first_red(copy: Path, *args: str) -> str | None:
    """The first test that fails, or None if all are green."""
    environment = os.environ | {"PYTHONPATH": str(copy / "src"), "OMP_NUM_THREADS": "1", "TMPDIR": str(copy)}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"  # a file that changes twice in a second would keep its old bytecode
    command = [sys.executable, "-m", "pytest", "-x", "-m", "not slow", "-p", "no:cacheprovider", *args]
    process = subprocess.Popen(
        command, cwd=copy, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )  # fmt: skip
    try:
        output = process.communicate()[0]
    finally:  # Ctrl-C reaches this process alone: the tests, and what they started, go too
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode == 0:
        return None
    found = NOTICED.search(output)
    if process.returncode not in (1, 2) or found is None:  # 2: a module that cannot be imported
        raise SystemExit(f"pytest {' '.join(args)} ended with {process.returncode}:\n{output[-2000:]}")
    return found[1]


def play(breakage: Breakage) -> str | None:
    """The test that noticed the breakage, or None if it survived."""
    text = broken(breakage)
    with tempfile.TemporaryDirectory(prefix="logan-mutant-") as folder:
        copy = Path(folder)
        copy_to(copy)
        file = copy / "src" / "logan" / breakage.file
        whole = file.read_text(encoding="utf-8")
        file.write_text(text, encoding="utf-8")
        expected = [f"tests/{name}" for name in breakage.tests.split()]
        noticed = first_red(copy, *expected) or first_red(copy, "--numprocesses", "auto", "--maxprocesses", "4")
        if noticed is not None:
            file.write_text(whole, encoding="utf-8")
            if first_red(copy, noticed) is not None:
                raise SystemExit(f"{noticed} is red without a breakage: mend it first")
        return noticed


def main() -> int:
    """Play the chosen breakages; 1 if one survives."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of names of breakages; all of them by default")
    names = parser.parse_args().names
    chosen = [b for b in BREAKAGES if not names or any(part in b.name for part in names)]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    survivors = 0
    for breakage in chosen:
        began = time.monotonic()
        noticed = play(breakage)
        survivors += noticed is None
        print(f"{breakage.name:<42} {time.monotonic() - began:5.0f} s  {noticed or 'SURVIVED'}", flush=True)
    print(f"{len(chosen) - survivors} of {len(chosen)} noticed")
    return 1 if survivors or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
