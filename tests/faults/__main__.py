"""``python -m tests.faults PART …``: the long form of a part; all parts, one after the other, if none is named."""

from __future__ import annotations

import importlib
import sys

PARTS = {
    "inputs": "mutated files of every kind that is read",
    "kills": "kill -9 at random moments, and inside writes",
    "disks": "disks without room, at every point of what is written",
    "signals": "signals at random moments of every command",
    "endurance": "memory, handles and steps over hours of training",
}
"""Modules of this package, each with a ``main(args)`` that returns an exit status."""


def main(args: list[str]) -> int:
    """Run a part."""
    if args and args[0] not in PARTS:
        print("python -m tests.faults [PART …]\n" + "\n".join(f"  {name:<10} {what}" for name, what in PARTS.items()))
        return 0 if args[0] in ("-h", "--help") else 2
    chosen, rest = (args[:1], args[1:]) if args else (list(PARTS), [])
    return max([importlib.import_module(f"tests.faults.{name}").main(rest) for name in chosen])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
