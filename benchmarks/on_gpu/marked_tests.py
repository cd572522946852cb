"""The tests that need a GPU, by pytest, each outcome written as it comes."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from on_gpu.sheet import NotPlayedError, Sheet

CHECKOUT = Path(__file__).resolve().parents[2]
MARKED = re.compile(r"mark\.cuda\b")
LOOK = 0.3
"""Seconds from one look at the outcomes to the next."""
FIRST_LINES = 8
"""Of what a failure says."""
MOST_FAILURES = 40
MOST_WORKERS = 12
"""Processes among which the tests are dealt out: most of them wait for a CPU to record and compile."""


def play(sheet: Sheet) -> None:
    """Run the marked tests, and sum up what each came to."""
    if importlib.util.find_spec("pytest") is None:
        raise NotPlayedError("pytest is not installed here; see --wheels")
    files = marked(CHECKOUT / "tests")
    if not files:
        raise NotPlayedError("no test is marked cuda")
    lines = sheet.work / "outcomes.jsonl"
    several = importlib.util.find_spec("xdist") is not None and not sheet.tiny
    workers = ["-n", str(min(MOST_WORKERS, os.cpu_count() or 1)), "--dist", "worksteal"] if several else []
    command = [sys.executable, "-m", "pytest", "-m", "cuda", "-o", "addopts=", "-q", "--tb=short", "-p", "no:cacheprovider",
               "-p", "on_gpu.outcomes", *workers, *map(str, files)]  # fmt: skip
    sheet.put(files=[str(f.relative_to(CHECKOUT)) for f in files])
    process = subprocess.Popen(command, cwd=CHECKOUT, env=os.environ | {"LOGAN_TEST_OUTCOMES": str(lines)})
    while process.poll() is None:
        time.sleep(LOOK)
        sheet.put(**summary(read(lines)))
    sheet.put(**summary(read(lines)), exit_status=process.returncode)
    if process.returncode not in (0, 1, 5):  # all passed, some failed, none was there to be run
        raise RuntimeError(f"pytest ended with exit status {process.returncode}")


def marked(tests: Path) -> list[Path]:
    """The files that have such tests: the others need not be collected."""
    return [p for p in sorted(tests.rglob("test_*.py")) if MARKED.search(p.read_text(encoding="utf-8"))]


def read(lines: Path) -> list[dict[str, Any]]:
    """The outcomes so far; a line that is still being written is left for the next look."""
    text = lines.read_text(encoding="utf-8") if lines.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def summary(events: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How many passed, failed and were skipped; what the failures say; which test has begun and not ended."""
    last = {e["test"]: e for e in events}
    counts = Counter(e["outcome"] for e in last.values())
    reasons = Counter(e["says"] for e in last.values() if e["outcome"] == "skipped")
    failures = [e for e in last.values() if e["outcome"] == "failed"]
    return {
        **{name: counts[name] for name in ("passed", "failed", "skipped")},
        "seconds": sum(e.get("seconds", 0.0) for e in events),
        "not_ended": [test for test, e in last.items() if e["outcome"] == "started"],
        "why_skipped": dict(reasons.most_common(5)),
        "failures": [
            {"test": e["test"], "says": e["says"].splitlines()[-FIRST_LINES:]} for e in failures[:MOST_FAILURES]
        ],
    }
