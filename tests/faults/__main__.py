"""``python -m tests.faults PART``: the long form of each part, whose figures go to docs/results/trust/."""

from __future__ import annotations

import importlib
import sys

PARTS = {"kills": "kills", "disks": "disks", "signals": "signals", "endurance": "endurance"}
"""Parts and their modules here; each has a ``main`` that takes the arguments after the part's name."""


def main(args: list[str]) -> None:
    """Play a part, or all of them."""
    for part in args[:1] or PARTS:
        importlib.import_module(f"tests.faults.{PARTS[part]}").main(args[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
