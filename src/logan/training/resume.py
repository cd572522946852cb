"""What ``--resume`` means: a run folder is continued exactly, a snapshot lends its weights to a new run."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from logan.config import Config, ScoreConfig
from logan.errors import InputError
from logan.sampling import snapshot
from logan.training import folder, state
from logan.training.averaging import AveragedGenerator
from logan.training.setup import Parts

AUTO = "auto"
"""For ``--resume``: go on if there is something to go on with, else begin. What a job that may be restarted asks for."""
MAY_DIFFER = {
    *("kimg", "tick", "snap", "device", "checkpointing", "batch_gpu", "data", "workers"),
    *("on_alarm", "alarm_snapshots", "back_factor", "most_backs"),
    *vars(ScoreConfig()),
}
"""Settings of a run that goes on."""


def latest(outdir: str | Path, config: Config, desc: str | None = None) -> Path | None:
    """The run folder with the highest number in ``outdir`` that these settings may go on with; None if there is none.

    With ``desc`` one of that name, if it was given one.
    """
    for path in sorted(Path(outdir).expanduser().glob("[0-9]*"), reverse=True):
        if (path / state.FILE_NAME).exists() and (desc is None or path.name.partition("-")[2] == desc):
            with contextlib.suppress(InputError):
                check_same_settings(folder.read_options(path), config, path)
                return path
    return None


def run_to_go_on_with(config: Config, outdir: str | Path, desc: str | None, resume: str | Path | None) -> Path | None:
    """The run folder that a run with these arguments of :func:`logan.train` goes on in; None if it begins one.

    Raises:
        InputError: if the folder that ``resume`` names is none, or its run has other settings.
    """
    if resume == AUTO:
        return latest(outdir, config, desc)
    path = resumed_folder(resume)
    if path is not None:
        check_same_settings(folder.read_options(path), config, path)
    return path


def resumed_folder(resume: str | Path | None) -> Path | None:
    """The run folder that ``--resume`` names, or None if it names a snapshot or nothing."""
    if resume is None or resume == AUTO:
        return None
    path = Path(resume)
    if path.name == state.FILE_NAME:
        return path.parent
    if path.is_dir():
        return path
    if path.suffix == ".safetensors":
        return None
    if not path.exists():
        raise InputError(f"`resume` {path} does not exist; pass a run folder or a network-snapshot-….safetensors")
    raise InputError(
        f"`resume` {path} is neither a run folder, a {state.FILE_NAME}, nor a network-snapshot-….safetensors"
    )


def check_same_settings(old: Config, new: Config, path: Path) -> None:
    """Only the length, the cadence, the scores and the machine may differ: anything else would not be the same run.

    Raises:
        InputError: naming the first setting that differs.
    """
    before, after = _flat(old), _flat(new)
    for name, value in before.items():
        if after[name] != value and name not in MAY_DIFFER:
            raise InputError(
                f"`{name}` {after[name]} is not what {path} was started with ({value}); leave it out, "
                f"or start a new run from one of its snapshots"
            )


def _flat(config: Config) -> dict[str, Any]:
    groups = config.to_dict()
    return {"preset": groups.pop("preset")} | {name: v for group in groups.values() for name, v in group.items()}


def start_from_snapshot(path: Path, parts: Parts, average: AveragedGenerator) -> None:
    """Begin with the weights of a snapshot: both G and its average with the snapshot's (averaged) G, and D with its D."""
    _, tensors = snapshot.read(path)
    snapshot.load_weights(path, tensors, parts.generator, parts.discriminator)
    average.module.load_state_dict(parts.generator.state_dict())
