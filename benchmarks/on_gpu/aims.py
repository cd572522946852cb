"""What is aimed at, on an H100 or H200 in bfloat16, beside what the parts measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Found = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Aim:
    """A quantity and where it should be.

    Attributes:
        what: in words.
        limit: the number.
        at_most: whether less is better.
        unit: of both.
        of: the measured number; None where there is none.
    """

    what: str
    limit: float
    at_most: bool
    unit: str
    of: Callable[[Found], float | None]

    def row(self, found: Found, tiny: bool) -> dict[str, Any]:
        """The aim, what was measured, and whether it holds; a trial measures something else."""
        try:
            value = self.of(found)
        except (KeyError, IndexError, TypeError, ValueError):
            value = None
        holds = None if value is None or tiny else (value <= self.limit if self.at_most else value >= self.limit)
        return {"aim": self.what, "at_most": self.at_most, "limit": self.limit, "unit": self.unit,
                "measured": value, "holds": holds}  # fmt: skip


def _rows(found: Found, part: str, **wanted: Any) -> list[Mapping[str, Any]]:
    return [r for r in found[part].get("rows", []) if all(r.get(k) == v for k, v in wanted.items())]


def _step_ms(found: Found) -> float:
    """Of the fastest engine."""
    return min(r["ms"] for r in _rows(found, "steps", precision="bfloat16", latent="ngd") if "ms" in r)


def _step_ratio(found: Found) -> float:
    rows = [r for r in _rows(found, "steps", precision="bfloat16", latent="ngd") if "ms" in r]
    return min(rows, key=lambda r: r["ms"])["over_best_baseline"]


def _rate(found: Found, preset: str) -> float:
    return _rows(found, "loop", preset=preset, latent="ngd")[0]["steps_per_second"]


def _biggan(found: Found) -> list[Mapping[str, Any]]:
    return [r for r in _rows(found, "biggan", latent="ngd") if "ms" in r]


def _compiled(found: Found) -> float:
    """Seconds until a compiled step has been played for the first time."""
    return max(r["ready_seconds"] for r in _rows(found, "steps") if r["engine"].startswith("compiled") and "ms" in r)


AIMS = (
    Aim("SN-DCGAN, LOGAN step of the fastest engine", 2.4, True, "ms", _step_ms),
    Aim("SN-DCGAN, LOGAN step in the training loop", 2.4, True, "ms", lambda f: 1000 / _rate(f, "cifar10")),
    Aim("SN-DCGAN, LOGAN over the best step without", 2.2, True, "×", _step_ratio),
    Aim("digits in the training loop", 5000, False, "steps/s", lambda f: _rate(f, "digits")),
    Aim("four games together, over one after the other", 1.6, False, "×", lambda f: f["together"]["times_as_fast"]),
    Aim("BigGAN-deep 128, batch 32, LOGAN over the step without", 2.6, True, "×",
        lambda f: min(r["over_best_baseline"] for r in _biggan(f))),
    Aim("BigGAN-deep 128, batch 32, LOGAN's share of peak", 0.25, False, "of peak",
        lambda f: max(r["share_of_peak"] for r in _biggan(f))),
    Aim("BigGAN-deep 128, kernels per LOGAN step", 4000, True, "kernels",
        lambda f: min(r["kernels"] for r in _biggan(f))),
    Aim("compiling a step of SN-DCGAN", 120, True, "s", _compiled),
)  # fmt: skip


def beside(found: Found, tiny: bool = False) -> Sequence[dict[str, Any]]:
    """All aims with what was measured."""
    return [aim.row(found, tiny) for aim in AIMS]
