"""What only the networks can show: the latent step at work, truncation, interpolations, and the nearest training images.

Few images by fixed latents, so that it costs little, and two pages of one snapshot are the same. Both networks must be in
evaluation mode; nothing of them changes, nor do torch's random numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor, nn

from logan.config import Config
from logan.errors import InputError, first_line
from logan.report.neighbours import Gallery, Nearest
from logan.sampling import draw_latents, evaluation_step, generate
from logan.sampling.interpolation import between_samples
from logan.turns import Rules, call, move

T = TypeVar("T")
SAMPLES = 8
"""Images in a row."""
LATENT_STEPS = 10
"""As many as appendix E takes at evaluation."""
SHOWN_STEPS = (0, 1, 3, 10)
TRUNCATIONS = (1.0, 0.75, 0.5, 0.25, 0.0)
PAIRS, BETWEEN = 4, 9
"""Interpolations, and images of each with both ends."""
COMPARED = 64
"""Samples whose nearest training images are looked for."""
POINTS = 400
"""In a picture of a 2-D mixture."""
BATCH = 32


@dataclass(frozen=True)
class Networks:
    """A generator and its discriminator, in evaluation mode on ``device``, with what a picture needs to know of them."""

    config: Config
    generator: nn.Module
    discriminator: nn.Module
    device: torch.device
    num_classes: int = 0
    class_names: tuple[str, ...] = ()
    kimg: float = 0.0
    points: bool = False


@dataclass(frozen=True)
class LatentPath:
    """The same latents before and after steps of latent optimisation.

    Attributes:
        images: (n, C, H, W) by the number of steps.
        scores: D's, (n,), after 0, 1, … steps.
        moved: ‖z_k − z_0‖, mean over the samples, after 0, 1, … steps.
    """

    images: dict[int, Tensor]
    scores: list[Tensor]
    moved: list[float]


@dataclass
class Looks:
    """What was seen, or in its place why it was not.

    Attributes:
        kimg: of the networks, in thousands of images; None if there were none.
        parameters: of G and of D.
        latent_path: see :class:`LatentPath`.
        truncation: images (n, C, H, W) of the same latents by truncation.
        interpolation: images (PAIRS, BETWEEN, C, H, W).
        nearest: see :class:`~logan.report.neighbours.Nearest`.
        data: the training set in words.
    """

    kimg: float | None = None
    parameters: tuple[int, int] | None = None
    latent_path: LatentPath | str = ""
    truncation: dict[float, Tensor] | str = ""
    interpolation: Tensor | str = ""
    nearest: Nearest | str = ""
    data: str = ""
    classes: list[str] = field(default_factory=list)


def none(reason: str) -> Looks:
    """Looks at a run whose networks are not there."""
    return Looks(None, None, reason, reason, reason, reason)


def look(
    networks: Networks,
    gallery: Callable[[], Gallery] | None,
    may: Callable[[], bool] = lambda: True,
    before: Looks | None = None,
) -> Looks:
    """Look at everything, piece by piece.

    Args:
        networks: see there.
        gallery: gives the training images; it may raise InputError or OSError. None if they are endless.
        may: asked before each piece whether there is time for it.
        before: what was seen earlier, for the pieces for which there is none.
    """
    found = Looks(networks.kimg, _parameters(networks))
    found.classes = (
        [networks.class_names[i] for i in _labels(networks, SAMPLES).tolist()] if networks.class_names else []
    )
    later = f"left out to save time; `logan report` adds it once the run is at {networks.kimg:g} kimg or more"

    def piece(make: Callable[[], T], earlier: T | str | None) -> T | str:
        if not may():
            return earlier or later
        try:
            with _own_random_numbers(networks.device):
                return make()
        except (InputError, OSError) as error:
            return first_line(error)

    old = before or Looks()
    found.latent_path = piece(lambda: latent_path(networks), old.latent_path)
    found.truncation = piece(lambda: truncations(networks), old.truncation)
    found.interpolation = piece(lambda: interpolations(networks), old.interpolation)
    if gallery is None:
        found.nearest = "the data are drawn from a known density: no point is there twice, so none can be memorised"
    else:
        found.nearest = piece(lambda: gallery().nearest(_draw(networks, COMPARED)), old.nearest)
    return found


@torch.no_grad()
def latent_path(networks: Networks) -> LatentPath | str:
    """Latent optimisation with the run's own settings, :data:`LATENT_STEPS` steps.

    z_{k+1} = [z_k + Δz(z_k)] from z_0 of the prior; D's score D(G(z_k)) at each.
    """
    config = networks.config
    if config.latent.latent == "none":
        return "this run has no latent step"
    step = evaluation_step(config, 1)
    z = start = draw_latents(config, POINTS // 4 if networks.points else SAMPLES, _source(networks)).to(networks.device)
    labels = _labels(networks, len(z)) if networks.num_classes else None
    images, scores, moved = {}, [], []
    for k in range(LATENT_STEPS + 1):
        moved.append(torch.linalg.vector_norm((z - start).flatten(1), dim=1).mean().item())
        seen = call(networks.generator, z, labels)
        if k in SHOWN_STEPS:
            images[k] = seen.float().cpu()
        scores.append(call(networks.discriminator, seen, labels).flatten().float().cpu())
        if k < LATENT_STEPS:
            z = move(networks.generator, networks.discriminator, z, labels, Rules(latent=step)).z
    return LatentPath(images, scores, moved)


def truncations(networks: Networks) -> dict[float, Tensor] | str:
    """Images of the same latents, truncated more and more (section 5.4 of the paper)."""
    if networks.config.on_sphere():
        return "this run's latents are on the unit sphere, where truncation has no meaning"
    n = POINTS if networks.points else SAMPLES
    return {s: _draw(networks, n, s) for s in TRUNCATIONS}


def interpolations(networks: Networks) -> Tensor:
    """Images between pairs of latents: straight in U(−1, 1), on the great circle for a normal prior and on the sphere."""
    ends = draw_latents(networks.config, 2 * PAIRS, _source(networks, 1))
    share = torch.linspace(0, 1, BETWEEN if not networks.points else 41)
    between = torch.stack([between_samples(networks.config, a, b, share) for a, b in ends.view(PAIRS, 2, -1)])
    labels = _labels(networks, PAIRS).repeat_interleave(len(share)) if networks.num_classes else None
    images = _generate(networks, between.flatten(0, 1), labels)
    return images.view(PAIRS, len(share), *images.shape[1:])


def _draw(networks: Networks, n: int, trunc: float = 1.0) -> Tensor:
    """The first n samples of the page's own latents, (n, C, H, W), on the CPU."""
    z = draw_latents(networks.config, n, _source(networks), trunc)
    return _generate(networks, z, _labels(networks, n) if networks.num_classes else None)


def _generate(networks: Networks, z: Tensor, labels: Tensor | None) -> Tensor:
    batch = BATCH if not networks.points else len(z)
    parts = generate(
        networks.generator, networks.discriminator, z, labels, None, batch=batch, seed=0, device=networks.device
    )
    return torch.cat([images.cpu() for images in parts])


def _source(networks: Networks, more: int = 0) -> torch.Generator:
    """Latents that are neither those of the run's pictures nor those of its scores."""
    return torch.Generator("cpu").manual_seed(networks.config.run.seed + 3 + more)


def _labels(networks: Networks, n: int) -> Tensor:
    """A class each, in turn; evenly chosen where there are more than n."""
    classes = max(networks.num_classes, 1)
    if classes <= SAMPLES:
        return (torch.arange(n) % classes).to(networks.device)
    return (torch.arange(n) % SAMPLES * classes // SAMPLES).to(networks.device)


def _parameters(networks: Networks) -> tuple[int, int]:
    g, d = (sum(p.numel() for p in net.parameters()) for net in (networks.generator, networks.discriminator))
    return g, d


@contextmanager
def _own_random_numbers(device: torch.device) -> Iterator[None]:
    """What is drawn inside is the same every time, and outside nobody notices."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        yield
