"""What is computed once and kept: trained classifiers and features of real images.

In ``$LOGAN_CACHE``, else ``$XDG_CACHE_HOME/logan``, else ``~/.cache/logan``. Everything in it can be removed at any time.
"""

from __future__ import annotations

import hashlib

from logan.data import Dataset
from logan.data.dataset import InMemory
from logan.files import cache_folder

folder = cache_folder


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
