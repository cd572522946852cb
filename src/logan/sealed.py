"""Tensors and a text about them in one safetensors file, with a checksum of both: a flipped bit is invisible otherwise."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from logan.errors import InputError, first_line
from logan.files import write_atomically
from logan.regular import open_regular

TEXT, CHECKSUM = "logan", "sha256"
"""Entries of the file's header."""


class DamagedError(InputError):
    """A file that is not what it says; the message is a reason, to be put behind the file's name."""


class UnsealedError(DamagedError):
    """A safetensors file that nothing here wrote: nobody can tell whether it is whole."""


def write(path: Path, text: str, tensors: Mapping[str, Tensor]) -> None:
    """Write the file in one move.

    Raises:
        logan.files.WriteError: if there is no room, or no permission.
    """
    tensors = {name: value.cpu().contiguous() for name, value in tensors.items()}
    content = save(tensors, metadata={TEXT: text, CHECKSUM: digest(text, tensors)})
    write_atomically(path, lambda partial: partial.write_bytes(content), len(content))


def read(path: Path) -> tuple[str, dict[str, Tensor]]:
    """Text and tensors of a file that :func:`write` wrote.

    Raises:
        UnsealedError: if it has no such text, or no checksum.
        DamagedError: if it is damaged, or another kind of file.
        OSError: if it cannot be read.
    """
    try:
        open_regular(path, through_links=True).close()  # says what is wrong, which safetensors does not
    except InputError as error:
        raise DamagedError(str(error)) from None
    try:
        with safe_open(path, framework="pt") as f:
            header = f.metadata() or {}
            tensors = {name: f.get_tensor(name) for name in f.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError, TypeError, RuntimeError, AttributeError) as error:
        raise DamagedError(first_line(error)) from None
    if TEXT not in header:
        raise UnsealedError(f"its header has no {TEXT!r} entry")
    if CHECKSUM not in header:
        raise UnsealedError(f"its header has no {CHECKSUM!r} entry, so nobody can tell whether it is whole")
    if header[CHECKSUM] != digest(header[TEXT], tensors):
        raise DamagedError("its checksum is not that of what is in it")
    return header[TEXT], tensors


def digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    """A hash of all that such a file holds."""
    hashed = hashlib.sha256(text.encode())
    for name, value in sorted(tensors.items()):
        hashed.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        hashed.update(value.contiguous().flatten().view(torch.uint8).numpy().data)
    return hashed.hexdigest()
