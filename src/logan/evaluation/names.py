"""Names of metrics: a kind and the number of generated images, as in ``fid10k``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from logan.errors import InputError, did_you_mean

KINDS = {
    "fid": "Fréchet distance of features; lower is better",
    "kid": "kernel distance of features; lower is better",
    "is": "Inception Score: of the detector's classes; higher is better",
    "pr": "precision, recall, density and coverage; higher is better",
    "modes": "modes covered, share of high-quality points, reverse KL; mixtures only",
}
LEAST, MOST = 10, 10**7
"""Images that a score may take."""
LOWER_IS_BETTER = ("fid", "kid", "reverse_kl")


@dataclass(frozen=True)
class Metric:
    """A kind of score and how many generated images it takes."""

    kind: str
    count: int

    @property
    def name(self) -> str:
        """``fid10k``; ``fid1797`` where the count is no multiple of a thousand."""
        return self.kind + count_name(self.count)


def count_name(n: int) -> str:
    """10000 to ``10k``."""
    return f"{n // 1000}k" if n % 1000 == 0 else str(n)


def parse(name: str) -> Metric:
    """The inverse of :attr:`Metric.name`.

    Raises:
        InputError: for an unknown kind, or a count that makes no sense.
    """
    match = re.fullmatch(r"([a-z]+)(\d+)(k?)", name)
    kind = match.group(1) if match else name.rstrip("0123456789k")
    if kind not in KINDS:
        rest = name.removeprefix(kind) or "10k"
        hint = did_you_mean(kind + rest, [k + rest for k in KINDS])
        raise InputError(f"unknown metric {name!r}{hint}; metrics: {', '.join(k + '10k' for k in KINDS)}", "metrics")
    if match is None:
        raise InputError(f"metric {name!r} needs a number of generated images, as in {kind}10k", "metrics")
    count = int(match.group(2)) * (1000 if match.group(3) else 1)
    if not LEAST <= count <= MOST:
        raise InputError(f"metric {name!r}: the number of images must be {LEAST} to {MOST:,}, not {count:,}", "metrics")
    return Metric(kind, count)


def parse_all(names: Sequence[str]) -> tuple[Metric, ...]:
    """Several, without repetitions; ``none`` alone is no metric at all."""
    if list(names) == ["none"]:
        return ()
    return tuple(dict.fromkeys(parse(part) for name in names for part in name.split(",") if part))


def lower_is_better(score: str) -> bool:
    """For the name of a score, as in ``fid10k`` or ``recall10k``."""
    return score.startswith(LOWER_IS_BETTER)
