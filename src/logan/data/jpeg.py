"""How often a JPEG goes over its picture: a hundred bytes may have all of it worked through once more."""

from __future__ import annotations

import re

START = b"\xff\xd8"
MOST_SCANS = 64
"""Programs that search for the smallest file write some 10; 64 over the largest picture take 4 seconds."""
MOST_MARKERS = 10**5
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_SCAN, _END, _WITHOUT_LENGTH = 0xDA, 0xD9, (0x01, 0xD8)


def has_too_many_scans(data: bytes) -> bool:
    """Whether the first picture in ``data`` is made of more than :data:`MOST_SCANS` scans.

    Source: ITU-T T.81, annex B: segments of a marker and a length; in a scan's own data 0xff is followed by 0 or a restart marker.
    """
    if data.count(bytes([0xFF, _SCAN])) <= MOST_SCANS:  # which is nearly always so, and quickly seen
        return False
    at = scans = 0
    for _ in range(MOST_MARKERS):
        found = _MARKER.search(data, at)
        if found is None or (kind := data[found.end() - 1]) == _END:
            return False
        at = found.end() + (
            0 if kind in _WITHOUT_LENGTH else max(2, int.from_bytes(data[found.end() : found.end() + 2], "big"))
        )
        scans += kind == _SCAN
        if scans > MOST_SCANS:
            return True
    return True
