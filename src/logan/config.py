"""The settings of a run: frozen dataclasses, whose attribute docstrings are the command line's help.

Presets (:mod:`logan.presets`) are functions that return a :class:`Config`; every field is a flag of ``logan train``.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from logan import losses
from logan.cs_gan import CSStep
from logan.errors import InputError, did_you_mean
from logan.latent import LatentStep

if TYPE_CHECKING:
    from logan.dynamics import Dynamics

MAX_SEED = 2**62
"""Seeds up to here leave room for the seeds that are derived from them."""


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
    """mlp, dcgan, sndcgan, sngan, sagan, biggan or biggan-deep."""
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
    """Spectral normalisation of D, and of G in sagan, biggan and biggan-deep; None takes the published choice."""


@dataclass(frozen=True)
class LatentConfig:
    """The latent step (Algorithm 1 of the paper)."""

    latent: Literal["none", "cs", "gd", "ngd"] = "ngd"
    """none: the ordinary GAN; cs: CS-GAN's learned steps on the sphere; gd: gradient descent (eq. 4); ngd: natural
    gradient descent (eq. 12)."""
    alpha: float = 0.9
    """Step size of the latent step (cs learns its own)."""
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
    latent_every: int = 1
    """Take the latent step in every so many-th game step only; the others are ordinary GAN steps. Not in the paper."""
    latent_share: float = 1.0
    """Move only this share of each batch's latents, and leave the others where they are. Not in the paper."""


@dataclass(frozen=True)
class GameConfig:
    """Losses, optimisers and the order of updates."""

    loss: Literal["hinge", "wasserstein", "non-saturating", "minimax"] = "hinge"
    """The adversarial loss."""
    update: Literal["simultaneous", "alternating"] = "simultaneous"
    """Both players from one z (Algorithm 1), or D and G in turns with draws of their own."""
    d_steps: int = 1
    """Updates of D per update of G, when alternating."""
    dynamics: Literal[
        "plain",
        "sga",
        "sga-aligned",
        "three-player",
        "consensus",
        "unrolled",
        "extragradient",
        "optimistic",
        "gradient-penalty",
    ] = "plain"
    """How both gradients are adjusted, or the steps taken: symplectic gradient adjustment (eq. 5-6; with sign alignment; of
    the three players of eq. 17-18), consensus optimisation, unrolled GANs (eq. 22-25), extragradient, optimistic updates,
    ODE-GAN's gradient penalty."""
    dynamics_strength: float | None = None
    """Lambda of sga and three-player, gamma of consensus, alpha of unrolled, weight of gradient-penalty; None takes the
    method's own."""
    unroll: int = 5
    """Steps of D that G looks ahead, for unrolled."""
    unroll_g: int = 0
    """Steps of G that D looks ahead, for unrolled."""
    g_lr: float = 2e-4
    """Adam's learning rate for G."""
    d_lr: float = 2e-4
    """Adam's learning rate for D."""
    adam_betas: tuple[float, float] = (0.5, 0.999)
    """Adam's decay rates."""
    batch: int = 64
    """Images per step, on all devices together."""
    batch_gpu: int | None = None
    """Images that a device has in memory at a time; the gradients of more are accumulated. None: all of its share."""
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
    """CPU threads; 0 leaves it to torch. A resumed run is bit-identical only with the same number."""
    engine: Literal["auto", "plain", "recorded", "compiled", "cuda-graph"] = "auto"
    """How a step is computed: as it is written (plain), recorded once and played back, the recording compiled by
    torch.compile, or captured in a CUDA graph. Same results up to rounding. auto: recorded."""
    memory_format: Literal["auto", "contiguous", "channels-last"] = "auto"
    """Order of the numbers in images and convolutions. auto: channels-last, the faster one (docs/speed.md)."""
    checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, more time, same results. For sngan, sagan, biggan and
    biggan-deep; the engine is then plain."""


@dataclass(frozen=True)
class ScoreConfig:
    """What is measured at every snapshot, and by the probe. It never changes the training."""

    metrics: tuple[str, ...] = ()
    """Kind and number of generated images: fid10k kid10k is10k pr10k, or modes10k for mixtures; none for nothing."""
    detector: Literal["classifier", "inception"] = "classifier"
    """Whose features are compared: a classifier trained on the set's own labels, or the Inception network of 2015."""
    detector_weights: str | None = None
    """The detector's weights: the Inception file (None looks in torch's download cache), or a classifier's."""
    metric_latent_steps: int = 0
    """Steps of latent optimisation before an image is scored. The paper: 10 on CIFAR-10, none on ImageNet."""

    probe: int = 0
    """Steps from one look at the game's dynamics to the next, written to stats.jsonl; 0 for none (docs/dynamics.md)."""
    probe_eigenvalues: int = 0
    """How many leading eigenvalues of the game's Jacobian each look computes (extra: analysis). It takes as long as
    hundreds of steps, even in small networks."""


ADDED_LATER = {"game.batch_gpu", "run.checkpointing"}
"""Settings that runs of earlier versions lack. Their defaults are what those versions did."""


@dataclass(frozen=True)
class Config:
    """Everything that determines a run."""

    preset: str = "digits"
    data: DataConfig = field(default_factory=DataConfig)
    networks: NetworkConfig = field(default_factory=NetworkConfig)
    latent: LatentConfig = field(default_factory=LatentConfig)
    game: GameConfig = field(default_factory=GameConfig)
    run: RunConfig = field(default_factory=RunConfig)
    scores: ScoreConfig = field(default_factory=ScoreConfig)

    def on_sphere(self) -> bool:
        """Whether G knows latents of the unit sphere only: then it is sampled with such."""
        return self.latent.latent == "cs" or (self.latent.latent != "none" and self.latent.bounds == "sphere")

    def latent_step(self) -> LatentStep | CSStep | None:
        """The latent step that these settings describe; None for the ordinary GAN.

        Raises:
            InputError: for values that it cannot have.
        """
        c = self.latent
        if c.latent == "none":
            return None
        if c.latent == "cs":
            return self._cs_step()
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

    def game_dynamics(self) -> Dynamics | None:
        """The method of :mod:`logan.dynamics` that these settings name; None for the plain step.

        Raises:
            InputError: for values that it cannot have.
        """
        from logan import dynamics

        g = self.game
        if g.dynamics == "plain":
            return None
        steps = {"d_steps": g.unroll, "g_steps": g.unroll_g} if g.dynamics == "unrolled" else {}
        strength = g.dynamics_strength if g.dynamics in dynamics.STRENGTHS else None
        return dynamics.create(g.dynamics, strength=strength, **steps)

    def _cs_step(self) -> CSStep:
        c = self.latent
        try:
            return CSStep(c.latent_steps, c.penalty, losses.get(self.game.loss), c.stop_gradient, c.penalty_in)
        except ValueError as error:
            raise InputError(f"--{_flag(str(error))}") from None

    def check(self) -> list[str]:
        """Refuse impossible settings; return a warning for each that has no effect.

        Raises:
            InputError: naming the flag and what it may be.
        """
        from logan import config_checks

        config_checks.check_ranges(self)
        self.latent_step()
        self.game_dynamics()
        if self.latent.latent in ("gd", "ngd") and self.latent.portion * self.networks.latent_dim < 0.5:
            raise InputError(
                f"--portion {self.latent.portion} of --latent-dim {self.networks.latent_dim} leaves no dimension to optimise"
            )
        if self.latent.latent == "cs" and self.latent.bounds not in ("auto", "sphere"):
            raise InputError(f"--bounds {self.latent.bounds} is not for --latent cs, which is on the unit sphere")
        if self.on_sphere() and (self.latent.latent_every > 1 or self.latent.latent_share < 1):
            raise InputError(
                "--latent-every and --latent-share are not for latents on the unit sphere (--latent cs, --bounds sphere): "
                "those that rest would not be on it"
            )
        if self.networks.prior == "normal" and self.latent.bounds == "clip":
            raise InputError(
                "--bounds clip needs --prior uniform: clipping a normal z to [-1, 1] would change its prior"
            )
        return config_checks.idle_settings(self)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any], *, complete: bool = False) -> Config:
        """The inverse of :meth:`to_dict`.

        Args:
            values: as :meth:`to_dict` returns them, or as JSON returns those.
            complete: refuse missing fields; otherwise they take their defaults.

        Raises:
            InputError: for a field that this version does not know, has another type, or is missing.
        """
        groups = {f.name: f for f in dataclasses.fields(cls)}
        given: dict[str, Any] = {}
        for name, value in values.items():
            if name not in groups:
                raise InputError(f"unknown settings {name!r}: written by another version of logan?")
            group = groups[name].default_factory
            given[name] = value if group is dataclasses.MISSING else _group_from_dict(group, name, value, complete)
        _require_all(groups, given, "", complete)
        return cls(**given)


def _group_from_dict(group: Any, name: str, values: Any, complete: bool) -> Any:
    types_of = typing.get_type_hints(group)
    if not isinstance(values, dict):
        raise InputError(f"the settings {name!r} are {values!r}, not a group: is the file damaged?")
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    for key, value in given.items():
        if key not in types_of:
            raise InputError(
                f"unknown setting {name}.{key}{did_you_mean(key, sorted(types_of))}: another version of logan?"
            )
        if not _fits(value, types_of[key]):
            raise InputError(f"the setting {name}.{key} cannot be {value!r}: is the file damaged?")
    _require_all(types_of, given, name + ".", complete)
    return group(**given)


def _require_all(names: typing.Iterable[str], given: dict[str, Any], prefix: str, complete: bool) -> None:
    missing = [name for name in names if name not in given and prefix + name not in ADDED_LATER]
    if complete and missing:
        raise InputError(
            f"the setting {prefix}{missing[0]} is missing: is the file damaged, or of another version of logan?"
        )


def _fits(value: Any, kind: Any) -> bool:
    """Whether ``value`` is of an annotated type: int, float, str, bool, Literal, tuple, or a union of those."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return value in arguments
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, a) for a in arguments)
    if origin is tuple and arguments[-1] is Ellipsis:
        return isinstance(value, tuple) and all(_fits(v, arguments[0]) for v in value)
    if origin is tuple:
        return isinstance(value, tuple) and len(value) == len(arguments) and all(map(_fits, value, arguments))
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is kind


def _flag(message: str) -> str:
    """'latent_steps must …' to 'latent-steps must …': the first word of a LatentStep message is its field."""
    word, _, rest = message.partition(" ")
    return f"{ {'steps': 'latent-steps', 'method': 'latent'}.get(word, word).replace('_', '-') } {rest}"
