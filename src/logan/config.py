"""The settings of a run: frozen dataclasses, whose attribute docstrings are the command line's help.

Presets (:mod:`logan.presets`) are functions that return a :class:`Config`; every field is a flag of ``logan train``.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Literal

from logan.errors import InputError, did_you_mean
from logan.latent import LatentStep


@dataclass(frozen=True)
class DataConfig:
    """Where the real images come from."""

    data: str = "digits"
    """digits, ring, grid, or a path: a folder or zip of images, MNIST-style idx files, CIFAR-10's own files."""
    image_size: int | None = None
    """Pixels per side that the networks work at; None takes the data's own."""
    channels: Literal[1, 3] | None = None
    """1 for grey, 3 for colour; None takes the data's own."""
    pad: int = 0
    """Black pixels added on every side (2 makes 28x28 into 32x32)."""
    mirror: bool = False
    """Flip each real image left to right with probability one half."""
    conditional: bool = False
    """Give the class labels to G and D."""
    skip_broken: bool = False
    """Leave out images that cannot be read instead of stopping."""
    workers: int = 2
    """Processes that decode images, for sets too large to be held in memory."""


@dataclass(frozen=True)
class NetworkConfig:
    """The two networks."""

    network: str = "dcgan"
    """mlp, dcgan or sndcgan."""
    latent_dim: int = 128
    """Dimensions of z."""
    prior: Literal["uniform", "normal"] = "uniform"
    """z from U(-1, 1), the paper's choice (section 5.1), or from N(0, 1)."""
    width: int | None = None
    """Channels (or units) of the narrowest layer; None takes the published width."""
    depth: int | None = None
    """Hidden layers, for mlp; None takes the published depth."""
    activation: Literal["relu", "leaky-relu", "leaky-relu-0.1"] | None = None
    """One non-linearity for all layers of both networks; None takes the published ones."""
    spectral_norm: bool | None = None
    """Spectral normalisation of D; None takes the published choice."""


@dataclass(frozen=True)
class LatentConfig:
    """The latent step (Algorithm 1 of the paper)."""

    latent: Literal["none", "gd", "ngd"] = "ngd"
    """none: the ordinary GAN; gd: gradient descent (eq. 4); ngd: natural gradient descent (eq. 12)."""
    alpha: float = 0.9
    """Step size of the latent step."""
    beta: float = 0.1
    """Damping of natural gradient descent; it should be of the order of the squared norm of z's gradient."""
    portion: float = 0.7
    """Share of z's dimensions that are optimised."""
    penalty: float = 3.0
    """Weight of the penalty on the squared length of the move."""
    penalty_in: Literal["generator", "both"] = "generator"
    """Whose loss the penalty enters."""
    subset: Literal["leading", "random"] = "leading"
    """Which dimensions are optimised: the first ones, or others at every step."""
    bounds: Literal["auto", "clip", "none", "sphere"] = "auto"
    """clip to [-1, 1], none, or project to the unit sphere; auto: clip for a uniform prior, none for a normal one."""
    latent_steps: int = 1
    """Gradient steps per latent step."""
    stop_gradient: Literal["none", "generator", "discriminator", "both"] = "none"
    """The player whose second-order term is removed: the ablations of Figure 5b."""


@dataclass(frozen=True)
class GameConfig:
    """Losses, optimisers and the order of updates."""

    loss: Literal["hinge", "wasserstein", "non-saturating", "minimax"] = "hinge"
    """The adversarial loss."""
    update: Literal["simultaneous", "alternating"] = "simultaneous"
    """Both players from one z (Algorithm 1), or D and G in turns with draws of their own."""
    d_steps: int = 1
    """Updates of D per update of G, when alternating."""
    g_lr: float = 2e-4
    """Adam's learning rate for G."""
    d_lr: float = 2e-4
    """Adam's learning rate for D."""
    adam_betas: tuple[float, float] = (0.5, 0.999)
    """Adam's decay rates."""
    batch: int = 64
    """Images per step."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Type that the networks compute in; the latent step and the optimisers stay in float32."""
    ema_kimg: float = 10.0
    """Half-life of the moving average of G, in thousands of images; 0 takes G as it is."""


@dataclass(frozen=True)
class RunConfig:
    """Length, logs and snapshots."""

    kimg: int = 1000
    """Length of the training in thousands of real images."""
    tick: int = 4
    """Thousands of images between two lines of the log."""
    snap: int = 10
    """Ticks between two snapshots."""
    seed: int = 0
    """Seed of everything random."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps ..."""
    threads: int = 0
    """CPU threads; 0 leaves it to torch. Small networks run as fast on one, and far better beside other programs."""


@dataclass(frozen=True)
class Config:
    """Everything that determines a run."""

    preset: str = "digits"
    data: DataConfig = field(default_factory=DataConfig)
    networks: NetworkConfig = field(default_factory=NetworkConfig)
    latent: LatentConfig = field(default_factory=LatentConfig)
    game: GameConfig = field(default_factory=GameConfig)
    run: RunConfig = field(default_factory=RunConfig)

    def latent_step(self) -> LatentStep | None:
        """The latent step that these settings describe; None for the ordinary GAN.

        Raises:
            InputError: for values that it cannot have.
        """
        c = self.latent
        if c.latent == "none":
            return None
        rule = {"uniform": "clip", "normal": "none"}[self.networks.prior] if c.bounds == "auto" else c.bounds
        bounds: dict[str, Any] = {"clip": (-1.0, 1.0), "none": None, "sphere": "sphere"}
        try:
            return LatentStep(
                method=c.latent,
                alpha=c.alpha,
                beta=c.beta,
                portion=c.portion,
                penalty=c.penalty,
                bounds=bounds[rule],
                subset=c.subset,
                steps=c.latent_steps,
                stop_gradient=c.stop_gradient,
                penalty_in=c.penalty_in,
            )
        except ValueError as error:
            raise InputError(f"--{_flag(str(error))}") from None

    def check(self) -> list[str]:
        """Refuse impossible settings; return a warning for each that has no effect.

        Raises:
            InputError: naming the flag and what it may be.
        """
        _check_ranges(self)
        self.latent_step()
        if self.latent.latent != "none" and self.latent.portion * self.networks.latent_dim < 0.5:
            raise InputError(
                f"--portion {self.latent.portion} of --latent-dim {self.networks.latent_dim} leaves no dimension to optimise"
            )
        if self.networks.prior == "normal" and self.latent.bounds == "clip":
            raise InputError(
                "--bounds clip needs --prior uniform: clipping a normal z to [-1, 1] would change its prior"
            )
        return _idle_settings(self)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Config:
        """The inverse of :meth:`to_dict`.

        Raises:
            InputError: for a field that this version does not know.
        """
        groups = {f.name: f for f in dataclasses.fields(cls)}
        given: dict[str, Any] = {}
        for name, value in values.items():
            if name not in groups:
                raise InputError(f"unknown settings {name!r}: written by another version of logan?")
            group = groups[name].default_factory
            given[name] = value if group is dataclasses.MISSING else _group_from_dict(group, name, value)
        return cls(**given)


def _group_from_dict(group: Any, name: str, values: dict[str, Any]) -> Any:
    known = {f.name for f in dataclasses.fields(group)}
    for key in values:
        if key not in known:
            raise InputError(
                f"unknown setting {name}.{key}{did_you_mean(key, sorted(known))}: another version of logan?"
            )
    return group(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def _flag(message: str) -> str:
    """'latent_steps must …' to 'latent-steps must …': the first word of a LatentStep message is its field."""
    word, _, rest = message.partition(" ")
    return f"{ {'steps': 'latent-steps', 'method': 'latent'}.get(word, word).replace('_', '-') } {rest}"


def _check_ranges(config: Config) -> None:
    d, n, g, r = config.data, config.networks, config.game, config.run
    at_least: list[tuple[str, float | None, float]] = [
        ("image-size", d.image_size, 1),
        ("pad", d.pad, 0),
        ("workers", d.workers, 0),
        ("latent-dim", n.latent_dim, 1),
        ("width", n.width, 1),
        ("depth", n.depth, 1),
        ("d-steps", g.d_steps, 1),
        ("g-lr", g.g_lr, 0),
        ("d-lr", g.d_lr, 0),
        ("batch", g.batch, 1),
        ("ema-kimg", g.ema_kimg, 0),
        ("kimg", r.kimg, 1),
        ("tick", r.tick, 1),
        ("snap", r.snap, 1),
        ("seed", r.seed, 0),
        ("threads", r.threads, 0),
    ]
    for flag, value, low in at_least:
        if value is not None and not (value >= low and math.isfinite(value)):
            raise InputError(f"--{flag} must be >= {low}, not {value}")
    if not all(0 <= b < 1 for b in g.adam_betas):
        raise InputError(f"--adam-betas must both be in [0, 1), not {g.adam_betas[0]} {g.adam_betas[1]}")
    if g.update == "simultaneous" and g.d_steps != 1:
        raise InputError(f"--d-steps {g.d_steps} needs --update alternating: simultaneous updates are one to one")


def _idle_settings(config: Config) -> list[str]:
    """Settings that were changed but do nothing in this combination."""
    latent, default, idle = config.latent, LatentConfig(), []
    if latent.latent == "none":
        changed = [
            f.name
            for f in dataclasses.fields(latent)
            if f.name != "latent" and getattr(latent, f.name) != getattr(default, f.name)
        ]
        if changed:
            flags = ", ".join("--" + name.replace("_", "-") for name in changed)
            idle.append(f"{flags} has no effect with --latent none")
    if latent.penalty == 0 and latent.penalty_in != default.penalty_in:
        idle.append("--penalty-in has no effect with --penalty 0")
    return idle
