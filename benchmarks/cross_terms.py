"""How much of the latent gradient comes from other samples: batch norm in G ties the scores of a batch together.

    python benchmarks/cross_terms.py RUN... --out cross-terms.md

The step uses g_i = ∂ Σ_j f(z_j)/∂z_i over the batch (Algorithm 1). Without batch norm that is ∂f(z_i)/∂z_i, sample by sample;
with it, the other samples' scores depend on z_i too. For every snapshot of a run, with G in training mode as in training:
the share ‖g − own‖²/‖g‖² of the cross terms, the cosine between g and own, and ‖g‖² itself (means over one batch).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

import logan
from logan.sampling import Model, draw_latents, snapshot
from logan.side_effects import no_side_effects


def gradients(model: Model, batch: int, seed: int) -> tuple[Tensor, Tensor]:
    """g and its own-sample part, (B, d) each."""
    z = draw_latents(model.info.config, batch, torch.Generator().manual_seed(seed)).requires_grad_()
    model.generator.train()
    with no_side_effects():
        scores = model.discriminator(model.generator(z))
    rows = [torch.autograd.grad(score, z, retain_graph=True)[0] for score in scores]
    jacobian = torch.stack(rows)  # (scores, samples, d)
    return jacobian.sum(0), torch.stack([jacobian[i, i] for i in range(batch)])


def row(path: Path, batch: int, seed: int) -> str:
    model = logan.load(path, "cpu")
    g, own = gradients(model, batch, seed)
    fraction = ((g - own).square().sum(1) / g.square().sum(1)).mean().item()
    cosine = torch.cosine_similarity(g, own, dim=1).mean().item()
    kimg, name = model.info.images / 1000, path.parent.name
    return f"| {name} | {kimg:.0f} | {fraction:.3f} | {cosine:.3f} | {g.square().sum(1).mean().item():.4g} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    lines = ["| run | kimg | share of the cross terms | cosine(g, own) | ‖g‖² |", "|---|---|---|---|---|"]
    for run in given.runs:
        lines += [row(path, given.batch, given.seed) for path in sorted(run.glob(snapshot.PATTERN))]
    text = "\n".join(lines) + "\n"
    given.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
