"""Members of zip files by bzip2 and LZMA, inflated no further than their size says.

Python's ``zipfile`` hands them to their decompressors four kibibytes at a time, and takes what comes: of bzip2, 45 bytes are 45 MB.
"""

from __future__ import annotations

import bz2
import copy
import lzma
import zipfile
import zlib
from typing import Any

LZMA_HEADER = 9
"""Two bytes of a version, two of a length, which is 5, and the properties."""
MOST_MEMORY = 2**27
"""For LZMA's dictionary: twice as much as its strongest setting takes."""


def is_packed(member: zipfile.ZipInfo) -> bool:
    """Whether it is of these two kinds."""
    return member.compress_type in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """The contents of a member.

    Raises:
        zipfile.BadZipFile: it has another size or checksum than the directory says; or what the decompressors raise.

    Source: PKWARE's APPNOTE 6.3.10, 4.4.5 and 5.8; LZMA's own format is the same but for a size behind the properties.
    """
    stored: Any = copy.copy(member)
    stored.compress_type, stored.file_size, stored.CRC = zipfile.ZIP_STORED, member.compress_size, None
    with archive.open(stored) as file:
        data = file.read()
    inflater: Any = bz2.BZ2Decompressor()
    if member.compress_type == zipfile.ZIP_LZMA:
        inflater = lzma.LZMADecompressor(lzma.FORMAT_ALONE, MOST_MEMORY)
        data = data[4:LZMA_HEADER] + b"\xff" * 8 + data[LZMA_HEADER:]
    parts, left = [], member.file_size + 1
    while left and not inflater.eof:
        parts.append(inflater.decompress(data, left))
        left, data = left - len(parts[-1]), b""
        if inflater.needs_input:
            break
    content = b"".join(parts)
    if len(content) != member.file_size or zlib.crc32(content) != member.CRC:
        raise zipfile.BadZipFile("another size or checksum than the directory says")
    return content
