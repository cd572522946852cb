"""How far D is ahead in the runs of a comparison, and ‖g‖², over the training.

D's lead is the mean score of real images less that of generated ones before their latents are moved: D(x) − D(G(z)).

    python benchmarks/lead.py compare-fashion --out docs/results/fashion-long/lead

Where both go to nothing D has given up: it tells nobody anything, and what G does then is drift. Writes OUT.png, .svg and .csv.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from logan.report.panels import Line, Panel, save
from logan.training import folder

START = 1000
"""Steps after which the lead is drawn: before, it is ten times as large."""


def labels(comparison: Path) -> dict[str, str]:
    """Run folder to method, as ``logan compare`` wrote them."""
    try:
        entries = json.loads((comparison / "runs.json").read_text())
    except OSError as error:
        raise SystemExit(f"{comparison} is no folder of logan compare: {error}") from None
    for entry in entries:
        latent = entry["settings"]["latent"]
        if latent["latent_share"] < 1 or latent["latent_every"] > 1:
            raise SystemExit(f"{entry['run']} moves only some latents: the log does not tell their gain apart")
    return {entry["run"]: entry["method"] for entry in entries}


def panels(comparison: Path) -> list[Panel]:
    """D's lead and ‖g‖², a line per run."""
    lead, norm = [], []
    for run, label in labels(comparison).items():
        rows = folder.read_stats(comparison / run)
        lead.append(line(label, [r for r in rows if r["steps"] >= START], before_the_move))
        if "grad_z_squared" in rows[-1]:
            norm.append(line(label, rows, lambda r: r["grad_z_squared"]))
    return [
        Panel("D's lead: mean D(x) − mean D(G(z))", "steps of G", "score", lead),
        Panel("‖g‖², mean over the batch", "steps of G", "‖g‖²", norm, log_y=True),
    ]


def before_the_move(row: dict[str, Any]) -> float:
    """D's lead; the log has D(G(z′)), and what the move has gained."""
    return row["real_score"] - row["fake_score"] + row.get("score_gain", 0.0)


def line(label: str, rows: list[dict[str, Any]], value: Any) -> Line:
    """One quantity over a run's ticks."""
    return Line(label, [r["steps"] for r in rows], [value(r) for r in rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comparison", type=Path, help="a folder that logan compare made")
    parser.add_argument("--out", type=Path, required=True, help="name of the figure, without its ending")
    given = parser.parse_args()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    save(given.out, panels(given.comparison))


if __name__ == "__main__":
    main()
