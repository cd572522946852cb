"""Writing files so that an interruption never damages what is on disk."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from logan.errors import InputError

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
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    except ValueError as error:  # not UTF-8, or not JSON
        raise InputError(f"{path} is damaged ({error}); {advice}") from None
    if not isinstance(value, dict):
        raise InputError(f"{path} is damaged (no JSON object); {advice}")
    return value


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as readable JSON, atomically."""
    text = json.dumps(value, indent=2) + "\n"  # ASCII: paths may hold bytes that are no characters
    write_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8"))
