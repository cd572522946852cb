"""Writing files so that an interruption never damages what is on disk."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from logan import unfinished
from logan.errors import InputError
from logan.foreign import damaged, load_group
from logan.regular import open_regular

REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "your quota on the disk is used up",
    errno.EFBIG: "it would be larger than files may be here (ulimit -f)",
    errno.EROFS: "the disk is mounted read-only",
    errno.EACCES: "no permission to write there",
    errno.EPERM: "no permission to write there, or it is immutable",
    errno.EIO: "the disk reports an error",
}
"""Why a file cannot be written, where someone can do something about it."""
_ANY_FILE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
"""Those that only a write can bring, whatever the file is called in the error."""
_NO_FILE = {errno.EPIPE, errno.ECONNRESET, errno.ECONNREFUSED, errno.EINTR, errno.ECHILD, errno.ENOMEM}
"""Those of pipes, connections and processes."""
MOST_LOG, MOST_LINE, MOST_LINES, MOST_GROUPS = 2**26, 2**20, 100_000, 2**21
"""Bytes of a file of lines of JSON, and of a line; lines; groups and lists in all of them. A line of a log has half a KiB."""
ELSEWHERE = "move it elsewhere: the run goes on without it"
_SAVERS = ("inline_container", "file write failed", "PytorchStreamWriter", "unexpected pos", "requested and")
"""Words with which torch and numpy say that a write failed, without saying why."""


WINDOWS = os.name == "nt"
PATIENCE = (0.01, 0.1, 0.3, 1.0)
"""Seconds to wait for another program that has a file open."""


class WriteError(InputError):
    """A file cannot be written: the message says which, why, what it takes, that everything before is whole, and how to go on.

    Attributes:
        problem: all of that but how to go on.
    """

    def __init__(self, problem: str, how: str = "run the same command again") -> None:
        self.problem = problem
        super().__init__(f"{problem}. Make room, or mend that, and {how}")


def write_atomically(path: Path, write: Callable[[Path], object], needs: int | None = None) -> None:
    """Let ``write`` make a file beside ``path``, flush it to disk, and put it in ``path``'s place in one move.

    Args:
        path: of the file.
        write: is given the path of the unfinished file.
        needs: bytes that it takes, about, for the message if there is no room.

    Raises:
        WriteError: if there is no room, or no permission. What was at ``path`` before is there still.
    """
    with unfinished.beside(path) as partial, explained(path, partial, needs):
        write(partial)
        with open(partial, "rb+") as f:
            os.fsync(f.fileno())
        os.chmod(partial, 0o666 & ~_umask())  # some writers make files that only their owner can read
        _move(partial, path)
        _sync_folder(path.parent)


def _move(partial: Path, path: Path) -> None:
    """In one move. Windows refuses while another program has a look at the file that was there, such as a scanner for viruses."""
    for wait in (*PATIENCE, None):
        try:
            os.replace(partial, path)
            return
        except PermissionError:
            if wait is None or not WINDOWS:
                raise
        time.sleep(wait)


def _sync_folder(folder: Path) -> None:
    """So that the new name is on disk too; not all file systems know this."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def explained(path: Path, partial: Path | None = None, needs: int | None = None) -> Iterator[None]:
    """Turn what writers of all kinds raise where a file cannot be written into a :class:`WriteError`.

    Args:
        path: of the file, for people.
        partial: what is really written, if that is another.
        needs: bytes that it takes, about.
    """
    partial = path if partial is None else partial
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        number = _number_of(error, {str(path), str(partial)})
        if number is None:
            raise
        reason = REASONS.get(number) or (_in_words(number) if number else "it could not be written to the end")
        room = _room(path, partial, needs, number)
        raise WriteError(f"{path} cannot be written: {reason}{room}; what was on disk before is whole") from None


def _in_words(number: int) -> str:
    """What the system says, as the end of a sentence."""
    words = os.strerror(number)
    return words[:1].lower() + words[1:]


def _number_of(error: BaseException | None, names: set[str]) -> int | None:
    """The ``errno`` of a failed write; 0 where one failed and nobody says why; None if it was something else."""
    found = None
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None and error.errno not in _NO_FILE:
            about = {str(name) for name in (error.filename, error.filename2) if name is not None}
            if error.errno in _ANY_FILE or not about or about & names:
                return error.errno
            return None
        if rust := re.search(r"I/O error:.*\(os error (\d+)\)", str(error)):  # safetensors
            return int(rust[1])
        if isinstance(error, OSError | RuntimeError) and any(words in str(error) for words in _SAVERS):
            found = 0
        error = error.__cause__ or error.__context__
    return found


def _room(path: Path, partial: Path, needs: int | None, number: int) -> str:
    """What it takes, and what is there, where that is what matters."""
    if number not in (0, errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return ""
    with contextlib.suppress(OSError, ValueError):
        known = [x.stat().st_size for x in (path, partial) if x.exists()]
        takes = (
            f"about {size_text(max(needs, *known, 0))}" if needs else f"more than {size_text(max(known, default=0))}"
        )
        return f" (it takes {takes}, and {size_text(shutil.disk_usage(path.parent).free)} are free)"
    return ""


def size_text(count: float) -> str:
    """Bytes for people."""
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} bytes" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def cache_folder() -> Path:
    """``$LOGAN_CACHE``, else ``$XDG_CACHE_HOME/logan``, else ``~/.cache/logan``, made if need be.

    Raises:
        InputError: if it cannot be made.
    """
    root = os.environ.get("LOGAN_CACHE")
    path = Path(root) if root else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "logan"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the cache {path} cannot be made ({error.strerror}); set LOGAN_CACHE to a folder") from None
    return path


def check_writable(folder: str, field: str = "out") -> None:
    """Whether files can be written to a folder that may not be there yet; makes nothing.

    Raises:
        InputError: if not, naming the setting ``field``.
    """
    path = Path(folder).expanduser()
    existing = next(p for p in (path, *path.absolute().parents) if p.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise InputError(f"`{field}` {folder} cannot be written; choose another folder")


def read_json(path: Path, advice: str) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        InputError: if it cannot be read or is not a JSON object; ``advice`` says what to do then.
    """
    return load_group(path, advice=advice)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: Path, text: str) -> None:
    """Write a text, atomically; bytes of a file's name that are no characters become "?"."""
    write_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8", errors="replace"))


def write_json(path: Path, value: Any, indent: int = 2) -> None:
    """Write ``value`` as readable JSON, atomically."""
    write_text(path, json.dumps(value, indent=indent) + "\n")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON objects in a file, one a line; none if there is no file. What is none (a line cut short, or of more than
    :data:`MOST_LINE` bytes) is left out.

    Raises:
        InputError: if it is no file, but a link or a pipe; or of more bytes, lines, or groups and lists than are read of one.
    """
    found: list[dict[str, Any]] = []
    groups = 0
    try:
        for number, line in enumerate(_lines(path)):
            groups += line.count(b"{") + line.count(b"[")
            if number >= MOST_LINES or groups > MOST_GROUPS:
                bound = f"{MOST_LINES:,} lines" if number >= MOST_LINES else f"{MOST_GROUPS:,} groups and lists"
                damaged(str(path), f"more than {bound}", ELSEWHERE)
            if line.lstrip()[:1] == b"{":  # else a parser need not be asked
                with contextlib.suppress(InputError):
                    found.append(load_group(line, "a line"))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    return found


def _lines(path: Path) -> Iterator[bytes]:
    """Of a file, one by one; nothing of one that is too long."""
    with open_regular(path) as file:
        left = os.fstat(file.fileno()).st_size
        if left > MOST_LOG:
            damaged(str(path), f"more than {MOST_LOG:,} bytes", ELSEWHERE)
        whole = True
        while left > 0 and (line := file.readline(min(left, MOST_LINE))):
            left -= len(line)
            ends = line.endswith(b"\n")
            yield line.rstrip(b"\n") if whole and (ends or len(line) < MOST_LINE) else b""
            whole = ends


def write_lines(path: Path, values: Iterable[dict[str, Any]]) -> None:
    """Write JSON objects, one a line, atomically."""
    write_text(path, "".join(json.dumps(value) + "\n" for value in values))


def append_line(path: Path, value: dict[str, Any]) -> None:
    """Add a JSON object as a line of its own, also after one that was cut short; None for each number that is not finite.

    Raises:
        WriteError: if there is no room, or no permission; then nothing was added.
        InputError: if there is a link, or something else that is no file.
    """
    line = json.dumps(finite(value), allow_nan=False).encode() + b"\n"
    with explained(path, needs=len(line)), open_regular(path, "ab+", buffering=0) as f:
        end = f.seek(0, os.SEEK_END)
        f.seek(max(0, end - 1))
        cut_short = f.read(1) not in (b"", b"\n")
        line = b"\n" * cut_short + line
        try:
            while line:  # a disk that becomes full takes a part first, and then says so
                line = line[f.write(line) :]
        except OSError:
            with contextlib.suppress(OSError):
                f.truncate(end)
            raise


def finite(value: Any) -> Any:
    """The same, with None, as JSON can say it, for each number in it that is not finite."""
    if isinstance(value, Mapping):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
