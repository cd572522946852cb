"""Draw the pictures of docs/concepts.md: ``python docs/draw_concepts.py`` writes docs/images/latent-step.png and game-step.png.

The first is computed, not sketched: a small D∘G of two latents, its gradient, and moves by ``logan.LatentStep``.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from torch import Tensor, nn

import logan

IMAGES = Path(__file__).parent / "images"
BLUE, ORANGE, GREY = "#0b62a4", "#c1571a", "#555555"


def main() -> None:
    """Both."""
    matplotlib.rcParams.update({"font.size": 10, "font.family": "DejaVu Sans"})
    latent_step().savefig(IMAGES / "latent-step.png", dpi=110)
    game_step().savefig(IMAGES / "game-step.png", dpi=110)


def landscape() -> nn.Module:
    """f(z) = D(G(z)) of two latents: smooth, and random."""
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(2, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 1)).double()


def latent_step() -> Figure:
    """Left: latents and their moves on the landscape of D's score. Right: how long a move is, by the gradient's length."""
    net = landscape()

    def f(z: Tensor) -> Tensor:
        return 4 * net(z).squeeze(1)

    side = torch.linspace(-1, 1, 121, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side)
    figure = Figure((9.6, 4.1), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    with torch.no_grad():
        score = f(grid).view(121, 121).T
    shown = left.contourf(side, side, score, 14, cmap="Greys", alpha=0.75)
    figure.colorbar(shown, ax=left, label="D's score f(z) = D(G(z))")
    torch.manual_seed(2)
    z = torch.rand(22, 2, dtype=torch.float64) * 1.7 - 0.85
    moved = logan.LatentStep(method="ngd", alpha=0.9, beta=1.0, portion=1.0)(f, z).z.detach()
    for a, b in zip(z.tolist(), moved.tolist(), strict=True):
        left.add_patch(
            FancyArrowPatch(
                a, b, arrowstyle="-|>", mutation_scale=11, color=ORANGE, linewidth=1.4, shrinkA=0, shrinkB=0
            )
        )
    left.plot(*z.T, "o", color=BLUE, markersize=5, label="z, as drawn")
    left.plot([], [], color=ORANGE, marker=">", label="Δz, uphill")
    left.legend(loc="upper left", framealpha=0.95)
    left.set(
        xlim=(-1, 1),
        ylim=(-1, 1),
        aspect="equal",
        xlabel="first latent",
        ylabel="second latent",
        title="One latent step",
        xticks=(-1, -0.5, 0, 0.5, 1),
    )
    lengths(right)
    return figure


def lengths(axes: Axes) -> None:
    """‖Δz‖ against ‖g‖, of the step itself: f(z) = ‖g‖ z has that gradient."""
    slopes = torch.logspace(-2, 2, 200, dtype=torch.float64)
    zero = torch.zeros(len(slopes), 1, dtype=torch.float64)

    def length(**settings: object) -> Tensor:
        step = logan.LatentStep(portion=1.0, bounds=None, **settings)  # type: ignore[arg-type]
        return step(lambda z: slopes * z.squeeze(1), zero).delta.detach().abs().squeeze(1)

    axes.loglog(slopes, length(method="gd", alpha=0.9), color=GREY, linestyle="--", label="gd: α ‖g‖")
    axes.loglog(slopes, length(method="ngd", alpha=0.9, beta=0.1), color=BLUE, label="ngd: α ‖g‖ / (β + ‖g‖²), β = 0.1")
    axes.loglog(slopes, length(method="ngd", alpha=0.9, beta=5.0), color=ORANGE, linestyle="-.", label="ngd, β = 5")
    for beta, color in ((0.1, BLUE), (5.0, ORANGE)):
        axes.plot(beta**0.5, 0.9 / (2 * beta**0.5), "o", color=color)
    axes.set(
        xlabel="length of the gradient, ‖g‖",
        ylabel="length of the move, ‖Δz‖",
        title="The natural gradient bounds the move",
        ylim=(5e-4, 40),
    )
    axes.legend(loc="upper left", framealpha=0.95, fontsize=9)


def box(axes: Axes, x: float, y: float, text: str, color: str, width: float = 1.5, height: float = 0.62) -> None:
    """A box around a text."""
    axes.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2),
            width,
            height,
            boxstyle="round,pad=0.05",
            facecolor="white",
            edgecolor=color,
            linewidth=1.8,
        )
    )
    axes.text(x, y, text, ha="center", va="center")


def arrow(
    axes: Axes,
    a: tuple[float, float],
    b: tuple[float, float],
    color: str = GREY,
    text: str = "",
    bend: float = 0.0,
    style: str = "-",
) -> None:
    """From one place to another, with words in its middle."""
    axes.add_patch(
        FancyArrowPatch(
            a,
            b,
            arrowstyle="-|>",
            mutation_scale=14,
            color=color,
            linewidth=1.6,
            connectionstyle=f"arc3,rad={bend}",
            linestyle=style,
        )
    )
    if text:
        axes.text((a[0] + b[0]) / 2, (a[1] + b[1]) / 2 + 0.13, text, ha="center", va="bottom", color=color, fontsize=9)


def game_step() -> Figure:
    """What is computed from what in one step of training."""
    figure = Figure((9.6, 4.4), layout="constrained")
    axes = figure.subplots()
    top, low = 2.9, 0.75
    for x, text, color in ((0.9, "z ~ U(−1, 1)", BLUE), (3.2, "G", GREY), (5.1, "D", GREY)):
        box(axes, x, top, text, color, width=1.5 if x == 0.9 else 1.0)
    box(axes, 7.9, top, "g = ∂f/∂z\nΔz = α g / (β + ‖g‖²)", ORANGE, width=2.5, height=0.85)
    arrow(axes, (1.75, top), (2.6, top))
    arrow(axes, (3.8, top), (4.5, top))
    arrow(axes, (5.7, top), (6.55, top), text="f(z)")
    box(axes, 0.9, low, "z′ = clip(z + Δz)", ORANGE, width=1.8)
    arrow(axes, (7.9, top - 0.5), (1.3, low + 0.4), ORANGE, bend=-0.12)
    axes.text(4.75, 1.99, "the latent step: z moves up D's score", ha="center", color=ORANGE, fontsize=9)
    for x, text in ((3.2, "G"), (5.1, "D")):
        box(axes, x, low, text, GREY, width=1.0)
    box(
        axes,
        7.9,
        low,
        "losses of both players at z′\n(D's with real images, G's with R_z)",
        BLUE,
        width=3.0,
        height=0.85,
    )
    arrow(axes, (1.9, low), (2.6, low))
    arrow(axes, (3.8, low), (4.5, low))
    arrow(axes, (5.7, low), (6.3, low), text="f(z′)")
    arrow(axes, (7.4, low - 0.5), (0.9, low - 0.4), BLUE, bend=-0.13, style=(0, (4, 2)))  # type: ignore[arg-type]
    axes.text(
        4.6,
        -0.75,
        "gradients go back through z′ and Δz too: the second-order terms of equation 8",
        ha="center",
        color=BLUE,
        fontsize=9,
    )
    axes.set(xlim=(-0.2, 9.6), ylim=(-1.0, 3.55))
    axes.axis("off")
    return figure


if __name__ == "__main__":
    main()
