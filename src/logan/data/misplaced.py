"""What is given where data belong, and is something else: a run, a file of one, or nothing."""

from __future__ import annotations

from pathlib import Path

from logan.errors import InputError

BUILT_IN = ["digits", "ring", "grid"]
OPTIONS = "training_options.json"
"""What every run folder holds."""


def check_is_data(source: str) -> None:
    """Refuse what is no data set, and has another place.

    Raises:
        InputError: saying what it is.
    """
    if not source:
        raise InputError(f"the name of the data must not be empty; give {', '.join(BUILT_IN)}, or a path")
    path = Path(source).expanduser()
    run = path if path.is_dir() else path.parent
    is_weights = path.is_file() and path.suffix in (".safetensors", ".pt")
    if is_weights or (path.exists() and (run / OPTIONS).exists()):
        what = "a run" if path.is_dir() else "a file of a run"
        raise InputError(
            f"{source} is {what}, not a set of images; logan sample draws images from one, and `resume` goes on with it"
        )
    runs = sorted(options.parent for options in path.glob(f"*/{OPTIONS}")) if path.is_dir() else []
    if runs:
        raise InputError(f"{source} is a folder of runs, such as {runs[-1].name}, not a set of images")
