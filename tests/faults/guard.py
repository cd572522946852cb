"""What reading a file may not do: write elsewhere, start a process, run code, reach the network, or take much memory."""

from __future__ import annotations

import os
import resource
import sys
import traceback
import typing
from pathlib import Path
from typing import Any

GIB = 2**30
MOST_MEMORY = 1.25 * GIB
"""By which the memory of a process may grow: decoding the largest image takes 1.1 GiB (:mod:`logan.data.bounds`)."""
FENCE = 4 * GIB
"""Of addresses, beyond what the process has when it begins: no mistake here may take the machine down."""

FOREIGN = {
    *("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "pty.spawn"),
    *("socket.connect", "socket.bind", "socket.getaddrinfo", "pickle.find_class", "code.__new__", "ctypes.dlopen"),
    *("ftplib.connect", "urllib.Request", "webbrowser.open", "os.startfile", "sqlite3.connect"),
}
"""Events of Python's audit that no reader has a reason for."""
CHANGING = {
    *("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.chown", "os.truncate"),
    *("shutil.copyfile", "shutil.move", "shutil.rmtree", "os.utime", "os.setxattr"),
}
"""Events that change files; their first arguments are paths."""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
SOURCES = tuple(
    os.path.realpath(p) for p in {sys.prefix, sys.base_prefix, *map(os.fspath, filter(None, sys.path))} if p
)


class Guard:
    """Listens to everything that Python does, from its making on; ``seen`` holds what should not have been done.

    Args:
        folder: the only one that may be written to.
    """

    def __init__(self, folder: Path) -> None:
        self.inside = os.path.realpath(folder)
        self.watching = False
        self.seen: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.watching:
            return
        if event in FOREIGN:
            self.seen.append(f"{event} {str(arguments)[:100]}")
        elif event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & WRITING and self._outside(path):
                self.seen.append(f"opened for writing: {path!r}")
        elif event in CHANGING:
            for path in arguments[: 2 if event in ("os.rename", "os.link", "shutil.copyfile", "shutil.move") else 1]:
                if self._outside(path) and not (event == "shutil.copyfile" and path is arguments[0]):
                    self.seen.append(f"{event} {path!r}")
        elif event in ("exec", "compile"):
            file = arguments[0].co_filename if event == "exec" else arguments[1]
            if not _is_source(file) and not _is_python_at_work():
                self.seen.append(f"{event} of {file!r} by {_callers()}")

    def _outside(self, path: Any) -> bool:
        if isinstance(path, int) or path is None or path in (os.devnull, os.fsencode(os.devnull)):
            return False
        full = os.path.realpath(os.fsdecode(path))
        return full != self.inside and not full.startswith(self.inside + os.sep)


def _is_python_at_work() -> bool:
    """Whether annotations are being read, or an installed module, whose own code was looked at, is being imported."""
    frame: Any = sys._getframe(2)
    if frame.f_code.co_filename == typing.__file__:
        return True
    while frame is not None and not frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame is not None


def _callers() -> str:
    stack = traceback.extract_stack(limit=10)[:-2]
    return ", ".join(f"{os.path.basename(frame.filename)}:{frame.lineno}" for frame in reversed(stack))


def _is_source(file: Any) -> bool:
    """Whether code comes from Python or a package, as all that is imported late does."""
    if not isinstance(file, str | bytes):
        return False
    name = os.fsdecode(file)
    return name.startswith("<frozen") or os.path.realpath(name).startswith(SOURCES)


def raise_fence() -> None:
    """Limits the addresses of this process, and leaves no core file behind."""
    at_rest = int(_status("VmSize")) * 1024
    resource.setrlimit(resource.RLIMIT_AS, (int(at_rest + FENCE),) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def forget_peak() -> int:
    """Let the peak of memory be what it is now; returns that, in bytes."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:  # then the peak is that of the whole process, which is more
        pass
    return int(_status("VmRSS")) * 1024


def peak() -> int:
    """Bytes of memory at the peak since :func:`forget_peak`."""
    return int(_status("VmHWM")) * 1024


def _status(name: str) -> str:
    with open("/proc/self/status") as file:
        return next(line.split()[1] for line in file if line.startswith(name + ":"))
