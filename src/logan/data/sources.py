"""A folder or a zip file as a collection of named byte strings. Nothing is ever extracted."""

from __future__ import annotations

import os
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol

from logan.errors import InputError

from .dataset import BrokenImage


class Source(Protocol):
    """Files by their names relative to the root, with forward slashes; hidden ones are left out."""

    def names(self) -> list[str]:
        """All names, sorted."""
        ...

    def read(self, name: str) -> bytes:
        """The contents of a file. Raises BrokenImage if they cannot be had."""
        ...


def open_source(path: Path) -> Source:
    """The folder, zip file or uncompressed tar file at ``path``.

    Raises:
        InputError: there is nothing, or something else.
    """
    if path.is_dir():
        return Folder(path)
    if path.is_file() and zipfile.is_zipfile(path):
        return Zip(path)
    if path.is_file() and tarfile.is_tarfile(path):
        return Tar(path)
    if path.suffix.lower() == ".zip" and path.is_file():
        raise InputError(f"{path}: a damaged zip file; make or download it again")
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    raise InputError(
        f"{path}: not a set of images; give a folder, a .zip or .tar file of images, a .npy of logan data prepare, idx files, "
        f"or CIFAR-10"
    )


class Folder:
    def __init__(self, root: Path):
        self.root = root

    def names(self) -> list[str]:
        found, seen = [], set()
        for where, folders, files in os.walk(self.root, followlinks=True):  # people link data sets together
            real = os.path.realpath(where)
            if real in seen:  # a link that leads back up would be walked for ever
                folders.clear()
                continue
            seen.add(real)
            found += [Path(where, file).relative_to(self.root).as_posix() for file in files]
        return sorted(filter(_visible, found))

    def read(self, name: str) -> bytes:
        try:
            return (self.root / name).read_bytes()
        except OSError as error:
            raise BrokenImage(f"{name}: cannot be read ({error.strerror})") from error


class Zip:
    """A zip file. Each process opens it for itself, since a shared file position would mix up the workers' reads."""

    def __init__(self, path: Path):
        self.path = path
        self._handle: zipfile.ZipFile | None = None
        self._process = -1
        # some Windows tools write backslashes; of two members with one name zipfile reads the last
        self._members = {name.replace("\\", "/"): name for name in self._open().namelist() if name[-1:] not in "/\\"}

    def names(self) -> list[str]:
        return sorted(filter(_visible, self._members))

    def read(self, name: str) -> bytes:
        try:
            return self._open().read(self._members[name])
        # RuntimeError: encrypted; NotImplementedError: an unknown compression
        except (OSError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
            raise BrokenImage(f"{name}: cannot be read from {self.path.name} ({error})") from error

    def _open(self) -> zipfile.ZipFile:
        if self._handle is None or self._process != os.getpid():
            try:
                self._handle, self._process = zipfile.ZipFile(self.path), os.getpid()
            except (OSError, zipfile.BadZipFile) as error:
                raise InputError(f"{self.path}: cannot be opened as a zip file ({error})") from error
        return self._handle

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_handle": None}


class Tar:
    """An uncompressed tar file, and the tar files in it as folders: ImageNet's training images come as a tar of a thousand tars.

    Only the places of the files are read at first. Reading one moves no shared file position.
    """

    def __init__(self, path: Path):
        self.path = path
        self._places: dict[str, tuple[int, int]] = {}
        self._file: int | None = None
        self._process = -1
        try:
            with open(path, "rb") as file:
                self._add_members(file, "")
                for name in [n for n in self._places if n.endswith(".tar")]:
                    file.seek(self._places.pop(name)[0])
                    self._add_members(file, name.removesuffix(".tar") + "/")
        except (OSError, tarfile.TarError) as error:
            raise InputError(
                f"{path}: not an uncompressed tar file that can be read ({error}); unpack it, and give the folder"
            ) from None

    def _add_members(self, file: BinaryIO, folder: str) -> None:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            for member in filter(tarfile.TarInfo.isfile, archive):
                self._places[(folder + member.name).removeprefix("./")] = (member.offset_data, member.size)

    def names(self) -> list[str]:
        return sorted(filter(_visible, self._places))

    def read(self, name: str) -> bytes:
        start, size = self._places[name]
        try:
            if self._file is None or self._process != os.getpid():
                self._file, self._process = os.open(self.path, os.O_RDONLY), os.getpid()
            data = os.pread(self._file, size, start)
        except OSError as error:
            raise BrokenImage(f"{name}: cannot be read from {self.path.name} ({error.strerror})") from error
        if len(data) < size:
            raise BrokenImage(f"{name}: cut off at the end of {self.path.name}")
        return data

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None}


def _visible(name: str) -> bool:
    return not any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)
