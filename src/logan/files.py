"""Writing files so that an interruption never damages what is on disk."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from logan.errors import InputError
from logan.foreign import load_group

PARTIAL = ".partial"


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` make a file beside ``path``, flush it to disk, and put it in ``path``'s place in one move."""
    partial = path.with_name(f"{path.name}.{os.getpid()}{PARTIAL}")  # two commands may write the same cache
    try:
        write(partial)
        with open(partial, "rb+") as f:
            os.fsync(f.fileno())
        os.chmod(partial, 0o666 & ~_umask())  # some writers make files that only their owner can read
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


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
    """The JSON objects in a file, one a line; none if there is no file. What is none (a line cut short) is left out."""
    found = []
    for line in path.read_bytes().split(b"\n") if path.exists() else ():
        with contextlib.suppress(InputError):
            found.append(load_group(line, "a line"))
    return found


def write_lines(path: Path, values: Iterable[dict[str, Any]]) -> None:
    """Write JSON objects, one a line, atomically."""
    write_text(path, "".join(json.dumps(value) + "\n" for value in values))


def append_line(path: Path, value: dict[str, Any]) -> None:
    """Add a JSON object as a line."""
    with open(path, "a", encoding="utf-8") as f:
        f.write(json.dumps(value) + "\n")


def finite(scores: Mapping[str, Any]) -> dict[str, Any]:
    """The same with None, as JSON can say it, for each number that is not finite."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in scores.items()}
