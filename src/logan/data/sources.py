"""A folder or an archive as a collection of named byte strings. Nothing is ever extracted."""

from __future__ import annotations

import os
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

from logan.errors import InputError, first_line

from .bounds import DAMAGE, MOST_BYTES, MOST_FOLD, MOST_LINKS, room
from .clean_names import by_clean_names, is_visible
from .dataset import BrokenImage
from .formats import SUFFIXES
from .take import WORTH_A_LOOK, check_size, take
from .tar_members import is_tar, tar_members
from .zip_directory import check_directory
from .zip_packed import is_packed, unpacked

Result = TypeVar("Result")
_READING = os.O_RDONLY | getattr(os, "O_BINARY", 0)  # Windows would turn line ends around
_seeking = threading.Lock()
COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


class Source(Protocol):
    """Files by their names relative to the root, with forward slashes; hidden ones are left out.

    ``notices`` are lines for people about what was found; they are complete when :meth:`names` was called.
    """

    notices: list[str]

    def names(self) -> list[str]:
        """All names, sorted."""
        ...

    def size(self, name: str) -> int:
        """How many bytes :meth:`read` would give."""
        ...

    def read(self, name: str, most: int = MOST_BYTES) -> bytes:
        """The contents of a file. Raises BrokenImage if they cannot be had, or are more than ``most`` bytes."""
        ...


def with_file(source: Source, name: str, work: Callable[[bytes, str], Result]) -> Result:
    """``work(contents, name)`` of a file; of large ones one at a time. Raises BrokenImage."""
    with room(source.size(name)):
        return work(source.read(name), name)


def open_source(path: Path) -> Source:
    """The folder, zip file or uncompressed tar file at ``path``.

    Raises:
        InputError: there is nothing, or something else.
    """
    if path.is_dir():
        return Folder(path)
    if path.is_file() and zipfile.is_zipfile(path):
        return Zip(path)
    if path.is_file() and is_tar(path):
        return Tar(path)
    if path.suffix.lower() == ".zip" and path.is_file():
        raise InputError(f"{path}: a damaged zip file; make or download it again")
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if packed := compression(path):
        raise InputError(
            f"{path}: packed with {packed}, and so not an uncompressed tar file; unpack it, and give the folder or the .tar"
        )
    if path.suffix.lower() == ".tar" and path.is_file():
        raise InputError(f"{path}: a damaged tar file; make or download it again")
    raise InputError(
        f"{path}: not a set of images; give a folder, a .zip or .tar file of images, a .npy of logan data prepare, idx files, "
        f"or CIFAR-10"
    )


def compression(path: Path) -> str:
    """The program that a file was compressed with, by its first bytes; empty if it was not."""
    if not path.is_file():
        return ""
    with open(path, "rb") as file:
        start = file.read(8)
    return next((name for magic, name in COMPRESSED.items() if start.startswith(magic)), "")


class Folder:
    """A folder, through links, too: people link data sets together."""

    def __init__(self, root: Path):
        self.root = root
        self.notices: list[str] = []

    def names(self) -> list[str]:
        """Of regular files: a pipe would be waited for."""
        self.notices = []
        found: list[str] = []
        first: dict[tuple[int, int], str] = {}
        waiting: list[tuple[str, tuple[tuple[int, int], ...]]] = [("", ())]
        while waiting:
            inside, above = waiting.pop()
            try:
                number = _number(self.root / inside)
                if number in above:  # a link that leads back up would be walked for ever
                    continue
                if first.setdefault(number, inside) != inside:
                    self._note_twin(first[number], inside)
                for entry in self._entries(inside):
                    if entry.is_dir():
                        waiting.append((f"{inside}{entry.name}/", (*above, number)))
                    elif entry.is_file() or not os.path.exists(entry.path):  # a link to nothing is a broken image
                        found.append(inside + entry.name)
                    elif entry.name.lower().endswith(SUFFIXES):
                        self.notices.append(f"left out, since it is not a file: {inside}{entry.name}")
            except OSError as error:
                if not inside:
                    raise InputError(f"{self.root}: cannot be read ({error.strerror})") from None
                self.notices.append(f"left out, since it cannot be read ({error.strerror}): {inside[:-1]}")
        return sorted(found)

    def size(self, name: str) -> int:
        """As the file system says."""
        try:
            return os.stat(self.root / name).st_size
        except OSError as error:
            raise BrokenImage(f"{name}: cannot be read ({error.strerror})") from error

    def read(self, name: str, most: int = MOST_BYTES) -> bytes:
        """The contents of a file."""
        try:
            with open(self.root / name, "rb") as file:
                return take(file.read, os.fstat(file.fileno()).st_size, name, most)
        except OSError as error:
            raise BrokenImage(f"{name}: cannot be read ({error.strerror})") from error

    def _entries(self, inside: str) -> list[os.DirEntry[str]]:
        with os.scandir(self.root / inside) as entries:
            visible = [entry for entry in entries if is_visible(entry.name)]
        return sorted(visible, key=lambda entry: entry.name, reverse=True)  # the last is looked through first

    def _note_twin(self, one: str, other: str) -> None:
        self.notices.append(f"{one[:-1] or self.root} and {other[:-1]} are one folder, so its images come twice")
        if len(self.notices) > MOST_LINKS:
            raise InputError(f"{self.root}: more than {MOST_LINKS:,} links lead to folders that are there already")


class Zip:
    """A zip file. Each process opens it for itself, since a shared file position would mix up the workers' reads."""

    def __init__(self, path: Path):
        self.path = path
        self._handle: zipfile.ZipFile | None = None
        self._process = -1
        files = [name for name in self._open().namelist() if name[-1:] not in "/\\"]
        self._members, self.notices = by_clean_names((name, name) for name in files)

    def names(self) -> list[str]:
        """Of its members; some Windows tools write backslashes."""
        return sorted(filter(is_visible, self._members))

    def size(self, name: str) -> int:
        """As its directory says; no more is inflated."""
        return self._open().getinfo(self._members[name]).file_size

    def read(self, name: str, most: int = MOST_BYTES) -> bytes:
        """The contents of a member, whose checksum is right."""
        try:
            member = self._open().getinfo(self._members[name])
            check_size(max(member.file_size, member.compress_size), name, most)
            if member.file_size >= max(WORTH_A_LOOK, MOST_FOLD * member.compress_size):
                fold = member.file_size // max(1, member.compress_size)
                raise BrokenImage(f"{name}: broken image (it inflates {fold:,}-fold, as no picture does)")
            if is_packed(member):
                return unpacked(self._open(), member)
            with self._open().open(member) as file:
                return take(file.read, member.file_size, name, most)
        except InputError:
            raise
        except DAMAGE as error:  # RuntimeError: encrypted
            raise BrokenImage(f"{name}: cannot be read from {self.path.name} ({first_line(error)})") from error

    def _open(self) -> zipfile.ZipFile:
        if self._handle is None or self._process != os.getpid():
            try:
                check_directory(self.path)
                self._handle, self._process = zipfile.ZipFile(self.path), os.getpid()
            except InputError:
                raise
            except DAMAGE as error:
                raise InputError(f"{self.path}: cannot be opened as a zip file ({first_line(error)})") from error
        return self._handle

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_handle": None}


class Tar:
    """An uncompressed tar file, and the tar files in it as folders: ImageNet's training images come as a tar of a thousand tars.

    Only the places of the files are read at first. Reading one moves no shared file position.
    """

    def __init__(self, path: Path):
        self.path = path
        self._file: int | None = None
        self._process = -1
        try:
            with open(path, "rb") as file:
                self._places, self.notices = by_clean_names(_members(file))
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: a damaged tar file ({first_line(error)}); make or download it again") from None

    def names(self) -> list[str]:
        """Of its files, and of those in its tar files."""
        return sorted(filter(is_visible, self._places))

    def size(self, name: str) -> int:
        """As its header says."""
        return self._places[name][1]

    def read(self, name: str, most: int = MOST_BYTES) -> bytes:
        """The contents of a file."""
        start, size = self._places[name]
        try:
            if self._file is None or self._process != os.getpid():
                self._file, self._process = os.open(self.path, _READING), os.getpid()
            file, at = self._file, start

            def read_on(count: int) -> bytes:
                nonlocal at
                data = _read_at(file, count, at)
                at += len(data)
                return data

            return take(read_on, size, name, most)
        except OSError as error:
            raise BrokenImage(f"{name}: cannot be read from {self.path.name} ({error.strerror})") from error

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None}


def _read_at(file: int, count: int, at: int) -> bytes:
    """Bytes from a place in an open file on, whatever other threads read of it at the time; Windows has no ``pread``."""
    if hasattr(os, "pread"):
        return os.pread(file, count, at)
    with _seeking:
        os.lseek(file, at, os.SEEK_SET)
        return os.read(file, count)


def _members(file: BinaryIO) -> Iterator[tuple[str, tuple[int, int]]]:
    for member in tar_members(file):
        if not member.name.endswith(".tar"):
            yield member.name, (member.start, member.size)
            continue
        folder = member.name.removesuffix(".tar") + "/"
        for inner in tar_members(file, member.start, member.start + member.size):
            yield folder + inner.name, (inner.start, inner.size)


def _number(path: Path) -> tuple[int, int]:
    """By which a folder is known, whatever it is called."""
    status = os.stat(path)
    return status.st_dev, status.st_ino
