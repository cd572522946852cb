"""The latent step in small GANs of many kinds: what is true of the ring, is it true in general?

    python benchmarks/family.py --out docs/results/family

Pairs of perceptrons in float64, R³ → R² → R, in groups: "bilinear", f(z) = wᵀBz; "gentle", with the weights that torch draws;
"steep", with three times those; "trained" and "trained, ngd", after 300 steps of the game on four Gaussians, without a latent
step and with one. In all but the first every activation, loss and shape is met equally often. At each pair and for each latent
step (without R_z, nothing clipped), on one batch: how LOGAN's adjustment points to SGA's, how wrong approximation 21 is, which
samples' gradients of G get longer, and, from the whole Jacobian H, the rotation and the real parts of the eigenvalues with the
step and without it. Writes members.csv (a line per pair and step), table.md, family.png and .svg (how many pairs lie below a
value), and family.csv (what they show).
"""

from __future__ import annotations

import argparse
import csv
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from logan import LatentStep
from logan.analysis.alignment import alignments
from logan.analysis.spectrum import dense
from logan.data.mixtures import ring
from logan.devices import cpu_threads
from logan.dynamics import gan_field
from logan.game import Game
from logan.losses import LOSSES
from logan.report.panels import Line, Panel, save

BILINEAR, GENTLE, STEEP, TRAINED, TRAINED_NGD = "bilinear", "gentle", "steep", "trained", "trained, ngd"
GROUPS = (BILINEAR, GENTLE, STEEP, TRAINED, TRAINED_NGD)
STEEPNESS = 3.0
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"tanh": nn.Tanh, "silu": nn.SiLU, "relu": nn.ReLU}
PLAYED = ("wasserstein", "hinge", "non-saturating")
SHAPES = ((12,), (8, 8))
"""Units of the hidden layers of each network."""
KINDS = tuple(itertools.product(ACTIVATIONS, PLAYED, SHAPES))
LATENT_DIM, BATCH = 3, 64
MIXTURE = ring(modes=4, radius=1.0, std=0.1)
TRAINING_STEPS, TRAINING_BATCH, RATE, BETAS = 300, 128, 2e-3, (0.5, 0.999)
STEPS = {
    "gd": LatentStep("gd", alpha=0.1, portion=1.0, penalty=0.0, bounds=None),
    "ngd": LatentStep("ngd", alpha=0.9, beta=0.1, portion=1.0, penalty=0.0, bounds=None),
}
ROUNDING = 1e-9
"""An eigenvalue that changes by less, relative to H's largest, has not changed."""

Row = dict[str, Any]
Pair = tuple[nn.Sequential, nn.Sequential]


class Member(NamedTuple):
    """What makes a pair; the seed is its own, of its weights, its training and its batch."""

    group: str
    activation: str
    loss: str
    hidden: tuple[int, ...]
    seed: int


def rules(loss: str, latent: LatentStep | None) -> dict[str, Any]:
    """The rules of the game, as the functions of logan take them."""
    return {"loss": LOSSES[loss], "latent": latent}


def family(draws: int, groups: Sequence[str] = GROUPS) -> list[Member]:
    """Each kind ``draws`` times in each group; no two members have a seed in common."""
    kinds = [(group, kind) for group in GROUPS for kind in KINDS * draws]
    members = [
        Member(group, "linear", loss, (), seed) if group == BILINEAR else Member(group, activation, loss, hidden, seed)
        for seed, (group, (activation, loss, hidden)) in enumerate(kinds)
    ]
    return [member for member in members if member.group in groups]


def build(member: Member) -> Pair:
    """G and D in training mode, trained if the group says so. The global random numbers go on from the member's seed."""
    torch.manual_seed(member.seed)
    bias = member.group != BILINEAR
    layers = [_perceptron([n, *member.hidden, m], member.activation, bias) for n, m in ((LATENT_DIM, 2), (2, 1))]
    g, d = nn.Sequential(*layers[0]).double(), nn.Sequential(*layers[1], nn.Flatten(0)).double()
    if member.group == STEEP:
        with torch.no_grad():
            for p in (*g.parameters(), *d.parameters()):
                p.mul_(STEEPNESS)
    if member.group in (TRAINED, TRAINED_NGD):
        train(g, d, member)
    return g, d


def _perceptron(sizes: Sequence[int], activation: str, bias: bool) -> list[nn.Module]:
    layers: list[nn.Module] = [nn.Linear(sizes[0], sizes[1], bias=bias)]
    for n, m in itertools.pairwise(sizes[1:]):
        layers += [ACTIVATIONS[activation](), nn.Linear(n, m, bias=bias)]
    return layers


def train(g: nn.Module, d: nn.Module, member: Member) -> None:
    """Some hundred simultaneous steps with Adam."""
    g_adam, d_adam = (torch.optim.Adam(network.parameters(), lr=RATE, betas=BETAS) for network in (g, d))
    game = Game(g, d, g_adam, d_adam, **rules(member.loss, STEPS["ngd"] if member.group == TRAINED_NGD else None))
    for step in range(TRAINING_STEPS):
        batch = points(TRAINING_BATCH, member, step * TRAINING_BATCH)
        game.step(lambda batch=batch: (batch, None), latents)  # type: ignore[misc]


def points(n: int, member: Member, position: int) -> Tensor:
    """Real images, (n, 2)."""
    return MIXTURE.draw(n, member.seed, position)[0].flatten(1).double()


def latents(n: int) -> Tensor:
    """(n, LATENT_DIM) of U(−1, 1)."""
    return 2 * torch.rand(n, LATENT_DIM, dtype=torch.float64) - 1


def measure(member: Member) -> Iterator[Row]:
    """A row per latent step, all on one batch at the member's parameters; what is of single samples, at z and at −z."""
    g, d = build(member)
    real, z = points(BATCH, member, TRAINING_STEPS * TRAINING_BATCH), latents(BATCH)
    plain = eigenvalues(g, d, real, z, rules(member.loss, None))
    mirrored = torch.cat([z, -z])
    before = squared_gradients(g, d, mirrored)
    for name, step in STEPS.items():
        with_step = rules(member.loss, step)
        found = alignments(g, d, real, z, **with_step)
        moved = step(lambda z: d(g(z)), mirrored).detach()
        after = squared_gradients(g, d, moved.z)
        yield {
            **member._replace(hidden=" ".join(map(str, member.hidden)))._asdict(),  # type: ignore[arg-type]
            "step": name,
            "norm_g": moved.gradient.norm(dim=1).mean().item(),
            "delta_z": moved.delta.norm(dim=1).mean().item(),
            "cosine": found["logan_sga_cosine"].item(),
            "cosine_d": found["logan_sga_cosine_d"].item(),
            "cosine_g": found["logan_sga_cosine_g"].item(),
            "error_21": found["local_error"].item(),
            "longer": (after > before).double().mean().item(),
            "growth": (after.mean() / before.mean()).item(),
            **eigenvalues(g, d, real, z, with_step),
            **{f"{key}_plain": value for key, value in plain.items()},
        }


def eigenvalues(g: nn.Module, d: nn.Module, real: Tensor, z: Tensor, rules: dict[str, Any]) -> dict[str, float]:
    """Of the whole Jacobian H of the game: the one of largest magnitude, the smallest real part, and the largest ω of ½(H − Hᵀ)."""
    with gan_field(g, d, real, z, **rules) as (field, _):
        h = dense(field)
    values = np.linalg.eigvals(h)
    leading = values[np.abs(values).argmax()]
    omega = np.linalg.eigvalsh(1j * (h - h.T) / 2).max()
    return {"real": leading.real, "imaginary": abs(leading.imag), "least": values.real.min(), "omega": omega}


def squared_gradients(g: nn.Module, d: nn.Module, z: Tensor) -> Tensor:
    """‖∂f(z_i)/∂θ_G‖² of each sample, (B,)."""
    one_each = torch.eye(len(z), dtype=z.dtype)
    rows = torch.autograd.grad(d(g(z)), [*g.parameters()], one_each, is_grads_batched=True)
    return torch.stack([row.flatten(1).square().sum(1) for row in rows]).sum(0)


def column(rows: Sequence[Row], name: str) -> np.ndarray:
    """One number of each row; NaN is left out, as of a cosine with nothing."""
    values = np.array([row[name] for row in rows], dtype=float)
    return values[~np.isnan(values)]


def rose(rows: Sequence[Row], name: str) -> float:
    """The share of the pairs in which an eigenvalue's part is larger with the latent step than without it."""
    return float(np.mean([r[name] - r[f"{name}_plain"] > ROUNDING * _largest(r) for r in rows]))


def _largest(row: Row) -> float:
    return float(np.hypot(row["real_plain"], row["imaginary_plain"]))


def _cosines(name: str, sign: int) -> Callable[[Sequence[Row]], str]:
    def of(rows: Sequence[Row]) -> str:
        values = column(rows, name)
        return f"{values.mean():.2f} ({np.mean(sign * values > 0):.0%})"

    return of


QUANTITIES: dict[str, Callable[[Sequence[Row]], str]] = {
    "pairs": lambda rows: str(len(rows)),
    "‖g‖, median": lambda rows: f"{np.median(column(rows, 'norm_g')):.2g}",
    "‖Δz‖, median": lambda rows: f"{np.median(column(rows, 'delta_z')):.2g}",
    "cosine of LOGAN's adjustment with SGA's, D's part: mean (share above 0)": _cosines("cosine_d", 1),
    "… G's part: mean (share below 0)": _cosines("cosine_g", -1),
    "… of the whole vectors: mean (share above 0)": _cosines("cosine", 1),
    "error of approximation 21: median (largest)": lambda rows: (
        f"{np.median(column(rows, 'error_21')):.2g} ({column(rows, 'error_21').max():.2g})"
    ),
    "G's gradient of a sample gets longer: share of samples": lambda rows: f"{column(rows, 'longer').mean():.0%}",
    "… its mean square over the batch: share of pairs": lambda rows: f"{np.mean(column(rows, 'growth') > 1):.0%}",
    "largest ω of ½(H − Hᵀ) grows: share of pairs": lambda rows: f"{rose(rows, 'omega'):.0%}",
    "… ω with the step over ω without it: median": lambda rows: (
        f"{np.median(column(rows, 'omega') / column(rows, 'omega_plain')):.2f}"
    ),
    "real part of H's leading eigenvalue rises: share of pairs": lambda rows: f"{rose(rows, 'real'):.0%}",
    "smallest real part of H's eigenvalues rises: share of pairs": lambda rows: f"{rose(rows, 'least'):.0%}",
}


def by_slope(rows: Sequence[Row]) -> str:
    """Whether D's cosine turns where the length of a natural gradient step begins to fall with ‖g‖."""
    turn = STEPS["ngd"].beta ** 0.5
    parts = []
    for words, steep in (("at most √β", False), ("above √β", True)):
        values = column([r for r in rows if r["step"] == "ngd" and (r["norm_g"] > turn) == steep], "cosine_d")
        if len(values):
            share = f"{values.mean():.2f} in the mean and above 0 in {np.mean(values > 0):.0%}"
            parts.append(f"where the mean ‖g‖ is {words}, D's cosine is {share} of {len(values)} pairs")
    return f"ngd, all groups: {'; '.join(parts)}.\n"


def grouped(rows: Sequence[Row], step: str) -> dict[str, list[Row]]:
    """The rows of one latent step by group, in the family's order."""
    mine = [row for row in rows if row["step"] == step]
    return {group: [row for row in mine if row["group"] == group] for group in dict.fromkeys(r["group"] for r in mine)}


def table(rows: Sequence[Row]) -> str:
    """Markdown: for each latent step a row per quantity and a column per group."""
    parts = []
    for name, step in STEPS.items():
        groups = grouped(rows, name)
        size = f"α = {step.alpha}" + (f", β = {step.beta}" if step.method == "ngd" else "")
        lines = [f"| {name}, {size} | " + " | ".join(groups) + " |", "|" + "---|" * (len(groups) + 1)]
        lines += [
            f"| {title} | " + " | ".join(of(group) for group in groups.values()) + " |"
            for title, of in QUANTITIES.items()
        ]
        parts.append("\n".join(lines) + "\n")
    return "\n".join([*parts, by_slope(rows)])


def panels(rows: Sequence[Row]) -> list[Panel]:
    """The share of each group's pairs that lie below a value, natural gradient descent dashed."""
    drawn: dict[str, tuple[Callable[[Row], float], bool]] = {
        "cosine of LOGAN's adjustment with SGA's, D's part": (lambda r: r["cosine_d"], False),
        "… G's part": (lambda r: r["cosine_g"], False),
        "error of approximation 21": (lambda r: r["error_21"], True),
        "largest ω with the latent step over that without it": (lambda r: r["omega"] / r["omega_plain"], True),
    }
    found = []
    for title, (value, log) in drawn.items():
        lines = []
        for name in STEPS:
            for group, members in grouped(rows, name).items():
                values = np.sort([value(row) for row in members])
                shares = (np.arange(len(values)) + 1) / len(values)
                shown = values > 0 if log else np.isfinite(values)
                like = "" if name == "gd" else f"{group}: gd"
                lines += [Line(f"{group}: {name}", values[shown], shares[shown], like=like)] if shown.any() else []
        found.append(Panel(title, "", "share of the pairs below", lines, log_x=log))
    return found


def write(out: Path, rows: Sequence[Row]) -> None:
    """All files of a result."""
    out.mkdir(parents=True, exist_ok=True)
    with open(out / "members.csv", "w", encoding="utf-8", newline="") as file:
        lines = csv.DictWriter(file, rows[0], lineterminator="\n")
        lines.writeheader()
        lines.writerows({k: f"{v:.7g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    (out / "table.md").write_text(table(rows), encoding="utf-8")
    save(out / "family", panels(rows))


def main(args: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=3, help="of each activation, loss and shape in each group")
    parser.add_argument("--groups", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args(args)
    if given.draws < 1:
        parser.error("--draws must be at least 1")
    with cpu_threads(1):
        rows = [row for member in family(given.draws, given.groups) for row in measure(member)]
    write(given.out, rows)
    print(table(rows))


if __name__ == "__main__":
    main()
