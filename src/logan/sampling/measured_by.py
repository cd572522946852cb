"""In whose features the scores of a run's log were taken, which the log itself does not say: its ``metric-….jsonl`` do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from logan.errors import InputError, printable
from logan.files import read_lines
from logan.metrics import titles

Detectors = Mapping[str, Mapping[str, str]]
"""Of scores, by name: their detectors, in the order in which they came, and the sha256 of each; one entry for a score that needs
none."""
MOST = 10**5
"""Lines of a file that are looked at; the last ones of a longer one."""


def measured_by(run: Path) -> Detectors:
    """What the files of a run folder say of the scores that training took; nothing of those that somebody's own function took.

    The folder may be a stranger's: what is damaged is left out.
    """
    found: dict[str, dict[str, str]] = {}
    for path in sorted(run.glob("metric-*.jsonl")):
        try:
            lines = read_lines(path)[-MOST:]
        except (InputError, OSError):
            continue
        for line in lines:
            detector, results = line.get("detector"), line.get("results")
            if line.get("in_training") is True and isinstance(detector, str) and isinstance(results, dict):
                for score in results:
                    found.setdefault(score, {})[detector[:80]] = str(line.get("detector_sha256") or "")[:12]
    return found


def best_score(run: Path, best: Mapping[str, Any]) -> str:
    """The score that has chosen a run's best snapshot, with its detector: ``FID (classifier) 13.27``.

    Args:
        run: the folder.
        best: what its ``best.json`` says.
    """
    by, measure = best["by"], list(best.get("measure") or [None])
    known = measured_by(run).get(by, {})
    own = [name for name, digest in known.items() if digest and str(measure[0] or "").startswith(digest)]
    return printable(f"{titles.title(by, own)} {best['scores'][by]:.4g}")
