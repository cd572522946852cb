"""What a run will cost on devices that are not here: a step played on tensors that have shapes and no numbers.

The step is the one that training plays, recorded as there, so its operations and its memory are counted, not estimated; only
the speed is a claim: a share of the device's published peak.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from logan import losses, networks, turns
from logan.accumulation import over_ranks
from logan.bench.counting import Operations
from logan.bench.live_memory import LiveMemory
from logan.bench.steps import StandIn, stand_in
from logan.config import Config
from logan.distributed import World, across
from logan.errors import InputError, did_you_mean
from logan.fast.engine import Engine
from logan.training.setup import architecture


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


@dataclass(frozen=True)
class Part:
    """One kind of turn and how often a step has it."""

    turn: Callable[..., turns.Turn]
    times: int
    takes_real: bool


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
        share: images of the batch that are a device's.
    """

    config: Config
    parameters: tuple[int, int]
    resident: dict[str, int]
    costs: dict[str, StepCost]
    share: int

    def bytes(self, batch: int, method: str) -> int:
        """The most at any moment of a step with ``batch`` images of the device's share in memory at a time."""
        return self.costs[method].bytes(batch, in_parts=batch < self.share)

    def largest_batch(self, gib: float, method: str, spare: float = 0.1) -> int:
        """Images that fit into a device's memory at a time, with a share of it left to kernels and fragments; 0 for none."""
        room = gib * 2**30 * (1 - spare) - sum(self.resident.values())
        cost = self.costs[method]
        whole = _most(lambda batch: cost.bytes(batch) <= room)
        return whole if whole >= self.share else _most(lambda batch: cost.bytes(batch, in_parts=True) <= room)

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
    data = stand_in(config)
    with FakeTensorMode(allow_non_fake_inputs=True):
        say("building the networks")
        with _uninitialised():
            generator, discriminator = networks.create(**architecture(config, data))  # type: ignore[arg-type]
        players = (generator, discriminator)
        for network in players:
            _channels_last(network)
            if config.run.checkpointing:
                network.checkpointing = True  # type: ignore[assignment]
        batch = _prime_beside(players, config, data)
        costs: dict[str, StepCost] = {}
        for method in dict.fromkeys(("none", config.latent.latent)):
            say(f"counting a step: {method}")
            costs[method] = _cost(config, method, players, data, batch, AbsentRanks(size=gpus))
    if config.latent.latent != "none" and config.latent.latent_every > 1:
        own = config.latent.latent
        costs[own] = costs[own].every(config.latent.latent_every, costs["none"])
    n = [networks.count_parameters(p) for p in players]
    return Plan(config, (n[0], n[1]), _resident(*players), costs, config.game.batch // gpus)


def _cost(
    config: Config, method: str, players: tuple[nn.Module, nn.Module], data: StandIn, batch: int, world: World
) -> StepCost:
    step = None if method == "none" else config.latent_step()
    rules = {
        "loss": losses.get(config.game.loss),
        "latent": step,
        "autocast": None if config.game.precision == "float32" else torch.bfloat16,
        "share": config.latent.latent_share,
    }
    real, z, labels = _inputs(config, data, batch)
    plays = [
        (
            part.times,
            _player(config, players, part.turn, (real, z, labels) if part.takes_real else (z, labels), rules, world),
        )
        for part in _parts(config)
    ]
    flop, singly = 0, []
    with LiveMemory(batch) as memory:
        kept: dict[int, turns.Turn] = {}
        for i, (times, play) in enumerate(plays):
            for _ in range(min(times, 2)):
                before = sum(map(_bytes_of_gradients, kept.values()))
                with Operations() as operations, LiveMemory(batch) as alone:
                    turn = play()
                singly.append((alone, before + _bytes_of_gradients(turn)))
                # one turn's gradients are there until the next one's, and D's while G plays
                kept[i] = turn = over_ranks(turn, world)
            flop += times * operations.flop
    return StepCost(flop / batch / config.game.d_steps, [memory], singly)


def _bytes_of_gradients(turn: turns.Turn) -> int:
    return sum(g.numel() * g.element_size() for g in (*turn.d_gradients, *turn.g_gradients) if g is not None)


def _player(
    config: Config,
    players: tuple[nn.Module, nn.Module],
    turn: Callable[..., turns.Turn],
    inputs: tuple[Tensor | None, ...],
    rules: dict[str, Any],
    world: World,
) -> Callable[[], turns.Turn]:
    """As :class:`logan.game.Game` plays a turn."""

    def plainly() -> turns.Turn:
        with across(world):
            return turn(*players, *inputs, **rules)

    if config.run.checkpointing or config.run.engine == "plain":
        return plainly
    refused: list[str] = []
    engine = Engine(*players, "recorded", refused.append, world)
    engine.prepare(turn, inputs, rules)
    return lambda: engine.play(turn, inputs, rules)


def _parts(config: Config) -> list[Part]:
    if config.game.update == "simultaneous":
        return [Part(turns.simultaneous, 1, True)]
    return [Part(turns.discriminator_turn, config.game.d_steps, True), Part(turns.generator_turn, 1, False)]


def _inputs(config: Config, data: StandIn, batch: int) -> tuple[Tensor, Tensor, Tensor | None]:
    real = torch.empty(batch, data.channels, data.image_size, data.image_size)
    labels = torch.zeros(batch, dtype=torch.int64) if config.data.conditional else None
    return _last(real), torch.empty(batch, config.networks.latent_dim), labels


def _prime_beside(players: tuple[nn.Module, nn.Module], config: Config, data: StandIn) -> int:
    """A batch size that divides no dimension of a weight: what it divides has the batch among its dimensions."""
    sizes = {n for p in players for t in (*p.parameters(), *p.buffers()) for n in t.shape}
    sizes |= {config.networks.latent_dim, data.image_size, data.num_classes}
    candidate = 5
    while any(n % candidate == 0 for n in sizes if n) or any(
        candidate % k == 0 for k in range(2, math.isqrt(candidate) + 1)
    ):
        candidate += 2
    return candidate


@contextmanager
def _uninitialised() -> Iterator[None]:
    """Draw no weights for networks built inside: a truncated normal looks at its numbers, of which there are none here."""
    with ExitStack() as stack:
        for name in dir(nn.init):
            if name.endswith("_") and not name.startswith("_"):
                stack.enter_context(mock.patch.object(nn.init, name, lambda tensor, *_args, **_kwargs: tensor))
        yield


def _channels_last(network: nn.Module) -> None:
    """As training does; torch's own conversion cannot swap tensors without numbers."""
    for module in network.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None and parameter.ndim == 4:
                module._parameters[name] = nn.Parameter(_last(parameter.detach()))


def _last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


def _resident(generator: nn.Module, discriminator: nn.Module) -> dict[str, int]:
    def size(network: nn.Module, buffers: bool = True) -> int:
        tensors = [*network.parameters(), *(network.buffers() if buffers else ())]
        return sum(t.numel() * t.element_size() for t in tensors)

    return {
        "weights and buffers": size(generator) + size(discriminator),
        "Adam's two moments": 2 * (size(generator, False) + size(discriminator, False)),
        "moving average of G": size(generator),
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
