"""Reads a pickled dictionary of numpy arrays without letting the pickle run any code."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np

from logan.errors import InputError


def read_arrays(data: bytes, name: str) -> dict[bytes, Any]:
    """The dictionary in a pickle that holds nothing but numbers, strings, lists and numpy arrays.

    Args:
        data: the pickle; one written by Python 2, as CIFAR-10's are, has byte strings for keys.
        name: the file's name, for messages.

    Raises:
        InputError: the pickle asks for anything else, is damaged, or is not a dictionary.
    """
    try:
        content = _ArraysOnly(io.BytesIO(data), encoding="bytes").load()
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise InputError(f"{name}: damaged ({type(error).__name__}: {error}); download it again") from error
    if not isinstance(content, dict):
        raise InputError(f"{name}: holds a {type(content).__name__}, not a dictionary as CIFAR-10's files do")
    return content


def _latin1(text: str, encoding: str) -> bytes:
    """Stands in for ``_codecs.encode``, with which Python 3 writes bytes at protocol 2; other codecs may decompress."""
    if encoding not in ("latin1", "latin-1", b"latin1"):
        raise InputError(f"refused: it asks for the codec {encoding!r}")
    return text.encode("latin-1")


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
    ("numpy._core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _latin1,
}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise InputError(f"refused: the pickle asks for {module}.{name}, and data need no code")
        return _ALLOWED[module, name]
