"""Images as people look at them: grids of pictures, scatter plots of points, single files."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from logan.files import write_atomically
from logan.report.canvas import new_figure

CELL = 48
"""Smallest side, in pixels, that an image is shown at in a grid; smaller ones are enlarged without smoothing."""
GAP = 2
"""Grey pixels between the images of a grid."""


def to_uint8(images: Tensor) -> Tensor:
    """Images in [−1, 1], (N, C, H, W), to uint8 (N, H, W, C), rounded to nearest on the CPU."""
    scaled = ((images.detach().float().cpu() + 1) * 127.5).round().clamp(0, 255)
    return scaled.to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def are_points(images: Tensor) -> bool:
    """Whether these are 2-D points, (N, 2, 1, 1), rather than pictures."""
    return images.shape[1:] == (2, 1, 1)


def as_pil(pixels: Tensor) -> Image.Image:
    """One uint8 image (H, W, C), grey if C = 1."""
    array = pixels.numpy()
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


def grid(images: Tensor, columns: int | None = None) -> Image.Image:
    """Images (N, C, H, W) in [−1, 1] side by side, row by row; about square unless ``columns`` is given."""
    pixels = to_uint8(images)
    enlarge = max(1, math.ceil(CELL / max(pixels.shape[1:3])))
    pixels = pixels.repeat_interleave(enlarge, 1).repeat_interleave(enlarge, 2)
    n, height, width, channels = pixels.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    canvas = np.full((rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, channels), 128, dtype=np.uint8)
    for i, image in enumerate(pixels.numpy()):
        top, left = i // columns * (height + GAP) + GAP, i % columns * (width + GAP) + GAP
        canvas[top : top + height, left : left + width] = image
    return as_pil(torch.from_numpy(canvas))


def scatter(points: Tensor, centres: Tensor | None = None) -> Image.Image:
    """Points (N, 2, 1, 1), with the mixture's centres as crosses; the frame is set by the centres if there are any."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = new_figure(5, 5, dpi=100)
    canvas, axes = FigureCanvasAgg(figure), figure.subplots()
    xy = points.detach().float().cpu().flatten(1).numpy()
    reach = 1.25 * float(np.abs(xy).max() if centres is None else centres.abs().max())
    if centres is not None:
        axes.plot(*centres.cpu().T.numpy(), "x", color="0.6", markersize=8, zorder=1)
    axes.scatter(xy[:, 0], xy[:, 1], s=4, alpha=0.5, linewidths=0, color="tab:blue", zorder=2)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[:, :, :3].copy())


def save_picture(path: Path, images: Tensor, *, columns: int | None = None, centres: Tensor | None = None) -> None:
    """Write a grid, or a scatter plot of points, as PNG, in one move."""
    picture = scatter(images, centres) if are_points(images) else grid(images, columns)
    write_atomically(path, lambda partial: picture.save(partial, format="PNG"))
