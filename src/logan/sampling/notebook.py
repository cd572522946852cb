"""How a model shows itself in a notebook: a row of samples, and what they are from."""

from __future__ import annotations

import base64
import contextlib
import html
import io
from typing import TYPE_CHECKING

import torch
from PIL import Image, ImageDraw
from torch import Tensor

if TYPE_CHECKING:
    from logan.sampling.model import Model

SAMPLES = 8
POINTS = 1000
CELL = 64
"""Pixels that an image is shown at: smaller ones are enlarged without smoothing, larger ones reduced."""
GAP = 2


def facts(model: Model) -> str:
    """One line: the network, what it makes, from what, and how long it was trained.

    Nothing here raises, so that a model can be shown whatever became of it.
    """
    try:
        a, config = model.info.architecture, model.info.config
        size, channels, classes = a["image_size"], a["image_channels"], a["num_classes"]
        made = "points" if size == 1 else f"{channels}×{size}×{size}"
        of = f", {classes} classes" if classes else ""
        prior = "unit sphere" if config.on_sphere() else config.networks.prior
        millions = ", ".join(
            f"{name} {_count(sum(p.numel() for p in net.parameters()))}"
            for name, net in (("G", model.generator), ("D", model.discriminator))
        )
        return (
            f"{a['name']}, {made}{of}, from {a['latent_dim']} {prior} latents, {millions} parameters, "
            f"latent {config.latent.latent}, {model.info.images / 1000:,.0f} kimg, on {model.device}"
        )
    except Exception as error:
        return f"of which little is known ({type(error).__name__})"


def as_html(model: Model) -> str:
    """A row of samples, drawn with seed 0, above the facts; the facts alone if nothing can be drawn. Never raises."""
    picture = ""
    with contextlib.suppress(Exception):
        picture = f'<img alt="samples" src="data:image/png;base64,{_png(model)}"><br>'
    return f"<div>{picture}<code>{html.escape(facts(model))}</code></div>"


def _png(model: Model) -> str:
    image = (
        _scatter(model.sample(POINTS, seed=0))
        if model.info.architecture["image_size"] == 1
        else _row(model.sample(SAMPLES, seed=0, batch=SAMPLES))
    )
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _row(images: Tensor) -> Image.Image:
    """(N, C, H, W) in [−1, 1] beside each other; of other than one or three channels, the first."""
    shown = images if images.shape[1] in (1, 3) else images[:, :1]
    pixels = ((shown.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
    cells = [Image.fromarray(p[:, :, 0] if p.shape[2] == 1 else p).convert("RGB") for p in pixels]
    row = Image.new("RGB", (len(cells) * (CELL + GAP) - GAP, CELL), "white")
    for i, cell in enumerate(cells):
        smooth = Image.Resampling.LANCZOS if cell.width > CELL else Image.Resampling.NEAREST
        row.paste(cell.resize((CELL, CELL), smooth), (i * (CELL + GAP), 0))
    return row


def _scatter(points: Tensor) -> Image.Image:
    """Points (N, 2, 1, 1) as dots; what is not finite is left out."""
    side = 3 * CELL
    xy = points.flatten(1).float()
    xy = xy[xy.isfinite().all(1)]
    reach = 1.1 * float(xy.abs().max()) or 1.0
    places = ((xy / reach + 1) * (side - 1) / 2).round().int().tolist()
    image = Image.new("RGB", (side, side), "white")
    ImageDraw.Draw(image).point([(x, side - 1 - y) for x, y in places], fill="steelblue")
    return image


def _count(n: int) -> str:
    return f"{n / 10**6:.1f} M" if n >= 10**5 else f"{n:,}"
