"""How much a file from a stranger may ask for.

Compressed zeros are a thousandth of what they stand for, so the size of a file says nothing of what reading it takes. What it asks
for is read from its headers, and compared with these bounds before anything is read, decoded or set aside.
"""

from __future__ import annotations

import lzma
import struct
import threading
import zipfile
import zlib
from contextlib import AbstractContextManager, nullcontext
from typing import BinaryIO

from logan.errors import InputError

MOST_PIXELS = 2**26
"""Of an image: 8192 × 8192, the largest that ``logan data prepare`` makes. Decoding one takes at most 1.1 GiB."""
MOST_JPEG2000_PIXELS = 2**25
"""Of JPEG 2000, whose decoder works with 4 bytes for each number, beside the image that it makes of them."""
MOST_SLOW_PIXELS = 2**22
"""Of an image whose format Pillow decodes number by number, about a million a second: PPM as text, or with odd levels."""
MOST_BYTES = 2**28
"""Of an image file, or of a member of an archive: 256 MiB, the largest image without any compression, 4 bytes a pixel."""
MOST_FOLD = 200
"""By which a large member of a zip may inflate: formats of images compress as they are, and zeros inflate a thousandfold."""
MOST_HELD = 2**30
"""Of what is read whole, the images in an idx file or the labels in an array: the largest idx file (EMNIST) has 609 MiB."""
MOST_LABELS = 2**24
"""Of images in an idx file, each of which gets a label of 8 bytes: twenty times EMNIST's."""
MOST_DIRECTORY = 2**28
"""Of a zip's directory, which is read whole: three million names. ImageNet's has half of that."""
MOST_CIFAR = 2**28
"""Of all files of CIFAR together: they have 178 MiB."""
MOST_INSTRUCTIONS = 2**21
"""Of a pickle: CIFAR-100's largest has 0.4 million, and two million take 2 seconds."""
MOST_JSON = 2**24
"""Of a ``dataset.json``, beside what the names of its images take: a Python list is 20 times larger than its text."""
MOST_MATLAB = 2**23
"""Of a ``meta.mat``, which is compressed: the devkit's is a tenth of that."""
MOST_TEXT = 2**28
"""Of a file of labels: the largest, Kaggle's of ImageNet's training images with all their boxes, has a sixth of that."""
MOST_SIDE = 8192
"""Of a prepared set's images, in pixels."""
MOST_NAMES = 2**22
"""Of classes, in a prepared array: ten times those of the largest set of faces."""
MOST_LINKS = 1000
"""Of links to folders that were looked through already: links to links to links have no end worth waiting for."""

DAMAGE = (
    *(OSError, EOFError, ValueError, LookupError, ArithmeticError, RuntimeError, struct.error),
    *(zlib.error, lzma.LZMAError, zipfile.BadZipFile),
)
"""What Python's readers of archives raise on damaged files; NotImplementedError and RecursionError are among them."""

LARGE = 2**27
"""Bytes of one image; above, one is read and decoded at a time, so that threads do not multiply what it takes."""
_one_at_a_time = threading.RLock()


def room(size: int) -> AbstractContextManager[object]:
    """To be held while ``size`` bytes of one image are in memory."""
    return _one_at_a_time if size > LARGE else nullcontext()


def in_units(size: int) -> str:
    """A number of bytes for people.

    >>> in_units(2**28), in_units(3_000_000), in_units(700)
    ('256 MiB', '2.86 MiB', '700 bytes')
    """
    for unit, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if size >= unit:
            return f"{float(f'{size / unit:.3g}') if size < 1000 * unit else size // unit:g} {name}"
    return f"{size} bytes"


def read_at_most(file: BinaryIO, most: int, name: str, advice: str) -> bytes:
    """What is left of ``file``. Raises InputError if that is more than ``most`` bytes, having read no more."""
    data = file.read(most + 1)
    if len(data) > most:
        raise InputError(f"{name}: larger than the {in_units(most)} that are read of such a file; {advice}")
    return data
