"""The settings of a run as flags, for the commands that take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

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
PRESETS = f"Presets: {', '.join(presets.PRESETS)}."
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


def read_untrained(kind: Any, args: Sequence[str], *, prog: str, description: str) -> Any:
    """Flags to ``kind``, whose ``config`` starts from the preset, for a command that trains nothing.

    Raises:
        InputError: as :func:`~logan.cli.parsing.parse`; and for flags that would do nothing.
    """
    refuse(args, NO_LENGTH, f"has no place in {prog}, which trains nothing; leave it out")
    base = presets.get(value_of("--preset", args) or "digits", value_of("--latent", args))
    config = UnscoredConfig(**(vars(base) | {"scores": ScoreConfig()}))
    return parse(kind, args, prog=prog, description=f"{description}\n\n{PRESETS}", default=kind(config))


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


def refuse(args: Sequence[str], flags: Sequence[str], why: str) -> None:
    """Refuse some flags (InputError)."""
    for name in (a.partition("=")[0].replace("_", "-") for a in args):
        if name in flags:
            raise InputError(f"{name} {why}")
