"""Damage under checksums that are right: whoever means harm computes them anew."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickletools
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from random import Random

import numpy as np

from .mutations import NUMBERS, big_endian, changed, mutated

EPOCH = (1980, 1, 1, 0, 0, 0)
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": lambda data: gzip.compress(data, 6, mtime=0),
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    "": lambda data: data,
}


def png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Kind and content of the chunks of a PNG."""
    at, chunks = 8, []
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        chunks.append((kind, data[at + 8 : at + 8 + length]))
        at += 12 + length
    return chunks


def png_of(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """A PNG of chunks, whose checksums are right."""
    parts = [
        struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c) & 0xFFFFFFFF)
        for k, c in chunks
        if len(k) == 4
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def damaged_png(data: bytes, rng: Random) -> bytes:
    """Chunks changed, dropped, doubled, moved or added; pixels changed before they are compressed."""
    chunks = png_chunks(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at, what = rng.randrange(len(chunks)), rng.random()
        kind, content = chunks[at]
        if what < 0.25:
            chunks[0] = (b"IHDR", _png_header(chunks[0][1], rng))
        elif what < 0.45:
            chunks[at] = (kind, mutated(content, rng))
        elif what < 0.6 and kind == b"IDAT":
            try:
                chunks[at] = (kind, zlib.compress(mutated(zlib.decompress(content), rng)))
            except zlib.error:
                continue
        elif what < 0.7:
            chunks[at:at] = [chunks[at]] * rng.choice((1, 2, 500))
        elif what < 0.8 and len(chunks) > 1:
            del chunks[at]
        elif what < 0.9:
            chunks.insert(rng.randrange(len(chunks) + 1), chunks.pop(at))
        else:
            more = rng.choice(
                (b"tRNS", b"PLTE", b"eXIf", b"acTL", b"fcTL", b"fdAT", b"zTXt", b"iCCP", b"iTXt", b"tEXt", b"gAMA")
            )
            chunks.insert(
                at, (more, rng.choice((rng.randbytes(rng.choice((0, 2, 6, 30))), zlib.compress(bytes(2**22)))))
            )
    return png_of(chunks)


def _png_header(header: bytes, rng: Random) -> bytes:
    header = header[:13].ljust(13, b"\0")
    if rng.random() < 0.5:
        return big_endian(header[:8], rng)[:8] + header[8:]
    return header[:8] + bytes(
        (rng.choice((1, 2, 4, 8, 16, 0)), rng.choice((0, 2, 3, 4, 6, 1)), 0, 0, rng.choice((0, 1)))
    )


def zip_of(files: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip of files."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, EPOCH)
            info.compress_type = method
            archive.writestr(info, content)
    return data.getvalue()


NAMES = (
    "../../out.png",
    "/tmp/out.png",
    "a/../../b/1.png",
    "x" * 300 + ".png",
    "a\\b\\1.png",
    ".png",
    "\ud800.png",
    "dataset.json",
)


def damaged_files(files: Mapping[str, bytes], rng: Random) -> dict[str, bytes]:
    """Files with another content, name, or number."""
    items = list(files.items())
    at, what = rng.randrange(len(items)), rng.random()
    name, content = items[at]
    if what < 0.5:
        items[at] = (name, mutated(content, rng, list(files.values())))
    elif what < 0.65:
        items[at] = (rng.choice(NAMES), content)
    elif what < 0.75:
        items.append((rng.choice(NAMES), rng.choice((content, b"", bytes(2**20)))))
    elif what < 0.85:
        del items[at]
    else:
        items += [(f"{rng.choice(('c', 'd'))}{i}/{name}", content) for i in range(rng.choice((1, 50)))]
    return {name.encode("utf-8", "replace").decode(): content for name, content in items}


def damaged_zip(files: Mapping[str, bytes], rng: Random) -> bytes:
    """A zip of damaged files, or one whose directory lies about them."""
    data = zip_of(damaged_files(files, rng) if rng.random() < 0.6 else files, rng.choice(METHODS))
    if rng.random() < 0.5:
        at = data.find(rng.choice((b"PK\1\2", b"PK\5\6", b"PK\3\4")))
        if at >= 0:
            offset, size = at + rng.randrange(4, 30), rng.choice((2, 4))
            data = data[:offset] + (rng.choice(NUMBERS) % 256**size).to_bytes(size, "little") + data[offset + size :]
    return data


def tar_of(files: Mapping[str, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    """A tar of files."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=form) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return data.getvalue()


FIELDS = ((0, 100), (100, 8), (124, 12), (124, 12), (124, 12), (156, 1), (156, 1), (257, 8), (345, 155))
"""Name, mode, size, kind, magic, prefix."""


def damaged_tar(files: Mapping[str, bytes], rng: Random) -> bytes:
    """A tar of damaged files, or one with a header that lies, whose checksum is right."""
    form = rng.choice((tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT))
    try:
        data = bytearray(tar_of(damaged_files(files, rng) if rng.random() < 0.5 else files, form))
    except ValueError:  # a name that this format cannot have
        data = bytearray(tar_of(files))
    headers = [at for at in range(0, len(data), 512) if data[at + 257 : at + 262] == b"ustar"]
    for _ in range(rng.choice((0, 1, 1, 2)) if headers else 0):
        at = rng.choice(headers)
        start, size = rng.choice(FIELDS)
        data[at + start : at + start + size] = rng.choice(
            (
                b"%0*o" % (size - 1, rng.choice(NUMBERS) % 8 ** max(1, size - 1)) + b"\0",
                (b"\x80" + rng.choice(NUMBERS).to_bytes(max(size - 1, 8), "big"))[:size],
                rng.choice((b"x", b"L", b"K", b"g", b"S", b"1", b"2", b"5", b"0", b"\0")) * size,
                rng.randbytes(size),
            )
        )[:size].ljust(size, b"\0")
        data[at + 148 : at + 156] = b" " * 8
        data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
    return bytes(data)


def damaged_pickle(data: bytes, rng: Random) -> bytes:
    """Instructions dropped, doubled, moved or replaced; names that ask for programs."""
    places = [at for _, _, at in pickletools.genops(data)]
    steps = [data[a:b] for a, b in zip(places, [*places[1:], len(data)], strict=True)]
    for _ in range(rng.choice((1, 1, 2, 4))):
        at, what = rng.randrange(len(steps)), rng.random()
        if what < 0.2:
            del steps[at]
            steps = steps or [b"."]
        elif what < 0.35:
            steps[at:at] = [steps[at]] * rng.choice((1, 3, 2000))
        elif what < 0.5:
            other = rng.randrange(len(steps))
            steps[at], steps[other] = steps[other], steps[at]
        elif what < 0.65:
            steps[at] = mutated(steps[at], rng)
        elif what < 0.9:
            steps.insert(at, rng.choice(STEPS))
        else:
            steps[at] = rng.choice(STEPS)
    return b"".join(steps)


STEPS = (
    *(
        b"cos\nsystem\nX\x09\0\0\0touch out\x85R",
        b"cbuiltins\nexec\nX\x04\0\0\0x=1\n\x85R",
        b"cnumpy\ndtype\nX\x02\0\0\0O8\x85R",
    ),
    *(
        b"c_codecs\nencode\nX\x01\0\0\0aX\x03\0\0\0zip\x86R",
        b"ctorch\nload\nX\x01\0\0\0a\x85R",
        b"ctorch\nSize\n]\x85R",
    ),
    *(
        b"(",
        b")",
        b"]",
        b"}",
        b"N",
        b"\x88",
        b"0",
        b"2",
        b"t",
        b"l",
        b"d",
        b"R",
        b"b",
        b"a",
        b"e",
        b"s",
        b"u",
        b"\x81",
        b"\x85",
    ),
    *(
        b"\x86",
        b"\x87",
        b"Q",
        b"P1\n",
        b"\x82\x01",
        b"B\xff\xff\xff\x7f",
        b"X\xff\xff\xff\x7f",
        b"J\xff\xff\xff\x7f",
        b"\x8a\xff",
    ),
    *(
        b"I" + b"9" * 5000 + b"\n",
        b"K\xff",
        b"h\0",
        b"h\xff",
        b"q\0",
        b"G" + b"\xff" * 8,
        b"\x8b\xff\xff\xff\x7f",
        b"F1e999\n",
    ),
    *(
        b"]" + b"2a" * 40,
        b")" + b"2\x86" * 40,
        b"(" * 3000,
        b"]" * 3000,
        b"c__main__\nx\n",
        b"i__main__\nx\n",
        b"\x80\x05",
        b".",
    ),
)


SHAPES = (
    *("(3, 1, 8, 8)", "(4, 3, 8, 8)", "(-8, 1, 8, 8)", "((((", "(4, 1, 0, 0)", "(4, 1, 8192, 8192)", "(4, 1, 8, 9)"),
    *("(" + "9" * 400 + ",)", "()", "(4,)", "(0, 1, 8, 8)"),
)


def damaged_array(pieces: list[bytes], images: int, rows: int, rng: Random) -> bytes:
    """A prepared array of header, images and what follows, one of them damaged; its checksums are right.

    Args:
        pieces: the bytes of each.
        images: bytes of an image.
        rows: images to a block.
        rng: decides.
    """
    pieces = list(pieces)
    at = rng.choice((0, 0, 0, *range(len(pieces))))
    if at == 0 and rng.random() < 0.7:
        header = pieces[0]
        shape = rng.choice((*SHAPES, f"({rng.choice(NUMBERS)}, 1, 8, 8)"))
        kind, by_columns = rng.choice(("|u1", "|u1", "|O8", "<f4", "<U9", "|V8", "<M8")), rng.random() < 0.3
        text = f"{{'descr': '{kind}', 'fortran_order': {by_columns}, 'shape': {shape}, }}"
        pieces[0] = header[:10] + text.encode().ljust(len(header) - 11)[: len(header) - 11] + b"\n"
    else:
        pieces[at] = mutated(pieces[at], rng)
    rest = zlib.crc32(b"".join(pieces[2:]), zlib.crc32(pieces[0]))
    block = images * rows
    blocks = [zlib.crc32(pieces[1][i : i + block]) for i in range(0, max(1, len(pieces[1])), block)]
    sums = [rows, rest, *blocks]
    if rng.random() < 0.2:
        sums = [x % 2**32 for x in changed(sums, rng, NUMBERS) if isinstance(x, int)]
    behind = io.BytesIO()
    np.save(behind, np.array(sums, np.uint32))
    return b"".join(pieces) + behind.getvalue()


def damaged_safetensors(data: bytes, rng: Random) -> bytes:
    """The header says something else."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    values = (
        None,
        0,
        -1,
        2**63,
        10**30,
        "F64",
        "BOOL",
        "F8_E4M3",
        "I4",
        [0, 0],
        [0, 2**40],
        [2**31, 2**31],
        [],
        {},
        "x",
        ["x"],
    )
    text = json.dumps(changed(header, rng, values)).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


def damaged_state(data: bytes, rng: Random) -> bytes:
    """A file of ``torch.save``, one of its parts damaged, put together again."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    program = next(name for name in files if name.endswith("data.pkl"))
    if rng.random() < 0.6:
        files[program] = damaged_pickle(files[program], rng)
    else:
        name = rng.choice(list(files))
        files[name] = rng.choice((mutated(files[name], rng), b"", files[name] * 2))
        if rng.random() < 0.2:
            del files[name]
    return zip_of(files)
