"""How the C library hands out the memory of large tensors on a CPU."""

from __future__ import annotations

import ctypes
import sys

_MMAP_THRESHOLD, _TRIM_THRESHOLD, _TOP_PAD = -3, -1, -2  # <malloc.h>


def keep_freed_memory() -> bool:
    """Let glibc keep freed memory for the next tensors; return whether it could be asked to. For the whole process.

    By default it gives back and asks for anew whatever is larger than a few MiB, at every use: the kernel then fills every
    page with zeros. Blocks of more than 32 MiB, glibc's limit, still are.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    settings = ((_MMAP_THRESHOLD, 32 * 2**20), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 64 * 2**20))
    done = [mallopt(what, value) for what, value in settings]
    return done == [1, 1, 1]
