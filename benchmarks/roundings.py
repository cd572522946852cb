"""How far recordings are from the plain code, beside how far one rounding moves that: what the limits of the check rest on.

    python benchmarks/roundings.py --out docs/results/speed/roundings.json

A simultaneous step (batch of 8, hinge) of each network at small width, with and without the latent step, in float32 and under
bfloat16. Of the tensors that differ by more than ``TOLERANCE`` of their largest entry: how many there are, and the largest ratio
of their difference to what one rounding changes, as :mod:`logan.fast.proof` measures it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from logan import LatentStep, losses, networks, turns
from logan.fast.engine import Engine
from logan.fast.proof import TOLERANCE, Outcome, _difference, noise_of
from logan.fast.trial import Before

NETWORKS = {
    "mlp": {"image_size": 8, "width": 32},
    "dcgan": {"image_size": 16, "width": 8},
    "sndcgan": {"image_size": 16, "width": 8},
    "sngan": {"image_size": 32, "width": 8},
    "sagan": {"image_size": 32, "width": 8, "num_classes": 3},
    "biggan": {"image_size": 32, "width": 4, "num_classes": 3},
    "biggan-deep": {"image_size": 32, "width": 4, "num_classes": 3},
}


def measure(name: str, narrow: bool, latent: bool, seed: int) -> dict[str, Any]:
    torch.manual_seed(seed)
    settings = NETWORKS[name]
    players = networks.create(name, image_channels=3, latent_dim=12, **settings)  # type: ignore[arg-type]
    real = torch.rand(8, 3, settings["image_size"], settings["image_size"]) * 2 - 1
    labels = torch.arange(8) % 3 if "num_classes" in settings else None
    inputs = (real, torch.rand(8, 12) * 2 - 1, labels)
    rules = turns.Rules(losses.hinge, LatentStep() if latent else None, torch.bfloat16 if narrow else None)
    recorded = Engine(*players, "recorded", print)._new(turns.simultaneous, rules)
    recorded.checking = False
    entry = recorded.entry(*inputs)
    assert entry is not None
    assert entry.recording is not None
    recording, attributes = entry.recording, entry.recording.attributes
    before = Before(attributes, inputs)
    plain = Outcome(recorded.function, inputs, attributes)
    before.put_back()
    fast = Outcome(lambda *x: recording(attributes, *x), inputs, attributes)
    noise = noise_of(recorded.function, inputs, before, plain, recording.precision)
    assert noise is not None
    ratios = []
    for tensor, want in plain.tensors.items():
        off = _difference(fast.tensors[tensor], want)
        assert off is not None, tensor
        if off[0] > TOLERANCE[recording.precision] * off[1]:
            ratios.append((off[0] / noise[tensor] if noise[tensor] else float("inf"), tensor))
    most = max(ratios, default=(0.0, ""))
    kind = {"network": name, "precision": "bfloat16" if narrow else "float32", "latent": "ngd" if latent else "none"}
    return kind | {"seed": seed, "beyond_tolerance": len(ratios), "largest_ratio": round(most[0], 3), "tensor": most[1]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    found = []
    for name in NETWORKS:
        for narrow in (False, True):
            for latent in (False, True):
                for seed in range(given.seeds):
                    found.append(measure(name, narrow, latent, seed))
                    print(found[-1], flush=True)
    for precision in ("float32", "bfloat16"):
        print(precision, max(f["largest_ratio"] for f in found if f["precision"] == precision))
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n")
