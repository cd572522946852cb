"""What the demo shows: functions of a model and a few numbers to pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from logan.guide import Latent
from logan.latent import Method
from logan.report.canvas import new_figure
from logan.report.pictures import are_points, grid, scatter
from logan.sampling import Model
from logan.sampling.guidance import own_latent, prior_of
from logan.sampling.interpolation import between_samples
from logan.sampling.model import draw_latents, generate

LARGE = 440
"""Width, in pixels, that a picture has at least; it is enlarged without smoothing."""
POINTS = 512
"""Samples of a 2-D mixture: a picture of few shows nothing."""


def samples(model: Model, seed: int, n: int, trunc: float, label: int | None) -> Image.Image:
    """A grid of n images, those of ``model.sample(n, seed=seed, trunc=trunc)``; of one class if ``label`` says so."""
    n = max(n, POINTS) if is_flat(model) else n
    return _picture(model.sample(n, seed=seed, trunc=trunc, labels=None if label is None else [label]))


def crossing(model: Model, first: int, second: int, share: float, label: int | None) -> tuple[Image.Image, Image.Image]:
    """From the first latent of one seed to that of another: the image at ``share`` of the way, and nine along it."""
    a, b = (draw_latents(model.info.config, 1, torch.Generator().manual_seed(seed))[0] for seed in (first, second))
    steps = torch.linspace(0, 1, 201 if is_flat(model) else 9)
    z = between_samples(model.info.config, a, b, torch.cat([torch.tensor([share]), steps]))
    images = _draw(model, z, _labels(model, len(z), label, first))
    return _picture(images[:1]), _picture(images[1:], columns=len(steps))


@dataclass(frozen=True)
class Climb:
    """Latent optimisation, watched.

    Attributes:
        before, after: images of z_0 and of z_K.
        path: a plot of ``scores``.
        scores: mean D(G(z_k)) over the images, k = 0 … K.
        moved: mean ‖z_K − z_0‖.
    """

    before: Image.Image
    after: Image.Image
    path: Image.Image
    scores: list[float]
    moved: float


def climb(
    model: Model, seed: int, n: int, steps: int, method: Method, alpha: float, beta: float, label: int | None
) -> Climb:
    """K steps of latent optimisation (Algorithm 1, appendix E) from n latents of ``seed``, with D's score on the way."""
    n = max(n, POINTS) if is_flat(model) else n
    config = model.info.config
    z = start = draw_latents(config, n, torch.Generator().manual_seed(seed)).to(model.device)
    labels = _labels(model, n, label, seed)
    guide = Latent(steps=1, method=method, alpha=alpha, beta=beta, portion=own_latent(config).portion)
    found = replace(guide, steps=0)(model.generator, model.discriminator, z, labels, prior=prior_of(config))
    scores = [found.after.mean().item()]
    for _ in range(steps):
        found = guide(model.generator, model.discriminator, z, labels, prior=prior_of(config))
        z = found.z
        scores.append(found.after.mean().item())
    before, after = (_picture(_draw(model, at, labels)) for at in (start, z))
    return Climb(before, after, _plot(scores), scores, (z - start).norm(dim=1).mean().item())


def is_flat(model: Model) -> bool:
    """Whether the model makes points of a 2-D mixture."""
    return model.info.architecture["image_size"] == 1


def _draw(model: Model, z: Tensor, labels: Tensor | None) -> Tensor:
    parts = generate(model.generator, model.discriminator, z, labels, None, batch=64, seed=0, device=model.device)
    return torch.cat([images.cpu() for images in parts])


def _labels(model: Model, n: int, label: int | None, seed: int) -> Tensor | None:
    """One class for all, or drawn by seed; None for a generator without classes."""
    if model.num_classes == 0:
        return None
    if label is None:
        return torch.randint(model.num_classes, (n,), generator=torch.Generator().manual_seed(seed)).to(model.device)
    return torch.full((n,), label, device=model.device)


def _picture(images: Tensor, columns: int | None = None) -> Image.Image:
    if are_points(images):
        return scatter(images)
    picture = grid(images, columns)
    times = -(-LARGE // picture.width)
    return picture.resize((times * picture.width, times * picture.height), Image.Resampling.NEAREST)


def _plot(scores: list[float]) -> Image.Image:
    """D's score at each step."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = new_figure(8, 2, dpi=100)
    canvas, axes = FigureCanvasAgg(figure), figure.subplots()
    axes.plot(scores, marker="o", markersize=3)
    axes.set(xlabel="step k", ylabel="mean D(G(z_k))")
    axes.xaxis.get_major_locator().set_params(integer=True)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[:, :, :3].copy())
