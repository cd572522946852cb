"""What a PNG says of itself, its checksums, and the chunks of it that make up its picture.

Pillow gives three kinds of PNG away: of one with 16 bits and a transparent colour it forgets the one or the other, 16-bit grey with
alpha becomes colour, and a text of more than a mebibyte makes the whole file fail. And it looks at the checksums only if asked.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PICTURE = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf"}
"""The chunks that tell its pixels, and which side is up. Without the others an animation is its first picture."""
TURNED = (b"XML:com.adobe.xmp", b"Raw profile type exif")
"""Texts in which some programs say which side is up."""
MOST_TEXT, MOST_INFLATED = 2**16, 2**20
"""Bytes of such a text, and what Pillow lets it become."""
MOST_CHUNKS = 2**18
"""Pillow writes 16 to the mebibyte, others 128; an image within the bounds has fewer than 2¹⁶."""
GREY, COLOUR, GREY_ALPHA = 0, 2, 4


class Png(NamedTuple):
    """The file without what is no part of its picture, and from its header:

    width, height: in pixels.
    bits: per channel.
    kind: of colours, ``GREY``, ``COLOUR``, ``GREY_ALPHA``, or 3 (palette) or 6 (colour with alpha).
    transparent: the levels of the transparent colour, one or three; empty if there is none.
    """

    data: bytes
    width: int
    height: int
    bits: int
    kind: int
    transparent: tuple[int, ...]


def read_png(data: bytes) -> Png:
    """Checks every checksum.

    Raises:
        ValueError: a checksum that is wrong, or a file that is cut off or does not begin as a PNG must.

    Source: W3C, Portable Network Graphics (third edition): a signature, then chunks of length, type, data, CRC-32.
    """
    kept = [data[: len(SIGNATURE)]]
    header: tuple[int, int, int, int] | None = None
    transparent: tuple[int, ...] = ()
    view, at, chunks, kind = memoryview(data), len(SIGNATURE), 0, b""
    while kind != b"IEND":
        if at + 12 > len(data):
            raise ValueError("truncated file")
        length, kind = struct.unpack_from(">I4s", data, at)
        end, chunks = at + 12 + length, chunks + 1
        if end > len(data):
            raise ValueError("truncated file")
        if chunks > MOST_CHUNKS:
            raise ValueError(f"more than {MOST_CHUNKS:,} chunks")
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise ValueError(f"wrong checksum of chunk {kind!r}")
        content = view[at + 8 : end - 4]
        if (header is None) != (kind == b"IHDR"):
            raise ValueError("no header, or two")
        if header is None:
            if length != 13:
                raise ValueError("a header of another length")
            header = struct.unpack_from(">IIBB", content)
        if kind == b"tRNS" and header[3] in (GREY, COLOUR):
            transparent = struct.unpack(f">{length // 2}H", content[: length // 2 * 2])
        if kind in PICTURE or (length <= MOST_TEXT and _tells_which_side_is_up(kind, bytes(content[:MOST_TEXT]))):
            kept.append(data[at:end])
        at = end
    assert header is not None
    width, height, bits, colours = header
    if transparent and len(transparent) != (1 if colours == GREY else 3):
        raise ValueError("a transparent colour of another kind")
    return Png(b"".join(kept), width, height, bits, colours, transparent)


def _tells_which_side_is_up(kind: bytes, content: bytes) -> bool:
    keyword, _, text = content.partition(b"\0")
    if keyword not in TURNED or kind not in (b"tEXt", b"zTXt", b"iTXt"):
        return False
    if kind == b"tEXt" or (kind == b"iTXt" and text[:1] == b"\0"):
        return True
    packed = text[1:] if kind == b"zTXt" else text[2:].split(b"\0", 2)[-1]
    inflater = zlib.decompressobj()
    try:
        inflater.decompress(packed, MOST_INFLATED)
    except zlib.error:
        return False
    return not inflater.unconsumed_tail
