"""Table 2 of the paper: SN-DCGAN on CIFAR-10, every method under every protocol, beside the published numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from logan.compare.runs import Result, mean_std
from logan.config import Config, presets
from logan.data.open import open_configured
from logan.data.sources import open_source
from logan.errors import InputError
from logan.evaluation import protocols, records, snapshots
from logan.evaluation.names import count_name, parse_all
from logan.report.tables import markdown
from logan.sampling import load
from logan.training.watch import Watch

PUBLISHED = (
    ("SN-GAN (Miyato et al. 2018)", "C", "29.3", "7.42 ± 0.08"),
    ("CS-GAN (Wu et al. 2019)", "B", "23.1 ± 0.5", "7.80 ± 0.05"),
    ("LOGAN (NGD) (Wu et al. 2019)", "not stated; B by its likeness to CS-GAN", "17.7 ± 0.4", "8.67 ± 0.05"),
)
"""Table 2, and the protocol of each number: see :data:`logan.evaluation.protocols.PROTOCOLS`."""


@dataclass(frozen=True)
class Row:
    """One cell of the table: a method under a protocol, with some latent steps at evaluation, over the seeds."""

    method: str
    protocol: str
    latent_steps: int
    fid: tuple[float, ...]
    inception_score: tuple[float, ...]


def check(config: Config, names: Sequence[str], detector: str, weights: str | None) -> None:
    """Find whatever an evaluation would lack, before anything is trained.

    Raises:
        InputError: data, a split, a detector or its weights are missing.
    """
    from logan.evaluation import detectors

    train = open_configured(config.data)
    detectors.check(detector, weights, train)  # type: ignore[arg-type]
    if any(protocols.get(name).split == "test" for name in names):
        open_configured(config.data, "test")


def latent_steps_of(method: str, steps: int) -> tuple[int, ...]:
    """Evaluated without latent steps, and with the ten of appendix E; CS-GAN with its own number, always."""
    if method == "none" or steps == 0:
        return (0,)
    return (3,) if method == "cs" else (0, steps)


def score(
    results: Sequence[Result],
    names: Sequence[str],
    *,
    steps: int,
    detector: str,
    weights: str | None,
    device: torch.device,
    watch: Watch,
) -> list[Row]:
    """The best snapshot of every run (by FID in training, section 5.2) under every protocol; what is known is not redone.

    Args:
        results: finished runs.
        names: of the protocols.
        steps: latent steps at evaluation.
        detector, weights, device: as :func:`logan.evaluation.protocols.prepare` takes them.
        watch: shows what goes on.
    """
    data = results[0].entry.config.data
    found: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for name in names:
        protocol = protocols.get(name)
        evaluator = protocols.prepare(
            protocol, data, detector=detector, weights=weights, device=device, say=watch.say,
            progress=watch.fraction_bar("training a classifier"),
        )  # fmt: skip
        for result in results:
            path = result.run / records.BEST_SNAPSHOT
            if not path.exists():
                raise InputError(
                    f"{result.run} has no {path.name}: every one of its scores was infinite; remove the folder"
                )
            model = load(path, str(device))
            for k in latent_steps_of(result.entry.config.latent.latent, steps):
                scored: dict[str, Any] | None = snapshots.known(path, model, evaluator, protocol, latent_steps=k)
                if scored is None:
                    told = watch.fraction_bar(f"{result.run.name}, protocol {name}, {k} latent steps")
                    scored = snapshots.score(path, model, evaluator, protocol, latent_steps=k, progress=told)
                found.setdefault((result.entry.label, name, k), []).append(scored)
    rows = []
    for (method, name, k), scores in found.items():
        n = count_name(parse_all(protocols.get(name).metrics)[0].count)
        fid, inception = (
            tuple(math.nan if s[kind + n] is None else s[kind + n] for s in scores) for kind in ("fid", "is")
        )
        rows.append(Row(method, name, k, fid, inception))
    return rows


def table(rows: Sequence[Row], notes: Sequence[str]) -> str:
    """Markdown: what was measured, what was published, and what must be known to compare the two."""
    lines: list[list[object]] = []
    for row in rows:
        base = next((r for r in rows if (r.method, r.protocol) == ("none", row.protocol)), None)
        lines.append([row.method, row.protocol, row.latent_steps, len(row.fid), _pm(row.fid, 2), _pm(row.inception_score, 3),
                      "" if base is None or row is base else _change(row.fid, base.fid)])  # fmt: skip
    lines += [[f"published: {m}", p, "", "", fid, score, ""] for m, p, fid, score in PUBLISHED]
    said = "Published: LOGAN's FID is 39.6 % below SN-GAN's and 23.4 % below CS-GAN's; its IS 16.8 % above SN-GAN's."
    head = ["method", "protocol", "latent steps", "seeds", "FID", "IS", "FID against none"]
    return "\n".join([markdown(head, lines), said, *(f"\n{note}" for note in notes)]) + "\n"


def _pm(values: Sequence[float], digits: int) -> str:
    mean, std = mean_std(values)
    if not math.isfinite(mean):
        return "diverged"
    return f"{mean:.{digits}f}" + ("" if math.isnan(std) else f" ± {std:.{digits}f}")


def _change(fid: Sequence[float], base: Sequence[float]) -> str:
    ours, theirs = mean_std(fid)[0], mean_std(base)[0]
    return f"{100 * (ours / theirs - 1):+.1f} %" if math.isfinite(ours) and math.isfinite(theirs) else ""


def notes(configs: Mapping[str, Config]) -> list[str]:
    """What keeps the numbers from being those of the paper: each method's settings, the data, the detector."""
    found = []
    changed = {label: _changes(config) for label, config in configs.items()}
    for text in dict.fromkeys(", ".join(c) for c in changed.values() if c):
        whom = ", ".join(label for label, c in changed.items() if ", ".join(c) == text)
        found.append(f"Not the recipe of Table 2 ({whom}): {text}.")
    if "cs" in configs:
        found.append(
            "cs plays the game of the other rows (hinge, simultaneous); CS-GAN's own is "
            "cs:loss=non-saturating:update=alternating."
        )
    config = next(iter(configs.values()))
    apart = "these scores compare with each other, not with published ones."
    if is_jpeg(config.data.data):
        found.append(f"The images were JPEG files, so somewhat degraded: {apart}")
    if config.scores.detector != "inception":
        found.append(f"Detector {config.scores.detector}, not Inception: {apart}")
    return found


def _changes(config: Config) -> list[str]:
    old, new = presets.get("cifar10", config.latent.latent).to_dict(), config.to_dict()
    return [
        f"{name.replace('_', '-')} {new[group][name]} for {value}"
        for group in ("data", "networks", "latent", "game", "run")
        for name, value in old[group].items()
        if new[group][name] != value and name not in ("data", "seed", "device", "threads", "tick", "snap", "workers")
    ]


def is_jpeg(data: str) -> bool:
    """Whether a folder or zip holds JPEG files."""
    path = Path(data).expanduser()
    if not path.is_dir() and path.suffix.lower() != ".zip":
        return False
    return any(name.lower().endswith((".jpg", ".jpeg")) for name in open_source(path).names())
