"""Which torchrun a run belongs to: workers that it restarts go on with their own run, and with no other."""

from __future__ import annotations

import os
from pathlib import Path

from logan.errors import InputError
from logan.files import write_text
from logan.regular import read_regular
from logan.training import state

FILE_NAME = ".job"


def name() -> str | None:
    """Of the torchrun that started this process, the same after a restart; None if none did."""
    run_id = os.environ.get("TORCHELASTIC_RUN_ID")
    if run_id in (None, "", "none"):  # torchrun's default, with which the address stays as it is
        address, port = os.environ.get("MASTER_ADDR"), os.environ.get("MASTER_PORT")
        return None if run_id is None else f"{address}:{port}"
    return run_id


def claim(run: Path) -> None:
    """Write into a run folder whose it is now."""
    own = name()
    if own is None:
        (run / FILE_NAME).unlink(missing_ok=True)
    else:
        write_text(run / FILE_NAME, own + "\n")


def own_run(outdirs: list[Path]) -> Path | None:
    """The latest run folder that this torchrun has claimed, and that can be gone on with; None if there is none."""
    claims = [p for outdir in outdirs for p in outdir.glob(f"*/{FILE_NAME}") if (p.parent / state.FILE_NAME).exists()]
    mine = [p for p in claims if _claimed_by(p) == name()]
    return max(mine, key=lambda p: p.stat().st_mtime).parent if mine else None


def _claimed_by(path: Path) -> str:
    try:
        return read_regular(path, 4096).decode("utf-8", "replace").strip()
    except (InputError, OSError):  # nothing that a run has written
        return ""
