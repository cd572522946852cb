"""Uploading an export to the Hugging Face Hub (extra: hub); :mod:`logan.sampling.download` fetches it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from logan.errors import InputError
from logan.sampling.download import PREFIX, client, parse, reason

OURS = ["network-snapshot-*", "*.onnx", "stats.jsonl"]
"""What an earlier export may have left in a repository, and this one may not have."""


def destination(to: str | Path) -> str:
    """``user/name`` of ``hub:user/name``, before anything is made for it.

    Raises:
        InputError: if it is none, has a revision, or the client is not installed.
    """
    name, revision = parse(to)
    if revision is not None:
        raise InputError(f"`to` {to}: an upload goes to the main branch; leave out @{revision}")
    client()
    return name


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Where an export is made that is to be uploaded."""
    with tempfile.TemporaryDirectory(prefix="logan-export-") as folder:
        yield Path(folder)


def upload(folder: Path, name: str, private: bool) -> str:
    """Make the repository, unless it is there, and put the folder into it in one commit; the address of its page.

    Raises:
        InputError: if that cannot be done.
    """
    api = client().HfApi()
    try:
        # a repository that is there stays as visible as it is
        address = str(api.create_repo(name, private=private or None, exist_ok=True))
        api.upload_folder(
            repo_id=name, folder_path=str(folder), commit_message="Upload an export of logan", delete_patterns=OURS
        )
    except Exception as error:  # the client, its network library and the file system each raise their own
        raise InputError(f"{PREFIX}{name} cannot be written: {reason(error)}") from None
    return address
