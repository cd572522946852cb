"""A plugin of pytest that writes a line of JSON when a test begins and when its outcome is known."""

from __future__ import annotations

import json
import os
from typing import Any

MOST = 4000
"""Characters of what a failure says."""


def pytest_runtest_logstart(nodeid: str) -> None:
    """A test begins."""
    _write({"test": nodeid, "outcome": "started"})


def pytest_runtest_logreport(report: Any) -> None:
    """A phase of a test has ended: the call says how, or an earlier or later phase that did not pass."""
    if report.when != "call" and report.outcome == "passed":
        return
    says = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
    _write({"test": report.nodeid, "outcome": report.outcome, "seconds": report.duration, "says": says[-MOST:]})


def pytest_collectreport(report: Any) -> None:
    """A file that cannot be read is a failure."""
    if report.outcome == "failed":
        _write({"test": report.nodeid, "outcome": "failed", "says": report.longreprtext[-MOST:]})


def _write(event: dict[str, Any]) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:  # whoever deals the tests out hears of it, too
        return
    with open(os.environ["LOGAN_TEST_OUTCOMES"], "a", encoding="utf-8") as file:
        file.write(json.dumps(event) + "\n")
