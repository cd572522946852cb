"""Using a trained generator: ``logan.load("runs/00003-digits-ngd").sample(64, seed=0)``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from logan import prior
from logan.config import MAX_SEED, Config
from logan.devices import choose_device
from logan.errors import InputError
from logan.guide import Calibration, Guide
from logan.latent import LatentMethod, to_sphere
from logan.sampling import choice, notebook
from logan.sampling import guidance as guiding
from logan.sampling.guidance import Guidance
from logan.sampling.projection import Features, Projected, Projection, project
from logan.sampling.snapshot import Snapshot, load_networks
from logan.side_effects import same_random_numbers_next
from logan.turns import Rules, move


class Model:
    """A generator (moving average) and its discriminator, in evaluation mode.

    Attributes:
        generator, discriminator: the networks.
        info: what the snapshot says about itself: architecture, settings of the run, images seen, class names.
        device: where the networks are.
    """

    def __init__(self, info: Snapshot, generator: nn.Module, discriminator: nn.Module, device: torch.device) -> None:
        self.info, self.device = info, device
        self.generator = generator.to(device).eval().requires_grad_(False)
        self.discriminator = discriminator.to(device).eval().requires_grad_(False)

    def __repr__(self) -> str:
        return f"<Model: {notebook.facts(self)}>"

    def _repr_html_(self) -> str:
        """In a notebook: a few samples, the same each time, and what they are from."""
        return notebook.as_html(self)

    @property
    def num_classes(self) -> int:
        """0 for an unconditional generator."""
        return self.info.architecture["num_classes"]

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        seed: int = 0,
        trunc: float = 1.0,
        labels: Sequence[int] | Tensor | None = None,
        latent_steps: int = 0,
        batch: int = 64,
        guide: Guide | None = None,
        calibration: Calibration | None = None,
    ) -> Tensor:
        """Draw n images, (n, C, H, W), in [−1, 1], on the CPU.

        The same seed gives the same images, whatever the batch size, on one kind of device.

        Args:
            n: how many.
            seed: of the latents, and of the labels if none are given.
            trunc: truncation s in [0, 1]: latents are w = s·z (section 5.4 of the paper); of a normal prior, drawn again
                until they are within ±2s. No truncation for latents on the sphere.
            labels: classes, repeated in turn to n; by default drawn uniformly. Conditional generators only.
            latent_steps: steps of latent optimisation with the run's own settings before generating (appendix E uses ten;
                section 5.2 found none best for large networks).
            batch: images per pass.
            guide: one of :mod:`logan.guide`: D's help in choosing latents.
            calibration: makes of D's score the logit that most guides need (:func:`logan.sampling.calibration_of`).

        Raises:
            InputError: for impossible arguments.
        """
        if guide is None and calibration is not None:
            raise InputError("`calibration` is for a `guide`; say which")
        ready = None if guide is None else self.guidance(guide, calibration, trunc=trunc, labels=labels, batch=batch)
        return torch.cat(
            list(
                self.batches(
                    n, seed=seed, trunc=trunc, labels=labels, latent_steps=latent_steps, batch=batch, guidance=ready
                )
            )
        )

    def batches(
        self,
        n: int,
        *,
        seed: int = 0,
        trunc: float = 1.0,
        labels: Sequence[int] | Tensor | None = None,
        latent_steps: int = 0,
        batch: int = 64,
        guidance: Guidance | None = None,
    ) -> Iterator[Tensor]:
        """The images of :meth:`sample`, a batch at a time: for more than fit in memory. ``guidance``: of :meth:`guidance`."""
        self.check_sampling(seed, trunc, latent_steps, batch)
        if guidance is not None:
            guiding.check(guidance.guide, self.info.config, guidance.calibration is not None, trunc, latent_steps)
        if not 1 <= n <= 10**8:
            raise InputError(f"`n` must be >= 1 and <= {10**8:,}, not {n}")
        source = torch.Generator("cpu").manual_seed(seed)
        z = draw_latents(self.info.config, n, source, trunc)
        y = self._labels(n, labels, source)
        step = evaluation_step(self.info.config, latent_steps)
        for images in generate(
            self.generator,
            self.discriminator,
            z,
            y,
            step,
            batch=batch,
            seed=seed,
            device=self.device,
            guidance=guidance,
        ):
            yield images.cpu()

    @torch.no_grad()
    def guidance(
        self,
        guide: Guide,
        calibration: Calibration | None = None,
        *,
        trunc: float = 1.0,
        labels: Sequence[int] | Tensor | None = None,
        batch: int = 64,
    ) -> Guidance:
        """A guide ready for :meth:`batches`: what it has to know beforehand is measured on latents of a fixed seed.

        So its samples do not depend on the batch that they come in, nor on how many are drawn. ``guidance.tally`` counts
        what it costs.

        Raises:
            InputError: if the guide does not go with this run's loss, or with ``trunc``.
        """
        config = self.info.config
        guiding.check(guide, config, calibration is not None, trunc)
        source = torch.Generator("cpu").manual_seed(guiding.BURN_IN_SEED)
        z = draw_latents(config, guiding.BURN_IN, source, trunc).to(self.device)
        y = self._labels(len(z), labels, source)
        y = None if y is None else y.to(self.device)
        prior = guiding.prior_of(config)
        measured = guide.measured(
            self.generator, self.discriminator, z, y, prior=prior, calibration=calibration, batch=batch
        )
        return Guidance(measured, prior, calibration)

    def _labels(self, n: int, labels: Sequence[int] | Tensor | None, source: torch.Generator) -> Tensor | None:
        if labels is None:
            return torch.randint(self.num_classes, (n,), generator=source) if self.num_classes else None
        if self.num_classes == 0:
            raise InputError("`labels` needs a class-conditional generator; this one was trained without `conditional`")
        values = labels.flatten().tolist() if isinstance(labels, Tensor) else list(labels)
        if not values or not all(0 <= v < self.num_classes for v in values):
            raise InputError(f"`labels` must be in 0 ... {self.num_classes - 1}, not {values}")
        return torch.tensor(values, dtype=torch.int64).repeat(-(-n // len(values)))[:n]

    def project(
        self,
        images: Tensor,
        *,
        labels: Sequence[int | None] | None = None,
        settings: Projection | None = None,
        features: Features | None = None,
        batch: int = 64,
        progress: Callable[[int], None] = lambda pictures: None,
    ) -> Projected:
        """The latents, and for a conditional generator the classes, whose pictures are nearest to ``images``: inversion.

        What comes for an image depends on no other image. See :class:`~logan.sampling.projection.Projection` for what is made
        small, and how.

        Args:
            images: (n, C, H, W), floats in [−1, 1] or uint8, of the size that the generator makes.
            labels: the class of each; None for all, or for one, that is to be found.
            settings: steps, starts, weights, seed …
            features: what compares pictures beside their pixels, on this device: a classifier, or EfficientNet-Lite0.
            batch: images per pass, at most.
            progress: told how many more pictures were made.

        Raises:
            InputError: for images, labels or settings that do not fit.

        Example:
            >>> import logan
            >>> from logan import networks
            >>> config = logan.presets.get("digits")
            >>> G, D = networks.create("mlp", image_size=8, image_channels=1, latent_dim=config.networks.latent_dim)
            >>> model = Model(Snapshot({"num_classes": 0}, config, 0, []), G, D, torch.device("cpu"))
            >>> found = model.project(model.sample(2, seed=1), settings=Projection(steps=20))
            >>> found.z.shape, found.pixels.shape
            (torch.Size([2, 64]), torch.Size([2]))
        """
        config = self.info.config
        if images.dtype == torch.uint8:
            images = images.float() / 127.5 - 1
        return project(
            self.generator, images.to(self.device), config.networks.latent_dim, settings,
            prior="sphere" if config.on_sphere() else config.networks.prior, classes=self.num_classes, labels=labels,
            features=features, batch=batch, progress=progress,
        )  # fmt: skip

    def check_sampling(self, seed: int, trunc: float, latent_steps: int, batch: int) -> None:
        """Refuse arguments that :meth:`sample` cannot serve.

        Raises:
            InputError: for impossible arguments.
        """
        if not 1 <= batch <= 10**6:
            raise InputError(f"`batch` must be >= 1 and <= {10**6:,}, not {batch}")
        if not 0 <= seed <= MAX_SEED:
            raise InputError(f"`seed` must be >= 0 and <= {MAX_SEED}, not {seed}")
        prior.check_trunc(trunc)
        if latent_steps < 0:
            raise InputError(f"`latent_steps` must be >= 0, not {latent_steps}")
        if trunc != 1 and self.info.config.on_sphere():
            raise InputError(
                "`trunc` has no meaning for a generator whose latents are on the unit sphere; leave it out"
            )
        evaluation_step(self.info.config, latent_steps)


def draw_latents(config: Config, n: int, source: torch.Generator, trunc: float = 1.0) -> Tensor:
    """n latents as a run's generator is to be sampled with, (n, d): of its prior, and on the sphere if it was trained there."""
    z = prior.draw(config.networks.prior, n, config.networks.latent_dim, source, trunc)
    return to_sphere(z) if config.on_sphere() else z


def evaluation_step(config: Config, steps: int) -> LatentMethod | None:
    """The run's latent step with that many steps; None for 0.

    Raises:
        InputError: if the run has none.
    """
    if steps == 0:
        return None
    step = config.latent_step()
    if step is None:
        raise InputError(
            "`latent_steps` needs a run that was trained with `latent` gd, ngd or cs: this one has no step size"
        )
    try:
        return replace(step, steps=steps).for_batch(config.game.batch)
    except InputError as error:
        raise error.renamed({"steps": "latent_steps"}) from None


@torch.no_grad()
def generate(
    generator: nn.Module,
    discriminator: nn.Module,
    z: Tensor,
    labels: Tensor | None,
    step: LatentMethod | None,
    *,
    batch: int,
    seed: int,
    device: torch.device,
    guidance: Guidance | None = None,
) -> Iterator[Tensor]:
    """Images float32 in [−1, 1], a batch at a time, on ``device``, for latents (n, d), moved by ``step`` or guided before.

    Both networks must be in evaluation mode; nothing of them changes, and neither does torch's global generator.
    """
    for start in range(0, len(z), batch):
        part = z[start : start + batch].to(device)
        given = () if labels is None else (labels[start : start + batch].to(device),)
        with same_random_numbers_next(device):
            torch.manual_seed(seed)  # a random subset of dimensions is the same one for every batch
            if step is not None:
                part = move(generator, discriminator, part, given[0] if given else None, Rules(latent=step)).z
            if guidance is not None:
                part = guidance(generator, discriminator, part, *(given or (None,)), seed=seed, first=start)
            images = generator(part, *given).float()
        yield images


def load(run: str | Path, device: str = "auto", snapshot: str | int = choice.AUTO) -> Model:
    """Load a snapshot for sampling. Nothing in the file is executed.

    Args:
        run: a run folder, a ``network-snapshot-….safetensors``, the folder of a ``logan export``, or one on the Hugging Face Hub,
            ``hub:user/name`` or ``hub:user/name@revision`` (extra: hub). An export is compared with its manifest first.
        device: ``auto``, ``cpu``, ``cuda`` …
        snapshot: of a run folder: ``auto`` (the best by the scores of training, if it measured any, else the latest), ``best``,
            ``latest``, or the thousands of images at which it was taken. What was loaded says ``Model.info.images``.

    Raises:
        InputError: if there is no snapshot, or it is damaged, or an export is not what its manifest says.

    Example:
        >>> import tempfile
        >>> import logan
        >>> config = logan.presets.get("ring")
        >>> short = replace(config, run=replace(config.run, kimg=1), scores=replace(config.scores, metrics=()))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model = logan.load(logan.train(short, outdir=folder, quiet=True), device="cpu")
        >>> model.sample(3, seed=0).shape  # points in the plane
        torch.Size([3, 2, 1, 1])
    """
    info, generator, discriminator = load_networks(choice.choose(run, snapshot).path)
    return Model(info, generator, discriminator, choose_device(device))
