"""What ``logan curve`` takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from logan.cli.arguments import ScoringArguments
from logan.cli.guiding import GuideName, GuideSettings
from logan.metrics.truncation import LEVELS


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
