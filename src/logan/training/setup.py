"""From a config to the parts of a run: device, data, networks, game."""

from __future__ import annotations

import random
import weakref
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from logan import networks, prior
from logan.config import Config
from logan.cs_gan import give_step_size
from logan.data import Dataset, Mixture
from logan.data.open import open_configured
from logan.data.stream import supply
from logan.data.supply import Supply
from logan.devices import choose_device
from logan.distributed import World
from logan.errors import InputError
from logan.fast import EngineName, cuda_graph
from logan.fast.gears import INSIDE
from logan.game import Game
from logan.networks.checkpointing import recompute_activations

G = TypeVar("G", bound=Game)


def choose_engine(name: EngineName | Literal["auto"], device: torch.device, ranks: int = 1) -> EngineName:
    """``auto``: compiled and captured where the device has graphs and one rank trains, else recorded.

    Raises:
        InputError: for a CUDA graph without CUDA.
    """
    graphs = cuda_graph.can_capture(device)
    if name in INSIDE and not graphs:
        raise InputError(f"`engine` {name} needs a CUDA device, and there is none; leave it out")
    if name != "auto":
        return name
    return "compiled-graph" if graphs and ranks == 1 else "recorded"


def memory_format(config: Config) -> torch.memory_format:
    """The order of the numbers in four-dimensional tensors."""
    return torch.contiguous_format if config.run.memory_format == "contiguous" else torch.channels_last


def adam(network: nn.Module, lr: float, betas: tuple[float, float]) -> torch.optim.Adam:
    """Adam over a network's parameters: in one kernel where torch has one."""
    fused = all(p.device.type in ("cpu", "cuda") for p in network.parameters())
    return torch.optim.Adam(network.parameters(), lr=lr, betas=betas, fused=fused)


def seed_everything(seed: int) -> None:
    """Seed torch, numpy and python: initial weights, random subsets, and whatever a network of your own draws."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


def architecture(config: Config, data: Dataset | Mixture) -> dict[str, Any]:
    """The arguments of :func:`logan.networks.create` for this config and data; also stored in snapshots."""
    n = config.networks
    if config.data.conditional and data.num_classes == 0:
        raise InputError(
            f"`conditional` needs class labels, and {data.name} has none; use class folders or dataset.json"
        )
    return {
        "name": n.network,
        "image_size": data.image_size,
        "image_channels": data.channels,
        "latent_dim": n.latent_dim,
        "num_classes": data.num_classes if config.data.conditional else 0,
        "width": n.width,
        "depth": n.depth,
        "activation": n.activation,
        "spectral_norm": n.spectral_norm,
    }


def training_data(config: Config, progress: Any = None) -> Dataset | Mixture:
    """The data that the config names, checked against the batch size.

    Raises:
        InputError: if there are none, they cannot be read, do not fit the settings, or are fewer than a batch.
    """
    try:
        data = open_configured(config.data, progress=progress)
    except InputError as error:
        if error.field == "image_size" and config.networks.network == "mlp":  # photographs, as they come
            raise InputError(f"{error}; or take `preset` images64, which is for photographs", error.field) from None
        raise
    if not isinstance(data, Mixture) and config.game.batch > len(data):
        raise InputError(
            f"`batch` {config.game.batch} is larger than the data set: {data.name} has {len(data)} images; pass a smaller `batch`"
        )
    return data


@dataclass
class Parts:
    """What the loop works with."""

    config: Config
    device: torch.device
    data: Dataset | Mixture
    generator: nn.Module
    discriminator: nn.Module
    game: Game
    random: torch.Generator
    """Draws the latents of training."""
    world: World = field(default_factory=World)
    _supplies: weakref.WeakSet[Supply] = field(default_factory=weakref.WeakSet)

    def latents(self, n: int) -> Tensor:
        """n fresh latents, (n, d): this rank's slice of those that all ranks draw alike.

        So a run's random state is one, however many ranks there are, and may go on with another number of them.
        """
        drawn = prior.draw(
            self.config.networks.prior, n * self.world.size, self.config.networks.latent_dim, self.random
        )
        return drawn[self.world.own_slice(len(drawn))]

    def reals(self, start: int) -> Generator[tuple[Tensor, Tensor | None], None, None]:
        """Real batches from the ``start``-th image on, without labels unless the networks want them; to be closed."""
        supplied = self.supply(start)
        try:
            while True:
                decided = [x[0].to(self.device, non_blocking=True) for x in supplied.decide(1)]
                yield self.real_batch(supplied, decided)
        finally:
            supplied.end()

    def supply(self, start: int) -> Supply:
        """The same in two halves, of which the second is :meth:`real_batch`."""
        c = self.config
        own = self.world.own_slice(c.game.batch)
        made = supply(self.data, c.game.batch, c.run.seed, start, self.device, c.data.mirror, c.data.workers, own)
        self._supplies.add(made)
        return made

    def end(self) -> None:
        """Let go of the processes that decode images."""
        for made in list(self._supplies):
            made.end()

    def real_batch(self, supplied: Supply, decided: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
        """The batch that ``decided``, one batch's of ``supplied.decide``, stands for."""
        images, labels = supplied.batch(decided)
        images = images.contiguous(memory_format=memory_format(self.config))
        return images, labels if self.config.data.conditional else None


def build(config: Config, data: Dataset | Mixture, world: World | None = None) -> Parts:
    """Seed everything and build the networks, the optimisers and the game, the same on every rank of ``world``."""
    world = World() if world is None else world
    device = choose_device(world.device or config.run.device)
    seed_everything(config.run.seed)
    generator, discriminator = networks.create(**architecture(config, data))
    if config.latent.latent == "cs":
        give_step_size(generator)
    for network in (generator, discriminator):
        network.to(device).to(memory_format=memory_format(config)).train()  # type: ignore[call-overload]
    recompute_activations((generator, discriminator), config.run.checkpointing)
    g = config.game
    adams = adam(generator, g.g_lr, g.adam_betas), adam(discriminator, g.d_lr, g.adam_betas)
    engine = "plain" if config.run.checkpointing else choose_engine(config.run.engine, device, world.size)
    game: Game = game_of(config, generator, discriminator, *adams, world, engine)
    world.broadcast_tensors(
        [*generator.parameters(), *generator.buffers(), *discriminator.parameters(), *discriminator.buffers()]
    )
    source = torch.Generator(device).manual_seed(config.run.seed)
    return Parts(config, device, data, generator, discriminator, game, source, world)


def game_of(
    config: Config,
    generator: nn.Module,
    discriminator: nn.Module,
    g_optimiser: torch.optim.Optimizer,
    d_optimiser: torch.optim.Optimizer,
    world: World,
    engine: EngineName,
    kind: type[G] = Game,  # type: ignore[assignment]
) -> G:
    """The game that the config describes, as a :class:`~logan.game.Game` or a class of its kind."""
    g, rules = config.game, config.rules()
    return kind(
        generator,
        discriminator,
        g_optimiser,
        d_optimiser,
        loss=rules.loss,
        latent=rules.latent,
        update=g.update,
        d_steps=g.d_steps,
        dynamics=config.game_dynamics(),
        autocast=rules.autocast,
        engine=engine,
        latent_every=config.latent.latent_every,
        latent_share=rules.share,
        micro_batch=config.micro_batch(world.size),
        world=world,
    )


def without_gradients(config: Config, ranks: int) -> int:
    """Images per pass for pictures and batch-norm statistics, which keep nothing for a backward pass.

    What a training step has in memory at a time, and not fewer than 64 of the batch: statistics of few images are noisy, and
    64 images of a forward pass take less than 32 of a training step.
    """
    g = config.game
    return min(g.batch, max(g.batch_gpu or g.batch // ranks, 64))
