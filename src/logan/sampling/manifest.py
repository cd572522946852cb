"""What an export folder says that it holds: ``manifest.json``, with the size and the sha256 of every file.

An export comes from somebody else: through a mail, a disk, or a hub. Before any of it is used, it is compared with its manifest
here, and the manifest with stated bounds. It is no signature: whoever changes a file can change the manifest too. What no export
can do, whoever made it, is run code: there is no kind of file in it that this project runs.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from logan.errors import InputError
from logan.files import size_text, write_json
from logan.foreign import Fields, damaged, load_group, shown
from logan.regular import open_regular

NAME = "manifest.json"
CARD = "README.md"
"""The one file that may change: people go on writing it, on the Hub in the browser. Nothing reads it but people."""
FORMAT = 1
MOST_FILES = 100
MOST_BYTES = {
    ".safetensors": 64 * 2**30,
    ".onnx": 2**31,
    ".json": 64 * 2**20,
    ".jsonl": 256 * 2**20,
    ".png": 64 * 2**20,
    ".md": 2**20,
}
"""The kinds of files that an export may have, none of which can be run, and how large each may be."""
BESIDE = {*MOST_BYTES, ".jpg", ".jpeg", ".gif", ".webp", ".npz", ".csv", ".txt"}
"""Kinds that may lie in the folder without being named: what people and this project put there, and nothing runs."""
IGNORED = {".git", ".cache", ".gitattributes", ".gitignore", ".DS_Store"}
"""What git, the Hub's client and macOS leave in a folder; not looked into."""
MOST_OF_A_MANIFEST = 2**20
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*", re.ASCII)
"""One name, in the folder itself; nothing that a pattern, a path or a device of Windows could make of it."""
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
ADVICE = "get the export again from where it came from"


@dataclass(frozen=True)
class Entry:
    """A file as its manifest has it."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Manifest:
    """The files of an export by name, and which of them is the snapshot."""

    snapshot: str
    files: dict[str, Entry]


def is_export(folder: Path) -> bool:
    """Whether a folder has a manifest."""
    return (folder / NAME).is_file()


def write(folder: Path, snapshot: str, version: str) -> Manifest:
    """Look at all files of a folder, and write down what they are.

    Raises:
        InputError: if one of them cannot be part of an export.
    """
    files = {path.name: Entry(_hash(path), path.stat().st_size) for path in sorted(folder.iterdir())}
    files.pop(NAME, None)
    values = {
        "format": FORMAT,
        "logan": version,
        "snapshot": snapshot,
        "files": {name: vars(entry) for name, entry in files.items()},
    }
    found = _checked(values, str(folder / NAME))
    write_json(folder / NAME, values)
    return found


def read(path: Path) -> Manifest:
    """A manifest, of which nothing was compared with any file yet.

    Raises:
        InputError: if it is damaged, names what no export has, or more than there may be.
    """
    try:
        with open_regular(path, through_links=True) as file:  # the Hub client's cache is made of links
            text = file.read(MOST_OF_A_MANIFEST + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}); {ADVICE}") from None
    if len(text) > MOST_OF_A_MANIFEST:
        damaged(str(path), "more than a mebibyte", ADVICE)
    return _checked(load_group(text, str(path), ADVICE), str(path))


def _checked(values: dict[str, Any], what: str) -> Manifest:
    f = Fields(values, what, ADVICE)
    if f.integer("format") != FORMAT:
        raise InputError(
            f"{what} has format {values['format']}, and this version of logan reads {FORMAT}; upgrade logan"
        )
    group = f.group("files")
    if not 1 <= len(group.values) <= MOST_FILES:
        damaged(what, f"it names {len(group.values):,} files, and an export has 1 to {MOST_FILES}", ADVICE)
    files = {}
    for name in group.values:
        suffix = Path(name).suffix
        if len(name) > 200 or not SAFE_NAME.fullmatch(name) or DEVICES.fullmatch(name) or name == NAME:
            damaged(what, f"it names {shown(name)}, which is no name of a file in an export", ADVICE)
        if suffix not in MOST_BYTES:
            raise InputError(f"{what} names {name}, and an export has no files of that kind; do not use it")
        entry = group.group(name)
        sha256 = entry.word("sha256")
        if not re.fullmatch("[0-9a-f]{64}", sha256):
            damaged(what, f"{shown(sha256)} is not the sha256 of {name}", ADVICE)
        files[name] = Entry(sha256, entry.integer("bytes", least=0, most=MOST_BYTES[suffix]))
    if len({name.lower() for name in files}) < len(files):
        damaged(what, "two names differ in capitals only", ADVICE)
    snapshot = f.word("snapshot")
    if snapshot not in files or not snapshot.endswith(".safetensors"):
        damaged(what, f"its snapshot, {shown(snapshot)}, is not one of its files", ADVICE)
    return Manifest(snapshot, files)


def snapshot_in(folder: Path) -> Path:
    """The snapshot of an export folder, which is there, and has not been looked at.

    Raises:
        InputError: if it is missing, or the manifest is damaged.
    """
    name = read(folder / NAME).snapshot
    if not (folder / name).is_file():
        raise _missing(folder, name)
    return folder / name


def verify(folder: Path) -> Manifest:
    """Compare an export folder with its manifest: every file there, none changed but the card, and none added that could be run.

    Raises:
        InputError: naming the first difference.
    """
    manifest = read(folder / NAME)
    _refuse_what_was_added(folder, manifest)
    for name, entry in manifest.files.items():
        path = folder / name
        if name == CARD:
            continue
        if not path.is_file():
            raise _missing(folder, name)
        size = path.stat().st_size
        if size != entry.bytes:
            raise InputError(
                f"{path} was changed: its manifest has {entry.bytes:,} bytes and {size:,} are there; {ADVICE}"
            )
    for name, entry in manifest.files.items():  # after the sizes, which cost nothing
        if name != CARD and _hash(folder / name) != entry.sha256:
            raise InputError(f"{folder / name} was changed: its sha256 is not that of its manifest; {ADVICE}")
    return manifest


def _missing(folder: Path, name: str) -> InputError:
    return InputError(f"{folder} is not whole: {name} is missing; {ADVICE}")


def _refuse_what_was_added(folder: Path, manifest: Manifest) -> None:
    for path in sorted(folder.iterdir()):
        if path.name in manifest.files or path.name in IGNORED or path.name == NAME:
            continue
        if path.is_dir() or path.suffix.lower() not in BESIDE:
            kind = "a folder" if path.is_dir() else "of a kind that an export never has"
            raise InputError(
                f"{folder} holds {path.name}, which its manifest does not name and is {kind}; "
                f"remove it if it is yours, and else do not use the export"
            )


def check_room_for(manifest: Manifest, sizes: dict[str, int | None], where: str) -> None:
    """Refuse files that are larger where they come from than their manifest says, before they are fetched (InputError)."""
    for name, entry in manifest.files.items():
        size = sizes.get(name)
        most = MOST_BYTES[".md"] if name == CARD else entry.bytes
        if size is not None and size > most:
            raise InputError(
                f"{where}: {name} has {size_text(size)} there, and {size_text(most)} by its manifest; do not use it"
            )


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with open_regular(path, through_links=True) as f:
        while block := f.read(2**20):
            digest.update(block)
    return digest.hexdigest()
