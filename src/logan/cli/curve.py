"""``logan curve``: FID against IS as the latents are truncated, or scores against what D's help costs."""

from __future__ import annotations

from collections.abc import Sequence

from logan.cli.command import Command
from logan.cli.curve_arguments import CurveArguments
from logan.cli.guiding import check_without_guide
from logan.cli.parsing import parse
from logan.errors import InputError

DESCRIPTION = """Truncation curves (Figures 3b and 8): FID against IS for latents w = s z with s from 1.0 to 0.02 (for a normal
prior: drawn again until within 2s), one line per run, as PNG and CSV.

With --guide: scores against passes through D(G(z)) and against time per image, one line per run and guide, and samples before
and after."""


COMMAND = Command(
    "curve",
    CurveArguments,
    DESCRIPTION,
    examples=(
        (
            "curve runs/00000-digits-none runs/00001-digits-ngd --match-is 8",
            "two runs, with samples at an IS of 8",
        ),
        (
            "curve runs/00000-digits-ngd --guide latent langevin --calibrate",
            "what D's help costs and brings",
        ),
    ),
    common=(
        *("snapshot", "levels", "n", "match-is", "match-fid", "guide", "guide-steps", "calibrate", "detector", "seed"),
        *("data", "out", "device"),
    ),
)


def main(args: Sequence[str]) -> int:
    """Run the command."""
    given = parse(COMMAND, args)
    _check(given)
    if given.guide is not None:
        from logan.cli import guide_curve

        return guide_curve.draw(given)
    if given.guide_steps is not None:
        raise InputError("`guide_steps` is of guides; say which: `guide` langevin, for one")
    check_without_guide(given)
    from logan.cli import truncation_curve

    return truncation_curve.draw(given)


def _check(given: CurveArguments) -> None:
    if not given.runs:
        raise InputError("pass at least one run folder or network-....safetensors")
    if not given.levels or not all(0 < s <= 1 for s in given.levels):
        raise InputError(f"--levels must be in (0, 1], not {' '.join(map(str, given.levels))}")
    if given.match_is is not None and given.match_fid is not None:
        raise InputError("--match-is and --match-fid are one or the other")
    if given.n < 10:
        raise InputError(f"--n must be >= 10, not {given.n}")
