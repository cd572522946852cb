"""How many kernels a step starts, by what they do: counted on tensors without numbers, so on any machine.

    python benchmarks/kernels.py --out docs/results/speed/kernels.json

A step of each preset, with the latent step and without, in both precisions, as it is written and as it is recorded; both
gradients and both Adam updates, in training's order of memory, under the rules of CUDA (:mod:`logan.bench.device_rules`).
"Spectral norm" is what disappears without it (with --spectral-norm). "Fused" counts chains of elementwise operations, with
sums at their ends, as one, which is what a compiler is there for: an estimate. Beside the JSON a table is written.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from logan import networks
from logan.bench.device_rules import device_rules
from logan.bench.kernel_groups import GROUPS, Kernels
from logan.bench.planning import batch_without_numbers, without_numbers
from logan.bench.steps import Variant, stand_in
from logan.config import Config, presets
from logan.distributed import World
from logan.game import Game
from logan.training.setup import adam, architecture, game_of

PRESETS = {"cifar10": None, "imagenet128-biggan-deep-logan-ngd": 32}
"""With the batch, where it is not the preset's own."""


@dataclass
class Count:
    """Kernels of one step."""

    preset: str
    batch: int
    latent: str
    engine: str
    precision: str
    total: int
    fused: int
    spectral_norm: int | None
    groups: dict[str, int]
    names: dict[str, int]


def count(preset: str, batch: int | None, variant: Variant, spectral_norm: bool) -> Count:
    """A variant's step; with ``spectral_norm``, also what of it is for that."""
    config = variant.of(presets.get(preset))
    config = replace(config, game=replace(config.game, batch=batch or config.game.batch, update="simultaneous"))
    kernels = kernels_of(config)
    without = replace(config, networks=replace(config.networks, spectral_norm=False))
    names = {f"{group}: {name}": n for (group, name), n in kernels.calls.most_common()}
    return Count(
        preset,
        config.game.batch,
        variant.latent,
        variant.engine,
        variant.precision,
        kernels.total,
        kernels.fused(),
        kernels.total - kernels_of(without).total if spectral_norm else None,
        kernels.by_group(),
        names,
    )


def kernels_of(config: Config) -> Kernels:
    """Those of a step of the game that training plays."""
    data = stand_in(config)
    with torch.device("meta"):
        built = networks.create(**architecture(config, data))  # type: ignore[arg-type]
    no_onednn = mock.patch.object(torch.backends.mkldnn, "is_available", return_value=False)  # a CPU's only
    with no_onednn, device_rules("cuda"), FakeTensorMode(allow_non_fake_inputs=True):
        generator, discriminator = (without_numbers(network).train() for network in built)
        real, labels, z = batch_without_numbers(config, data, config.game.batch)
        g_optimiser, d_optimiser = optimisers(config, generator, discriminator)
        engine: Any = config.run.engine
        game: Game = game_of(config, generator, discriminator, g_optimiser, d_optimiser, World(), engine)
        game.announce, game.micro_batch = refuse, None
        game.step(lambda: (real, labels), lambda n: z)  # makes the recording
        with Kernels() as kernels:
            game.step(lambda: (real, labels), lambda n: z)
    return kernels


def optimisers(
    config: Config, generator: nn.Module, discriminator: nn.Module
) -> tuple[torch.optim.Adam, torch.optim.Adam]:
    """Training's."""
    g = config.game
    return adam(generator, g.g_lr, g.adam_betas), adam(discriminator, g.d_lr, g.adam_betas)


def refuse(message: str) -> None:
    """Nothing may fall back."""
    raise RuntimeError(message)


def table(counts: list[Count]) -> str:
    """In Markdown."""
    groups = [g for g in GROUPS if any(g in c.groups for c in counts)]
    head = ["preset", "precision", "latent", "engine", "all", *groups, "of them for spectral norm", "fused (estimate)"]
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    for c in counts:
        cells: list[Any] = [f"{c.preset}, batch {c.batch}", c.precision, c.latent, c.engine, f"**{c.total:,}**"]
        cells += [c.groups.get(g, 0) for g in groups] + ["–" if c.spectral_norm is None else c.spectral_norm, c.fused]
        lines.append(" | ".join(map(str, cells)))
    return "\n".join(f"| {line} |" for line in lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", choices=list(PRESETS), default=list(PRESETS))
    parser.add_argument("--engines", nargs="+", choices=["plain", "recorded"], default=["plain", "recorded"])
    parser.add_argument("--precisions", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--spectral-norm", action="store_true", help="count also how many disappear without it")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    counts = []
    for preset in given.presets:
        for precision in given.precisions:
            for latent in ("none", "ngd"):
                for engine in given.engines:
                    counts.append(
                        count(preset, PRESETS[preset], Variant(latent, engine, precision), given.spectral_norm)
                    )
                    print(table(counts[-1:]).splitlines()[-1], flush=True)
    given.out.write_text(json.dumps({"torch": torch.__version__, "counts": [vars(c) for c in counts]}, indent=1) + "\n")
    given.out.with_suffix(".md").write_text(table(counts))


if __name__ == "__main__":
    main()
