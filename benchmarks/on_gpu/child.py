"""The process of one part: ``python -m on_gpu.child MODULE``, told what to do by a line of JSON on its standard input.

It loads torch while the part before is still being played, and waits.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from on_gpu.sheet import DONE, FAILED, NOT_PLAYED, NotPlayedError, Sheet

BEFORE_THE_END = 0.5
"""Seconds before its limit at which a part that is still at it says where it is."""


def main(name: str) -> int:
    """Load the part, wait for the word, play it."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch's profiler reports its starts and stops otherwise
    module, trouble = _load(name)
    line = sys.stdin.readline()
    if not line:  # whoever would have said it is gone
        return 0
    told = json.loads(line)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    faulthandler.dump_traceback_later(max(BEFORE_THE_END, told["seconds"] - BEFORE_THE_END))
    sheet = Sheet(Path(told["file"]), told["asked"], told["seconds"])
    try:
        if trouble is not None:
            raise trouble
        module.play(sheet)
    except NotPlayedError as reason:
        sheet.put(status=NOT_PLAYED, reason=str(reason))
    except BaseException as error:
        traceback.print_exc()
        sheet.put(status=FAILED, reason=f"{type(error).__name__}: {error}"[:2000])
        return 1
    else:
        sheet.put(status=DONE)
    finally:
        faulthandler.cancel_dump_traceback_later()
    return 0


def _end_with(parent: int) -> None:
    """Nobody is to go on measuring when the one who asked for it is gone."""
    while os.getppid() == parent:
        time.sleep(1)
    os.killpg(0, signal.SIGKILL)


def _load(name: str) -> tuple[Any, Exception | None]:
    try:
        return importlib.import_module(name), None
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("logan", "on_gpu"):
            return None, error  # nothing that could be brought along
        return None, NotPlayedError(f"{error.name} is not installed here; see --wheels")
    except Exception as error:
        return None, error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
