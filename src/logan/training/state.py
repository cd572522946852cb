"""The state of a training run, for exact resume: ``training-state-latest.pt``.

Everything that a step reads or changes is in it: both networks, both optimisers, what the dynamics remember, the average of
G, every random generator, the number of images seen (which alone determines the order of the data), and the sums of the
current tick.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from logan.data.fingerprint import fingerprint
from logan.errors import InputError, first_line
from logan.files import write_atomically
from logan.foreign import Fields
from logan.regular import open_regular
from logan.training import entries, random_states, stored
from logan.training.averaging import AveragedGenerator
from logan.training.setup import Parts

FILE_NAME = "training-state-latest.pt"
FORMAT = 1
ADVICE = "remove it and resume from a snapshot with `resume` network-snapshot-….safetensors"


@dataclass
class Progress:
    """How far a run has come.

    Attributes:
        images: real images shown to D.
        steps: updates of G.
        ticks: lines written to the log.
        seconds: time spent training, over all sittings.
        sums, counts: sums of the reports since the last tick, by name, and how many there were of each.
        probes: what the probe saw since the last tick.
        probe_seconds: time spent on looking, over all sittings; not part of ``seconds``.
        due: the line of the log of a tick whose pictures, snapshot and scores are still to be made; None between ticks.
    """

    images: int = 0
    steps: int = 0
    ticks: int = 0
    seconds: float = 0.0
    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    probes: list[dict[str, Any]] = field(default_factory=list)
    probe_seconds: float = 0.0
    due: dict[str, Any] | None = None


def save(path: Path, parts: Parts, average: AveragedGenerator, progress: Progress) -> None:
    """Write the state in one move; the file that was there is whole until then."""
    state = {
        "format": FORMAT,
        "data": fingerprint(parts.data),
        "threads": torch.get_num_threads(),
        "progress": vars(progress),
        **{name: module.state_dict() for name, module in _modules(parts, average).items()},
        "memory": parts.game.memory,
        "random": random_states.take(parts.device, parts.random),
    }
    write_atomically(path, lambda partial: _write(partial, state), _size(state))


def _write(path: Path, state: dict[str, Any]) -> None:
    with open(path, "wb") as f:  # given a name, torch does not say why it cannot write
        torch.save(state, f)


def _size(value: Any) -> int:
    """Bytes that it takes in a file, about."""
    if isinstance(value, torch.Tensor):
        return value.nbytes
    if isinstance(value, dict | list | tuple):
        return sum(map(_size, value.values() if isinstance(value, dict) else value))
    return 16


def load(path: Path, parts: Parts, average: AveragedGenerator) -> tuple[Progress, list[str]]:
    """Put a saved state into ``parts`` and ``average``; also return warnings about what makes the resume inexact.

    Raises:
        InputError: if the file is damaged, or belongs to other networks or other data.
    """
    modules = _modules(parts, average)
    state = _read(path, {"data", "threads", "progress", "memory", "random", *modules})
    progress, threads = _checked(path, state, modules, parts)
    if state["data"] != fingerprint(parts.data):
        raise InputError(
            f"`data` {parts.config.data.data} is not what {path.parent} was trained on (other images, labels or number); "
            f"put the old data back, or start a new run from one of its snapshots"
        )
    try:
        for name, module in modules.items():
            if isinstance(module, torch.optim.Optimizer):
                _compute_as(module, state[name])
            module.load_state_dict(state[name])
        parts.game.memory = {k: [t.to(parts.device) for t in v] for k, v in state["memory"].items()}
        random_states.put(state["random"], parts.device, parts.random)
    except Exception as error:  # what torch makes of it is its own business
        raise InputError(f"{_damaged(path)} ({first_line(error)})") from None
    warnings = []
    if parts.device.type == "cpu" and threads != torch.get_num_threads():
        warnings.append(
            f"this run was computed with {threads} threads and goes on with {torch.get_num_threads()}: it will not "
            f"be bit-identical to one that was never stopped"
        )
    return progress, warnings


def read_progress(path: Path) -> Progress:
    """How far a run had come when its state was saved; networks and optimisers are not read.

    Raises:
        InputError: if the file is damaged, or none.
    """
    state = _read(path, {"progress"}, tensors=False)
    return Progress(**entries.check_progress(state["progress"], str(path), ADVICE))


def _checked(path: Path, state: dict[str, Any], modules: dict[str, Any], parts: Parts) -> tuple[Progress, int]:
    """What is not put into modules, and whether the rest can be."""
    what, advice = str(path), ADVICE
    fields = Fields(state, what, advice)
    progress = Progress(**entries.check_progress(state["progress"], what, advice))
    for name, module in modules.items():
        where = f"{what}: {name}"
        if isinstance(module, torch.optim.Optimizer):
            entries.check_optimiser(module, state[name], where, advice)
        else:
            entries.check_weights(module.state_dict(), state[name], where, advice)
    players = (parts.discriminator, parts.generator)  # in the order in which dynamics are given them
    trained = [p for player in players for p in player.parameters() if p.requires_grad]
    entries.check_memory(state["memory"], trained, f"{what}: memory", advice)
    entries.check_random(state["random"], f"{what}: random", advice)
    fields.word("data")
    return progress, fields.integer("threads", least=1, most=10**6)


def _modules(parts: Parts, average: AveragedGenerator) -> dict[str, Any]:
    """What has a ``state_dict``, as the file calls it."""
    optimisers = {"g_optimiser": parts.game.g_optimiser, "d_optimiser": parts.game.d_optimiser}
    return {"generator": parts.generator, "discriminator": parts.discriminator, "average": average.module, **optimisers}


def _compute_as(optimiser: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    """How the kernels are chosen is this machine's and this engine's business, not that of the run that was saved."""
    for own, group in zip(optimiser.param_groups, saved["param_groups"], strict=True):
        group |= {name: own[name] for name in ("fused", "foreach", "capturable") if name in own}


def _read(path: Path, names: set[str], tensors: bool = True) -> dict[str, Any]:
    """What the file holds; without ``tensors`` theirs may be damaged, and are not looked at."""
    damaged = _damaged(path)
    try:
        with open_regular(path) as file:
            bad = stored.damaged_member(file, tensors)  # torch does not check the sums of what it reads
            file.seek(0)
            # Optimiser states follow their parameters' device by themselves; random states must stay on the CPU.
            source = file if tensors else path
            state = None if bad else torch.load(source, map_location="cpu", weights_only=True, mmap=not tensors)
    except InputError:
        raise
    except (PermissionError, IsADirectoryError) as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    except FileNotFoundError:
        raise InputError(
            f"{path} does not exist; start a new run from a snapshot: `resume` network-snapshot-….safetensors"
        ) from None
    except pickle.UnpicklingError:  # torch's message advises to run whatever is in it
        raise InputError(f"{damaged} (it asks for more than tensors and numbers, or is cut off)") from None
    except Exception as error:
        raise InputError(f"{damaged} ({first_line(error)})") from None
    if bad is not None:
        raise InputError(f"{damaged} (checksum of {bad})")
    if not isinstance(state, dict) or type(known := state.get("format")) is not int or known != FORMAT:
        raise InputError(f"{path} is not a training state that this version of logan can read")
    if not names <= state.keys():
        raise InputError(f"{damaged} (parts of it are missing)")
    return state


def _damaged(path: Path) -> str:
    return f"{path} is damaged; {ADVICE}"
