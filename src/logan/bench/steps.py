"""Time the game step with and without the latent step, by every engine, interleaved in one process."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch

from logan import prior
from logan.bench.counting import bytes_of, count, kernels_launched, peak_memory
from logan.bench.peak import peak_flops, seconds_of
from logan.config import Config, LatentConfig
from logan.config.presets_large import LARGE
from logan.data import Mixture
from logan.errors import InputError
from logan.fast.engine import Engine
from logan.fast.gears import INSIDE
from logan.game import Game
from logan.side_effects.places import Replaced
from logan.training import setup

K = TypeVar("K")

SHAPES = {
    "fashion": (1, 28, 10),
    "cifar10": (3, 32, 10),
    "dcgan64": (3, 64, 10),
    "images64": (3, 64, 10),
    "emoji128": (3, 128, 11),
} | {name: (3, 128, 1000) for name in LARGE if name.startswith("imagenet128")}
"""Channels, size and classes of the images of presets whose data do not come with the package."""


@dataclass(frozen=True)
class StandIn:
    """The shape of a data set; random images of it take as long as real ones."""

    name: str
    channels: int
    image_size: int
    num_classes: int = 0


@dataclass(frozen=True)
class Variant:
    """One thing to be timed."""

    latent: str
    engine: str
    precision: str

    def of(self, config: Config) -> Config:
        """The settings of a game, changed to these."""
        return replace(
            config,
            latent=config.latent if self.latent == config.latent.latent else LatentConfig(latent=self.latent),  # type: ignore[arg-type]
            run=replace(config.run, engine=self.engine),  # type: ignore[arg-type]
            game=replace(config.game, precision=self.precision),  # type: ignore[arg-type]
        )


@dataclass
class Cost:
    """What one step of a variant costs.

    Attributes:
        ms, ms_10, ms_90: median milliseconds, and the limits between which eight tenths of the measurements lie.
        steps_per_second: 1000 / ms.
        gflop: operations of matrix products and convolutions, in thousands of millions, counted as they were called.
        share_of_peak: gflop / ms against the machine's measured best in that precision.
        kernels: kernels called (CPU: torch operations that are not views; CUDA: kernels launched).
        peak_mib: the most memory allocated at any moment of a step, beyond weights, buffers and optimisers; of a captured step
            that of the recording, since a graph has its memory from its capture on.
        resident_mib: weights, buffers and optimisers.
        over_baseline: ms over that of the same engine's step without the latent step.
        over_best_baseline: ms over that of the fastest engine's step without it, in the same precision.
        times_plain: how many times the steps per second of the plain engine.
    """

    latent: str
    engine: str
    precision: str
    ms: float
    ms_10: float
    ms_90: float
    steps_per_second: float
    gflop: float
    share_of_peak: float
    kernels: int
    peak_mib: float
    resident_mib: float
    over_baseline: float | None = None
    over_best_baseline: float | None = None
    times_plain: float | None = None


def stand_in(config: Config) -> StandIn:
    """The shape of the config's data, without looking for them unless they come with the package.

    Raises:
        InputError: if the shape is known neither from the preset nor from the settings.
    """
    d = config.data
    if d.data in ("digits", "ring", "grid"):
        data = setup.training_data(config)
        classes = 0 if isinstance(data, Mixture) else data.num_classes
        return StandIn(data.name, data.channels, data.image_size, classes)
    unknown = (d.channels, None if d.image_size is None else d.image_size - 2 * d.pad, 10)
    channels, size, classes = SHAPES.get(config.preset, unknown)
    if channels is None or size is None:
        raise InputError(f"the shape of {d.data} is not known beforehand; pass `image_size` and `channels`")
    return StandIn(
        "random images", d.channels or channels, d.image_size or size + 2 * d.pad, classes if d.conditional else 0
    )


def measure(
    config: Config,
    variants: Sequence[Variant],
    seconds: float,
    progress: Callable[[float], None] = lambda fraction: None,
) -> dict[str, Any]:
    """Costs of all variants, measured :func:`in_rounds`.

    Args:
        config: the settings that the variants change.
        variants: what to time.
        seconds: how long to measure, warming up and counting not included.
        progress: called with the fraction that is done.

    Returns:
        ``{"machine": …, "costs": [Cost as dict, …]}``, for JSON.
    """
    played = {v: Played(config, v) for v in variants}
    device = next(iter(played.values())).device
    peaks = {p: peak_flops(device, getattr(torch, p)) for p in {v.precision for v in variants}}
    once = sum(p.seconds * p.block for p in played.values())
    rounds = max(5, round(seconds / once))
    times = in_rounds(played, rounds, progress)
    costs = {v: p.count(times[v], peaks[v.precision]) for v, p in played.items()}
    _compare(costs)
    machine = describe_machine(device) | {f"peak_gflops_{p}": round(x / 1e9, 1) for p, x in peaks.items()}
    return {"machine": machine, "rounds": rounds, "costs": [vars(c) for c in costs.values()]}


def in_rounds(
    played: Mapping[K, Played], rounds: int, progress: Callable[[float], None] = lambda fraction: None
) -> dict[K, list[float]]:
    """Milliseconds of a step, by round. Each plays every game once, in random order, so that a slow moment hits all."""
    times: dict[K, list[float]] = {v: [] for v in played}
    shuffle = random.Random(0)
    for i in range(rounds):
        for v in shuffle.sample(list(played), len(played)):  # what comes after a slow one finds cold caches
            times[v].append(played[v].time() * 1000)
        progress((i + 1) / rounds)
    return times


def _compare(costs: dict[Variant, Cost]) -> None:
    for v, cost in costs.items():
        baselines = [c for w, c in costs.items() if w.latent == "none" and w.precision == v.precision]
        for c in baselines:
            if c.engine == v.engine:
                cost.over_baseline = cost.ms / c.ms
        if baselines:
            cost.over_best_baseline = cost.ms / min(c.ms for c in baselines)
        plain = costs.get(replace(v, engine="plain"))
        if plain is not None:
            cost.times_plain = plain.ms / cost.ms


class Played:
    """A game ready to be played on one fixed batch.

    Args:
        config: the settings that the variant changes.
        variant: what is to be timed.
        proved: let the engine prove itself first, as it does in training: in a narrow type it records twice for that.
    """

    def __init__(self, config: Config, variant: Variant, proved: bool = True) -> None:
        config, data = variant.of(config), stand_in(config)
        parts = setup.build(config, data)  # type: ignore[arg-type]
        self.variant, self.device, self.game = variant, parts.device, parts.game
        n = config.game.batch
        source = torch.Generator().manual_seed(0)
        real = torch.rand(n, data.channels, data.image_size, data.image_size, generator=source) * 2 - 1
        self.real = real.to(self.device).contiguous(memory_format=setup.memory_format(config))
        self.z = prior.draw(config.networks.prior, n, config.networks.latent_dim, source).to(self.device)
        classes = data.num_classes if config.data.conditional else 0
        self.labels = torch.randint(classes, (n,), generator=source).to(self.device) if classes else None
        if not proved and self.game.engine != "plain":
            players = self.game.generator, self.game.discriminator
            self.game._engine = Engine(*players, self.game.engine, self.game.announce, self.game.world)
            self.game._engine.checking = False
        for _ in range(3):
            self.step()
        if self.game._engine is not None:
            self.game._engine.checking = False  # a step that is checked is played twice
        self.seconds = min(self.time() for _ in range(2))
        self.block = max(1, math.ceil(0.02 / self.seconds))

    def step(self) -> None:
        self.game.step(lambda: (self.real, self.labels), lambda n: self.z[:n])

    block = 1

    def time(self) -> float:
        """Seconds per step, over a block of steps."""
        return seconds_of(self.step, self.device, self.block)

    def count(self, times: Sequence[float] = (math.nan,), peak: float = math.nan) -> Cost:
        """What a step takes, beside the milliseconds that were measured and the machine's operations per second."""
        hidden, tenth = self.variant.engine not in ("plain", "recorded"), len(times) // 10
        shown = as_recorded(self.game, self.step) if hidden else self.step
        counted = count(shown)
        kernels = kernels_launched(self.step) if self.device.type == "cuda" else sum(counted.calls.values())
        ms = statistics.median(times)
        return Cost(
            **vars(self.variant),
            ms=ms,
            ms_10=sorted(times)[tenth],
            ms_90=sorted(times)[-1 - tenth],
            steps_per_second=1000 / ms,
            gflop=counted.flop / 1e9,
            share_of_peak=counted.flop / 1e9 * 1e12 / ms / peak,
            kernels=kernels,
            peak_mib=peak_memory(shown if self.variant.engine in INSIDE else self.step, self.device) / 2**20,
            resident_mib=_resident_bytes(self.game) / 2**20,
        )


def as_recorded(game: Game, step: Callable[[], None]) -> Callable[[], None]:
    """The step from its recordings as they are: what is compiled or captured cannot be counted from outside."""

    def recorded() -> None:
        with Replaced() as replaced:
            for recording in game._engine.recordings if game._engine is not None else ():
                if recording is not None:
                    replaced.put((recording.__dict__, "run"), recording.module)
            step()

    return recorded


def _resident_bytes(game: Game) -> int:
    tensors = [t for n in (game.generator, game.discriminator) for t in (*n.parameters(), *n.buffers())]
    for optimiser in (game.g_optimiser, game.d_optimiser):
        tensors += [t for state in optimiser.state.values() for t in state.values() if isinstance(t, torch.Tensor)]
    return bytes_of(tensors)


def describe_machine(device: torch.device) -> dict[str, Any]:
    """What a timing depends on."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu_name(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "amx": bool(torch.cpu._is_amx_tile_supported()) if hasattr(torch.cpu, "_is_amx_tile_supported") else None,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        import platform

        return platform.processor() or platform.machine()
