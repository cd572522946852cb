"""The settings of a run as flags, for the commands that take them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import tyro

from logan.cli.command import Command
from logan.cli.parsing import parse, value_of
from logan.config import Config, DataConfig, ScoreConfig, presets
from logan.config.groups import Detectors
from logan.errors import InputError

if TYPE_CHECKING:
    from logan.data import Dataset, Mixture
    from logan.evaluation.evaluator import Evaluator
    from logan.evaluation.protocols import Protocol
    from logan.training.watch import Watch

Settings = Annotated[Config, tyro.conf.arg(name="")]
"""Of a dataclass of arguments: every setting is a flag of its own, in the group that it belongs to."""
T = TypeVar("T")
PRESETS = f"Presets: {', '.join(presets.PRESETS)}."
WORDS = {
    "preset": tuple(presets.PRESETS),
    "network": ("mlp", "dcgan", "sndcgan", "sngan", "sagan", "biggan", "biggan-deep"),
    "metrics": ("fid10k", "kid10k", "is10k", "pr10k", "modes10k", "none"),
    "resume": ("auto",),
}
"""Of settings whose type is text: what completion offers."""
OURS = re.compile(r"\d{6,}\.png")
"""Names of pictures in a folder that a command made."""
NO_LENGTH = ("--kimg", "--tick", "--snap", "--workers")
"""What has no meaning where nothing is trained."""


@dataclass(frozen=True)
class UnscoredConfig(Config):
    """The settings of a command that scores nothing: they have no such flags."""

    scores: tyro.conf.Fixed[ScoreConfig] = field(default_factory=ScoreConfig)


UnscoredSettings = Annotated[UnscoredConfig, tyro.conf.arg(name="")]


@dataclass(frozen=True, kw_only=True)
class ScoringArguments:
    """What the commands take that score generators."""

    detector: Detectors | None = None
    """Whose features are compared; by default the run's own (of several, the first's)."""
    detector_weights: str | None = None
    """The detector's weights, as FILE or FILE@SHA256: DINOv2's, a classifier's, or Inception's (None: torch's download cache)."""
    seed: int = 0
    """Of the latents: the same seed, the same latents."""
    batch: int = 250
    """Images per pass."""
    data: str | None = None
    """Where the real images are now, if not where the run was trained."""
    device: str = "auto"
    """auto, cpu, cuda ..."""

    def evaluator(
        self, protocol: Protocol, data: DataConfig, train: Dataset | Mixture | None, own: ScoreConfig, watch: Watch
    ) -> Evaluator:
        """An evaluator with the detector that was asked for, else that of a run with the scores ``own``."""
        from logan.devices import choose_device
        from logan.evaluation import protocols

        weights = self.detector_weights or (own.detector_weights if self.detector is None else None)
        return protocols.prepare(
            protocol, data, train, detector=self.detector or own.detector, weights=weights,
            device=choose_device(self.device), say=watch.say, progress=watch.fraction_bar("training a classifier"),
        )  # fmt: skip


def read_untrained(command: Command[T], args: Sequence[str]) -> T:
    """Arguments of a command whose ``config`` starts from the preset, and which trains nothing.

    Raises:
        InputError: as :func:`~logan.cli.parsing.parse`; and for flags that would do nothing.
    """
    refuse(args, NO_LENGTH, f"has no place in {command.prog}, which trains nothing; leave it out")
    base = presets.get(value_of("--preset", args) or "digits", value_of("--latent", args))
    config = UnscoredConfig(**(vars(base) | {"scores": ScoreConfig()}))
    return parse(command, args, command.takes(config))  # type: ignore[call-arg]


def check_at_least_one(given: Any, *names: str) -> None:
    """Refuse a number below 1 for flags that count something (InputError); None is for one that was not given."""
    for name in names:
        value = getattr(given, name)
        if value is not None and value < 1:
            raise InputError(f"`{name}` must be >= 1, not {value}")


def check_out(out: str | None) -> Path | None:
    """The file that figures are to be written to, if any.

    Raises:
        InputError: if it cannot be.
    """
    path = None if out is None else Path(out).expanduser()
    if path is not None and path.is_dir():
        raise InputError(f"--out {out} is a folder; name a file, as in {path / 'figures.json'}")
    if path is not None and not path.absolute().parent.is_dir():
        raise InputError(f"--out {out} cannot be written: its folder is not there")
    return path


def free_place(path: str, name: str, force: bool) -> Path:
    """The file of that path, which the argument ``name`` gives, if nothing there would be lost.

    Raises:
        InputError: if it is there already, and ``force`` does not permit to replace it; or the path is empty.
    """
    if not path:
        raise InputError(f"`{name}` must not be empty; name a file to make")
    place = Path(path).expanduser()
    if place.is_file() and not force:
        raise InputError(f"{place} is there already; pass --force to replace it, or another name")
    return place


def free_folder(out: Path, command: str, force: bool) -> list[Path]:
    """The numbered pictures in a folder that a command is to fill, which it may replace; none of one that is not there yet.

    Raises:
        InputError: for a folder that is not empty without ``force``, or that holds what no command made.
    """
    old = sorted(out.iterdir()) if out.is_dir() else []
    if old and not force:
        raise InputError(f"--out {out} is not empty; choose another folder, or pass --force to replace what is there")
    if foreign := [path for path in old if not OURS.fullmatch(path.name)]:
        raise InputError(f"--out {out} holds {foreign[0].name}, which {command} did not make; choose another folder")
    return old


def refuse(args: Sequence[str], flags: Sequence[str], why: str) -> None:
    """Refuse some flags (InputError)."""
    for name in (a.partition("=")[0].replace("_", "-") for a in args):
        if name in flags:
            raise InputError(f"{name} {why}")
