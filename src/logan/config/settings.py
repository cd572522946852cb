"""All settings of a run together, what they describe, and how they are read from JSON.

Presets (:mod:`logan.config.presets`) are functions that return a :class:`Config`; every field is a flag of ``logan train``.
Torch is imported where a step is made or checked, and not before, so that the command line answers at once.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from logan.config import checks
from logan.config.groups import DataConfig, GameConfig, LatentConfig, NetworkConfig, RunConfig, ScoreConfig
from logan.errors import InputError, did_you_mean
from logan.foreign import shown

if TYPE_CHECKING:
    from logan.cs_gan import CSStep
    from logan.dynamics import Dynamics
    from logan.latent import LatentStep
    from logan.turns import Rules


@dataclass(frozen=True)
class Config:
    """Everything that determines a run."""

    preset: str = "digits"
    """The recipe whose settings are the defaults of all others."""
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
        from logan import losses
        from logan.cs_gan import CSStep
        from logan.latent import LatentStep

        rule = {"uniform": "clip", "normal": "none"}[self.networks.prior] if c.bounds == "auto" else c.bounds
        bounds: dict[str, Any] = {"clip": (-1.0, 1.0), "none": None, "sphere": "sphere"}
        try:
            if c.latent == "cs":
                return CSStep(c.latent_steps, c.penalty, losses.get(self.game.loss), c.stop_gradient, c.penalty_in)
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
        except InputError as error:
            raise error.renamed({"method": "latent", "steps": "latent_steps"}) from None

    def rules(self) -> Rules:
        """By what the game of these settings is played.

        Raises:
            InputError: for values that it cannot have.
        """
        import torch

        from logan import losses
        from logan.turns import Rules

        autocast = None if self.game.precision == "float32" else torch.bfloat16
        try:
            return Rules(losses.get(self.game.loss), self.latent_step(), autocast, self.latent.latent_share)
        except InputError as error:
            raise error.renamed({"share": "latent_share"}) from None

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
        try:
            return dynamics.create(g.dynamics, strength=strength, **steps)
        except InputError as error:
            names = {"strength": "dynamics_strength", "d_steps": "unroll", "g_steps": "unroll_g"}
            raise error.renamed(names) from None

    def micro_batch(self, ranks: int = 1) -> int | None:
        """``batch_gpu`` where it is less than a rank's share of the batch; None for the share in one piece."""
        size = self.game.batch_gpu
        return None if size is None or size >= self.game.batch // ranks else size

    def check(self, ranks: int = 1) -> list[str]:
        """Refuse impossible settings; return a warning for each that has no effect.

        Args:
            ranks: how many processes train together.

        Raises:
            InputError: naming the setting and what it may be.
        """
        checks.check_limits(self)
        checks.check_latent(self)
        checks.check_game(self, ranks)
        checks.check_computing(self, ranks)
        return checks.idle_settings(self)

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
                raise InputError(f"unknown settings {shown(name)}: written by another version of logan?")
            group = groups[name].default_factory
            given[name] = value if group is dataclasses.MISSING else _group_from_dict(group, name, value, complete)
        _require_all(groups, given, "", complete)
        return cls(**given)


def _group_from_dict(group: Any, name: str, values: Any, complete: bool) -> Any:
    types_of = typing.get_type_hints(group)
    if not isinstance(values, dict):
        raise InputError(f"the settings {name!r} are {shown(values)}, not a group: is the file damaged?")
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    for key, value in given.items():
        if key not in types_of:
            raise InputError(
                f"unknown setting {name}.{key[:40]}{did_you_mean(key, sorted(types_of))}: another version of logan?"
            )
        if not _fits(value, types_of[key]):
            raise InputError(f"the setting {name}.{key} cannot be {shown(value)}: is the file damaged?")
    _require_all(types_of, given, name + ".", complete)
    return group(**given)


def _require_all(names: typing.Iterable[str], given: dict[str, Any], prefix: str, complete: bool) -> None:
    missing = [name for name in names if name not in given]
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
