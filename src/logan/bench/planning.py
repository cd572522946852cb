"""What a run will cost on devices that are not here: a step played on tensors that have shapes and no numbers.

The step is the one that training plays, recorded as there, so its operations and its memory are counted, not estimated; only
the speed is a claim: a share of the device's published peak.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from logan import networks
from logan.bench.counting import Operations, bytes_of
from logan.bench.live_memory import LiveMemory
from logan.bench.steps import StandIn, stand_in
from logan.config import Config
from logan.distributed import World
from logan.errors import InputError, did_you_mean
from logan.fast import EngineName
from logan.game import Game, Rules, Turn
from logan.networks.checkpointing import recompute_activations
from logan.training.setup import architecture, game_of


@dataclass(frozen=True)
class Device:
    """Published figures of one accelerator: dense, without sparsity.

    Attributes:
        float32, bfloat16: 10¹² floating-point operations per second in matrix products; float32 is TF32 where there is one,
            torch's default for convolutions.
        gib: memory.
    """

    float32: float
    bfloat16: float
    gib: float


DEVICES = {
    "v100": Device(15.7, 125, 32),
    "a100": Device(156, 312, 80),
    "h100": Device(494, 989, 80),
    "h200": Device(494, 989, 141),
    "b200": Device(1100, 2250, 180),
    "l40s": Device(183, 362, 48),
    "rtx3090": Device(35.6, 71, 24),
    "rtx4090": Device(82.6, 165, 24),
}
"""From the makers' data sheets. V100 has no bfloat16; the figure is its float16."""


@dataclass
class StepCost:
    """What one step of a method costs.

    Attributes:
        flop_per_image: floating-point operations of matrix products and convolutions, per real image of the batch.
        memory: bytes beyond weights, optimisers and averages, for any batch; one for every kind of step the method has.
        turns: those of single turns, each with the bytes of gradients that are there meanwhile if the batch is in parts: the sum
            over earlier parts, and the other player's.
    """

    flop_per_image: float
    memory: list[LiveMemory]
    turns: list[tuple[LiveMemory, int]]

    def bytes(self, batch: int, in_parts: bool = False) -> int:
        """The most at any moment of a step on ``batch`` images, or on more of them in parts of that size."""
        most = [memory.most(batch) for memory in self.memory]
        if in_parts:
            most += [memory.most(batch) + beside for memory, beside in self.turns]
        return max(most)

    def every(self, n: int, others: StepCost) -> StepCost:
        """The mean cost of a step where one in ``n`` is such a step and the rest are ``others``; the memory of the dearer."""
        flop = (self.flop_per_image + (n - 1) * others.flop_per_image) / n
        return StepCost(flop, [*self.memory, *others.memory], [*self.turns, *others.turns])


@dataclass
class Plan:
    """All that ``logan plan`` says.

    Attributes:
        parameters: of G and D.
        resident: bytes by part that are there between steps.
        costs: by latent method: ``none``, and the run's own.
        local_batch: images of the batch that are a device's.
    """

    config: Config
    parameters: tuple[int, int]
    resident: dict[str, int]
    costs: dict[str, StepCost]
    local_batch: int

    def bytes(self, batch: int, method: str) -> int:
        """The most at any moment of a step with ``batch`` images of the device's part in memory at a time."""
        return self.costs[method].bytes(batch, in_parts=batch < self.local_batch)

    def largest_batch(self, gib: float, method: str, spare: float = 0.1) -> int:
        """Images that fit into a device's memory at a time, with a share of it left to kernels and fragments; 0 for none."""
        room = gib * 2**30 * (1 - spare) - sum(self.resident.values())
        cost = self.costs[method]
        whole = _most(lambda batch: cost.bytes(batch) <= room)
        return whole if whole >= self.local_batch else _most(lambda batch: cost.bytes(batch, in_parts=True) <= room)

    def images_per_second(self, peak: float, method: str, utilisation: float, devices: int) -> float:
        """Real images per second at a share of ``peak`` operations per second, on that many devices."""
        return devices * utilisation * peak / self.costs[method].flop_per_image


def _most(fits: Callable[[int], bool]) -> int:
    """The largest number up to 2²⁰ for which ``fits``; 0 for none."""
    low, high = 0, 1
    while high < 2**20 and fits(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


class AbsentRanks(World):
    """Ranks of which there is only this one, to play on tensors without numbers: sums over them have a shape and a cost."""

    @property
    def group(self) -> str:
        """A name that is never looked up: only kernels do that, and tensors without numbers call none."""
        return "absent"

    def _sum_in_place(self, flat: Tensor) -> None:
        pass


def make(config: Config, say: Callable[[str], None] = lambda message: None, gpus: int = 1) -> Plan:
    """Play the config's step, and the ordinary GAN's, on tensors without numbers.

    Args:
        config: settings; its data are not looked for.
        say: told what takes long.
        gpus: how many ranks train together. The figures are those of one of them: with several, batch norm is over all, and
            gradients are averaged.

    Raises:
        InputError: for settings that cannot be planned.
    """
    if config.game.dynamics != "plain":
        raise InputError(f"`dynamics` {config.game.dynamics} cannot be planned yet; see benchmarks/dynamics_cost.py")
    if config.latent.latent == "cs":
        raise InputError("`latent` cs cannot be planned; use none, gd or ngd")
    if gpus < 1:
        raise InputError(f"`gpus` must be >= 1, not {gpus}")
    config.check(gpus)
    data = stand_in(config)
    say("building the networks")
    with torch.device("meta"), _no_power_iterations():
        built = networks.create(**architecture(config, data))  # type: ignore[arg-type]
    with FakeTensorMode(allow_non_fake_inputs=True):
        players = (without_numbers(built[0]), without_numbers(built[1]))
        recompute_activations(players, config.run.checkpointing)
        inputs = batch_without_numbers(config, data, _prime_beside(players, config, data))
        costs: dict[str, StepCost] = {}
        methods = [*dict.fromkeys(("none", config.latent.latent))]
        for i, method in enumerate(methods, 1):
            say(
                f"counting what a step of {method} computes and holds ({i} of {len(methods)}; large networks take a minute)"
            )
            played = replace(config, latent=replace(config.latent, latent=method))
            costs[method] = _cost(played, players, inputs, AbsentRanks(size=gpus))
    if config.latent.latent != "none" and config.latent.latent_every > 1:
        own = config.latent.latent
        costs[own] = costs[own].every(config.latent.latent_every, costs["none"])
    parameters = (networks.count_parameters(players[0]), networks.count_parameters(players[1]))
    return Plan(config, parameters, _resident(*players), costs, config.game.batch // gpus)


@contextmanager
def _no_power_iterations() -> Iterator[None]:
    """Spectral norm begins with fifteen in each layer, an eighth of a plan's time; here there is nothing to estimate."""
    kind: Any = torch.nn.utils.parametrizations._SpectralNorm
    before, kind._power_method = kind._power_method, lambda *args: None
    try:
        yield
    finally:
        kind._power_method = before


@dataclass
class CountedGame(Game):
    """A game whose turns are counted one by one; the batch is in one piece.

    Attributes:
        flop: of all turns.
        turns: of each, its memory, and the bytes of gradients that are there meanwhile if the batch is in parts.
    """

    flop: int = 0
    turns: list[tuple[LiveMemory, int]] = field(default_factory=list)
    _gradients: dict[Any, int] = field(default_factory=dict)

    def _evaluate(self, turn: Callable[..., Turn], rules: Rules, *inputs: Tensor | None) -> Turn:
        n = len(next(x for x in inputs if x is not None))
        beside = sum(self._gradients.values())  # one turn's are there until the next one's, and D's while G plays
        with Operations() as operations, LiveMemory(n) as memory:
            played = super()._evaluate(turn, rules, *inputs)
        self._gradients[turn] = bytes_of([*played.d_gradients, *played.g_gradients])
        self.flop += operations.flop
        self.turns.append((memory, beside + self._gradients[turn]))
        return played

    def _check_share(self, n: int) -> None:
        """Of the batch that stands in for the run's any part may be moved."""


class Resting(torch.optim.Optimizer):
    """Stands in for an optimiser, whose own memory is counted apart (:func:`_resident`)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network.parameters(), {})

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Change nothing."""


def _cost(
    config: Config,
    players: tuple[nn.Module, nn.Module],
    batch: tuple[Tensor, Tensor | None, Tensor],
    world: World,
) -> StepCost:
    """A step of the game that training plays, on a batch of real images, labels and latents."""
    real, labels, z = batch
    rest = (Resting(players[0]), Resting(players[1]))
    game = game_of(config, *players, *rest, world, engine=planned_engine(config), kind=CountedGame)
    game.announce, game.micro_batch = lambda message: None, None
    if game.engine != "plain":
        game.step(lambda: (real, labels), lambda n: z)  # makes the recordings
    game.flop, game.steps_played = 0, 0
    game.turns, game._gradients = [], {}
    with LiveMemory(len(real)) as memory:
        game.step(lambda: (real, labels), lambda n: z)
    return StepCost(game.flop / len(real) / config.game.d_steps, [memory], game.turns)


def planned_engine(config: Config) -> EngineName:
    """What is compiled or captured cannot be counted, and computes what is recorded."""
    return "plain" if config.run.checkpointing or config.run.engine == "plain" else "recorded"


def batch_without_numbers(config: Config, data: StandIn, batch: int) -> tuple[Tensor, Tensor | None, Tensor]:
    real = torch.empty(batch, data.channels, data.image_size, data.image_size)
    labels = torch.zeros(batch, dtype=torch.int64) if config.data.conditional else None
    return _last(real), labels, torch.empty(batch, config.networks.latent_dim)


def _prime_beside(players: tuple[nn.Module, nn.Module], config: Config, data: StandIn) -> int:
    """A batch size that divides no dimension of a weight: what it divides has the batch among its dimensions."""
    sizes = {n for p in players for t in (*p.parameters(), *p.buffers()) for n in t.shape}
    sizes |= {config.networks.latent_dim, data.image_size, data.num_classes}
    primes = (n for n in itertools.count(5, 2) if all(n % k for k in range(3, n, 2)))
    return next(p for p in primes if all(n % p for n in sizes if n))


def without_numbers(network: nn.Module) -> nn.Module:
    """The same network with stand-ins for its weights on a CPU, in the order of memory that training gives them."""
    for module in network.modules():
        for name, p in module._parameters.items():
            if p is not None:
                empty = _last(torch.empty(p.shape, dtype=p.dtype))
                module._parameters[name] = nn.Parameter(empty, requires_grad=p.requires_grad)
        for name, b in module._buffers.items():
            module._buffers[name] = None if b is None else torch.empty(b.shape, dtype=b.dtype)
    return network


def _last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


def _resident(generator: nn.Module, discriminator: nn.Module) -> dict[str, int]:
    g, d = bytes_of(generator.parameters()), bytes_of(discriminator.parameters())
    buffers = bytes_of(generator.buffers())
    return {
        "weights and buffers": g + d + buffers + bytes_of(discriminator.buffers()),
        "Adam's two moments": 2 * (g + d),
        "moving average of G": g + buffers,
    }


def find_device(name: str) -> Device:
    """The device of that name.

    Raises:
        InputError: if there is none.
    """
    if name not in DEVICES:
        hint = did_you_mean(name, list(DEVICES))
        raise InputError(
            f"no figures for `device` {name}{hint}; there are {', '.join(DEVICES)}, and `peak_tflops` with `memory_gib`"
        )
    return DEVICES[name]
