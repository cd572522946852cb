"""``hub:user/name``: exports that lie on the Hugging Face Hub (extra: hub).

First the manifest is fetched, then the files that it names and no others, at the same commit, into the Hub client's own cache.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from logan.errors import InputError, first_line
from logan.sampling import manifest

PREFIX = "hub:"
NAMES = re.compile(r"([\w.-]+/[\w.-]+)(?:@([\w./-]+))?", re.ASCII)


def is_hub(run: str | Path) -> bool:
    """Whether RUN names something on the Hub, and not a file."""
    return str(run).startswith(PREFIX)


def parse(run: str | Path) -> tuple[str, str | None]:
    """``hub:user/name@revision`` to the name, and the revision if there is one.

    Raises:
        InputError: if it is not such.

    Example:
        >>> parse("hub:someone/digits@v1")
        ('someone/digits', 'v1')
    """
    text = str(run).removeprefix(PREFIX).replace("\\", "/")  # a path of Windows, if it went through one
    match = NAMES.fullmatch(text)
    if match is None or len(match[1]) > 200 or ".." in text:
        raise InputError(f"{run} is not a model on the Hub; write hub:USER/NAME, or hub:USER/NAME@REVISION")
    return match[1], match[2]


def client() -> Any:
    """The module ``huggingface_hub``.

    Raises:
        InputError: if it is not installed.
    """
    try:
        import huggingface_hub
    except ImportError:
        raise InputError("hub: needs huggingface_hub, the extra 'hub': pip install \"logan-gan[hub]\"") from None
    return huggingface_hub


def download(run: str | Path) -> Path:
    """The folder, in the Hub client's cache, of an export; what is there already is not fetched again, and works offline.

    Args:
        run: ``hub:user/name``, or ``hub:user/name@revision`` with a branch, a tag or a commit. A commit is what its hash says for
            ever; what a branch holds may change.

    Raises:
        InputError: if there is no such model, it is no export, or it cannot be reached.
    """
    name, revision = parse(run)
    hub = client()
    try:
        found = Path(hub.hf_hub_download(name, manifest.NAME, revision=revision))
        commit = found.parent.name
        wanted = manifest.read(found)
        manifest.check_room_for(wanted, _sizes(hub, name, commit), f"{PREFIX}{name}")
        # names are checked: none has a character that means something in a pattern
        folder = Path(hub.snapshot_download(name, revision=commit, allow_patterns=[manifest.NAME, *wanted.files]))
    except InputError:
        raise
    except Exception as error:  # the client, its network library and the file system each raise their own
        raise InputError(f"{PREFIX}{name} cannot be had: {reason(error, revision)}") from None
    return folder


def _sizes(hub: Any, name: str, commit: str) -> dict[str, int | None]:
    """How large the Hub says that files are; nothing where it cannot be asked, and what comes is in the cache already."""
    try:
        info = hub.HfApi().model_info(name, revision=commit, files_metadata=True)
    except Exception:  # offline
        return {}
    return {file.rfilename: file.size for file in info.siblings or []}


def reason(error: Exception, revision: str | None = None) -> str:
    """What went wrong at the Hub, and what can be done, in words."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "GatedRepoError" in kinds:
        return "its owner asks for something first; open its page, accept, and log in with: hf auth login"
    if "RepositoryNotFoundError" in kinds:
        return "there is no such model, or it is private and you are not logged in (hf auth login)"
    if "RevisionNotFoundError" in kinds:
        return f"it has no revision {revision}"
    if "LocalEntryNotFoundError" in kinds or kinds & {"OfflineModeIsEnabled", "ConnectionError", "ConnectError"}:
        return "the Hub cannot be reached, and the cache has no whole copy; go online, or pass a folder"
    if "EntryNotFoundError" in kinds:
        return f"it is no export of logan: it has no {manifest.NAME}"
    if "LocalTokenNotFoundError" in kinds or _status(error) == 401:
        return "you are not logged in; log in with: hf auth login"
    if _status(error) == 403:
        return "your token may not do that; log in with one that may write: hf auth login"
    return f"{first_line(error)}; try again, or pass a folder"


def _status(error: Exception) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)
