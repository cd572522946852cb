"""Snapshots: what people share. ``network-snapshot-000200.safetensors`` with a ``.json`` that describes it.

The weights file holds the averaged generator and the discriminator. The description is stored in its header too, with a
checksum of both, so that the file alone is enough; the ``.json`` beside it is for people.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from logan import networks, sealed
from logan.config import Config
from logan.cs_gan import give_step_size
from logan.errors import InputError
from logan.files import write_json
from logan.foreign import Fields, load_json
from logan.sampling import download, manifest

FORMAT = 1
PATTERN = "network-snapshot-*.safetensors"
STOPPED = "network-stopped.safetensors"
"""Of a run that was stopped before its first snapshot."""
OPTIONS = "training_options.json"
"""What a run folder holds from its beginning on."""
ARCHITECTURE = {
    "image_size": (1, 8192),
    "image_channels": (1, 64),
    "latent_dim": (1, 10**6),
    "num_classes": (0, 10**6),
    "width": (1, 10**5),
    "depth": (1, 1000),
}
"""What a file may ask for, before memory is taken for it."""
MADE_ANEW = 4
"""Times that a parameter may be registered: initial weights and spectral norm put others in the place of some."""


@dataclass(frozen=True)
class Snapshot:
    """What a snapshot says about itself.

    Attributes:
        architecture: arguments of :func:`logan.networks.create`.
        config: the settings of the run.
        images: real images seen.
        class_names: names of the classes, if the networks are conditional.
    """

    architecture: dict[str, Any]
    config: Config
    images: int
    class_names: list[str]

    def describe(self) -> dict[str, Any]:
        """For JSON."""
        return {"format": FORMAT} | asdict(self)


def file_name(images: int) -> str:
    """``network-snapshot-000200.safetensors`` for 200,000 images."""
    return f"network-snapshot-{images // 1000:06d}.safetensors"


def save(path: Path, snapshot: Snapshot, generator: nn.Module, discriminator: nn.Module) -> None:
    """Write the weights and the description, each in one move."""
    description = snapshot.describe()
    path.with_suffix(".json").unlink(missing_ok=True)  # never a description beside weights that it is not of
    sealed.write(path, json.dumps(description), _both(generator, discriminator).state_dict())
    write_json(path.with_suffix(".json"), description)


def find(run: str | Path) -> Path:
    """The snapshot file that RUN means: itself, the latest in a run folder, or that of an export (a folder, or ``hub:user/name``).

    Raises:
        InputError: if there is none.
    """
    if not str(run):
        raise InputError("the run must not be empty; pass a run folder or a network-snapshot-….safetensors")
    path = download.download(run) if download.is_hub(run) else Path(run).expanduser()
    if path.is_dir() and manifest.is_export(path):
        return manifest.snapshot_in(path)
    if path.is_dir():
        found = sorted(path.glob(PATTERN)) or [*path.glob(STOPPED)]
        if not found:
            raise InputError(_no_run(path))
        return found[-1]
    if not path.exists():
        raise InputError(f"{path} does not exist; pass a run folder or a network-snapshot-….safetensors")
    if path.suffix == ".json" and path.with_suffix(".safetensors").exists():
        return path.with_suffix(".safetensors")
    if path.suffix != ".safetensors":
        raise InputError(_no_snapshot(path))
    return path


def _no_run(folder: Path) -> str:
    """What is said of a folder without snapshots."""
    if (folder / OPTIONS).exists():
        return f"{folder} has not come to its first snapshot; go on training it with `resume` {folder}"
    runs = sorted(options.parent for options in folder.glob(f"*/{OPTIONS}"))
    if runs:
        return f"{folder} is a folder of {len(runs):,} run{'s' * (len(runs) > 1)}; pass one of them, such as {runs[-1]}"
    return f"{folder} is not a run folder: it holds no {PATTERN}; logan train makes run folders"


def _no_snapshot(path: Path) -> str:
    """What is said of a file that is none."""
    if (path.parent / OPTIONS).exists():
        what = "is what training goes on from, not a snapshot" if path.suffix == ".pt" else "is not a snapshot"
        return f"{path} {what}; pass its run folder, {path.parent}"
    return f"{path} is not a snapshot; pass a run folder of logan train, or a network-snapshot-….safetensors"


def read(run: str | Path) -> tuple[Snapshot, dict[str, Tensor]]:
    """The description and the tensors of a snapshot; see :func:`find` for ``run``.

    Raises:
        InputError: if it is missing, damaged, or not a snapshot of this project; or in an export that its manifest does not fit.
    """
    path = find(run)
    if manifest.is_export(path.parent):
        manifest.verify(path.parent)
    damaged = f"{path} is damaged or not a snapshot; use another network-snapshot-….safetensors of the run"
    try:
        text, tensors = sealed.read(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    except sealed.UnsealedError as error:
        raise InputError(
            f"{path} is not a logan snapshot: {error}. If you trust it, load its tensors with safetensors into networks "
            f"of logan.networks.create, and write those with logan.sampling.snapshot.save"
        ) from None
    except sealed.DamagedError as error:
        raise InputError(f"{damaged} ({error})") from None
    return _description(text, path), tensors


def _description(text: str, path: Path) -> Snapshot:
    advice = "use another network-snapshot-….safetensors of the run"
    f = Fields(load_json(text, f"the description of {path}", advice), f"the description of {path}", advice)
    if f.integer("format") != FORMAT:
        raise InputError(
            f"{path} has format {f.values['format']}, and this version of logan reads {FORMAT}; upgrade logan"
        )
    a = f.group("architecture")
    a.word("name")
    for name, (least, most) in ARCHITECTURE.items():
        a.integer(name, least=least, most=most, default=None)
    a.word("activation", default=None)
    a.truth("spectral_norm", default=None)
    config = Config.from_dict(dict(f.group("config").values))
    return Snapshot(dict(a.values), config, f.integer("images", least=0, most=10**15), list(f.words("class_names")))


def load_networks(run: str | Path) -> tuple[Snapshot, nn.Module, nn.Module]:
    """The snapshot's description, its averaged generator and its discriminator, on the CPU in evaluation mode."""
    path = find(run)  # once: it may have to be fetched
    snapshot, tensors = read(path)
    try:
        # initial weights are drawn only to be replaced
        with _no_larger_than(tensors, path), torch.random.fork_rng([]):
            generator, discriminator = networks.create(**snapshot.architecture)
    except TypeError as error:
        raise InputError(f"{path} describes networks that this version of logan does not know ({error})") from None
    if snapshot.config.latent.latent == "cs":
        give_step_size(generator)
    load_weights(path, tensors, generator, discriminator)
    return snapshot, generator.eval(), discriminator.eval()


@contextlib.contextmanager
def _no_larger_than(tensors: dict[str, Tensor], path: Path) -> Iterator[None]:
    """Refuses networks, as they are made, that have more parameters than ``tensors``: a file may describe any, and hold none."""
    larger = InputError(
        f"{path} is a snapshot of another architecture: the networks that it describes are larger than what it holds; "
        f"use another network-snapshot-….safetensors of the run"
    )
    left = MADE_ANEW * sum(tensor.numel() for tensor in tensors.values())

    def count(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
        nonlocal left
        left -= parameter.numel()
        if left < 0:  # the memory is set aside, and not yet taken
            raise larger

    handle = register_module_parameter_registration_hook(count)
    try:
        yield
    except RuntimeError as error:
        if "allocate memory" not in str(error):
            raise
        raise larger from None  # and than what there is
    finally:
        handle.remove()


def load_weights(path: Path, tensors: dict[str, Tensor], generator: nn.Module, discriminator: nn.Module) -> None:
    """Copy a snapshot's tensors into networks.

    Raises:
        InputError: naming the first difference, if the networks are not those of the snapshot.
    """
    both = _both(generator, discriminator)
    want = both.state_dict()
    for name in sorted(want.keys() | tensors.keys()):
        if name not in tensors or name not in want:
            where = "the snapshot has" if name in tensors else "the networks asked for have"
            raise InputError(f"{path} is a snapshot of another architecture: only {where} {name}; use its own settings")
        if want[name].shape != tensors[name].shape:
            here, there = tuple(want[name].shape), tuple(tensors[name].shape)
            raise InputError(
                f"{path} is a snapshot of another architecture: {name} is {there} there, {here} here; use its own settings"
            )
    both.load_state_dict(tensors)


def _both(generator: nn.Module, discriminator: nn.Module) -> nn.Module:
    return nn.ModuleDict({"generator": generator, "discriminator": discriminator})
