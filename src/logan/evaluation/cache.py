"""What is computed once and kept: trained classifiers and features of real images.

In ``$LOGAN_CACHE``, else ``$XDG_CACHE_HOME/logan``, else ``~/.cache/logan``. Everything in it can be removed at any time.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from logan.data import Dataset
from logan.data.dataset import InMemory
from logan.errors import InputError


def folder() -> Path:
    """The cache folder, made if need be.

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


def key_of(data: Dataset) -> str:
    """A hash of a set as the networks see it: after padding, resizing and change of channels; labels included.

    Of a set in memory every pixel counts; of a streamed one, the names of all files, and 256 images spread over it.
    """
    from logan.data.fingerprint import fingerprint

    digest = hashlib.sha256(fingerprint(data).encode())
    if isinstance(data, InMemory):
        digest.update(data.images.cpu().contiguous().numpy().tobytes())
    else:
        digest.update("\n".join(getattr(getattr(data, "read", None), "names", [])).encode("utf-8", "surrogateescape"))
    labels = getattr(data, "labels", None)
    if labels is not None:
        digest.update(labels.cpu().numpy().tobytes())
    return digest.hexdigest()
