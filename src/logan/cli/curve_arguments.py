"""What ``logan curve`` takes, and what its curves have in common: models, data, evaluator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import tyro

from logan.cli.arguments import ScoringArguments
from logan.cli.choosing import choose_for, names_of
from logan.cli.guiding import GuideName, GuideSettings
from logan.errors import InputError
from logan.metrics.truncation import LEVELS
from logan.sampling.choice import Choice

if TYPE_CHECKING:
    from logan.evaluation.evaluator import Evaluator
    from logan.sampling import Model
    from logan.training.watch import Watch


@dataclass(frozen=True)
class CurveArguments(ScoringArguments, GuideSettings):
    """What ``logan curve`` takes."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Run folders, network-....safetensors, exports or hub:USER/NAME, all of one data set."""
    snapshot: str = "auto"
    """Of run folders: best (by the scores of training), latest, a number of kimg, or auto: the best if there is one, else the
    latest."""
    levels: tuple[float, ...] = LEVELS
    """The truncations s."""
    n: int = 10_000
    """Generated images per level."""
    guide: tuple[GuideName, ...] | None = None
    """D's help in choosing latents, by one guide or several, in place of truncation."""
    guide_steps: tuple[int, ...] | None = None
    """How often, by default 1 2 5 10 20 50; of reject, draws per image at most, of which the best is taken. All lines begin at
    none."""
    match_is: float | None = None
    """Mark each run's point nearest to this IS, and draw samples from there side by side (Figures 1 and 6)."""
    match_fid: float | None = None
    """The same for the nearest FID (Figures 2 and 7)."""
    out: str = "curve"
    """Folder for curve.png, curve.csv and the samples."""


def models_of(given: CurveArguments) -> tuple[list[Choice], dict[str, Model]]:
    """The snapshots that are taken, and the runs by their short names."""
    from logan.sampling import load

    choices = [choose_for(run, given.snapshot) for run in given.runs]
    return choices, {name: load(path, given.device) for name, path in names_of(given.runs, choices).items()}


def check_one_data_set(models: Mapping[str, Model]) -> None:
    """Refuse runs of different data (InputError)."""
    data = (m.info.config.data for m in models.values())
    if len({replace(d, mirror=False, conditional=False, workers=0) for d in data}) > 1:  # those are of training alone
        raise InputError("these runs are of different data: their scores do not compare; draw one curve for each set")


def evaluator_of(models: Mapping[str, Model], given: CurveArguments, kinds: Sequence[str], watch: Watch) -> Evaluator:
    """What measures these kinds of scores of ``given.n`` images, by the first run's detector unless another is asked for."""
    from logan.evaluation import protocols
    from logan.evaluation.names import count_name

    config = next(iter(models.values())).info.config
    protocol = replace(protocols.PROTOCOLS["training"], metrics=tuple(kind + count_name(given.n) for kind in kinds))
    data = replace(config.data, data=given.data or config.data.data)
    return given.evaluator(protocol, data, None, config.scores, watch)
