"""All settings of a run together, what they describe, and how they are read from JSON.

Presets (:mod:`logan.config.presets`) are functions that return a :class:`Config`; every field is a flag of ``logan train``.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from logan import losses
from logan.config import checks
from logan.config.groups import DataConfig, GameConfig, LatentConfig, NetworkConfig, RunConfig, ScoreConfig
from logan.cs_gan import CSStep
from logan.errors import InputError, did_you_mean
from logan.latent import LatentStep

if TYPE_CHECKING:
    from logan.dynamics import Dynamics


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
        checks.check_ranges(self)
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


def _flag(message: str) -> str:
    """'latent_steps must …' to 'latent-steps must …': the first word of a LatentStep message is its field."""
    word, _, rest = message.partition(" ")
    return f"{ {'steps': 'latent-steps', 'method': 'latent'}.get(word, word).replace('_', '-') } {rest}"
