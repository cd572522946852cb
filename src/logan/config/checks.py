"""What settings may be, as far as the objects that are made of them do not know it: limits, combinations, what does nothing.

Called by :meth:`logan.config.Config.check`.
"""

from __future__ import annotations

import importlib.util
import math
import os
import typing
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from logan.config.groups import MAX_SEED
from logan.errors import InputError, not_installed

if TYPE_CHECKING:
    from logan.config.settings import Config


LIMITS: dict[str, tuple[float, float]] = {
    "image_size": (1, 8192),
    "pad": (0, 4096),
    "workers": (0, 1024),
    "latent_dim": (1, 10**6),
    "width": (1, 10**5),
    "depth": (1, 1000),
    "latent_steps": (-math.inf, 10**6),
    "latent_every": (-math.inf, 10**9),
    "d_steps": (-math.inf, 10**6),
    "dynamics_strength": (-math.inf, 1e9),
    "unroll": (-math.inf, 1000),
    "unroll_g": (-math.inf, 1000),
    "g_lr": (0, 1e6),
    "d_lr": (0, 1e6),
    "batch": (1, 10**6),
    "ema_kimg": (0, 1e9),
    "kimg": (1, 10**9),
    "tick": (1, 10**9),
    "snap": (1, 10**9),
    "seed": (0, MAX_SEED),
    "threads": (0, max(256, os.cpu_count() or 1)),
    "alarm_snapshots": (1, 10**6),
    "back_factor": (1e-6, 1),
    "most_backs": (0, 1000),
    "score_every": (0, 10**6),
    "metric_latent_steps": (0, 10**6),
    "probe": (0, 10**9),
    "probe_eigenvalues": (0, 1000),
}
"""The lowest value, where the object that is made of a setting does not know it, or is made late; and the highest, far above any
use, which catches slips before memory runs out."""


def check_limits(config: Config) -> None:
    """Refuse words that a setting does not know, and numbers out of range (InputError)."""
    from logan.networks import check_name

    check_name(config.networks.network)
    groups = (config.data, config.networks, config.latent, config.game, config.run, config.scores)
    values = {name: value for group in groups for name, value in vars(group).items()}
    for name, kind in {n: k for group in groups for n, k in typing.get_type_hints(type(group)).items()}.items():
        words = _words(kind)
        if words and values[name] not in words:
            raise InputError(f"`{name}` is one of {', '.join(map(str, words))}, not {values[name]!r}")
    for name, (low, high) in LIMITS.items():
        value = values[name]
        if value is not None and not low <= value <= high:
            least = "" if low == -math.inf else f">= {low} and "
            raise InputError(f"`{name}` must be {least}<= {high:,}, not {value}")
    if not config.data.data:
        raise InputError("`data` must not be empty; give digits, ring, grid, or a path")
    betas = config.game.adam_betas
    if not all(0 <= b < 1 for b in betas):
        raise InputError(f"`adam_betas` must both be in [0, 1), not {betas[0]} {betas[1]}")


def _words(kind: Any) -> tuple[Any, ...]:
    """All values of a ``Literal``, or of one or None; nothing for other types."""
    parts = typing.get_args(kind)
    if typing.get_origin(kind) is typing.Literal:
        return parts
    literal = next((p for p in parts if typing.get_origin(p) is typing.Literal), None)
    return () if literal is None else (*typing.get_args(literal), None)


def check_latent(config: Config) -> None:
    """Refuse what the latent step cannot be, with these networks (InputError)."""
    c, n = config.latent, config.networks
    config.rules()
    if c.latent in ("gd", "ngd") and c.portion * n.latent_dim < 0.5:
        raise InputError(f"`portion` {c.portion} of `latent_dim` {n.latent_dim} leaves no dimension to optimise")
    if c.latent == "cs" and c.bounds not in ("auto", "sphere"):
        raise InputError(f"`bounds` {c.bounds} is not for `latent` cs, which is on the unit sphere")
    if config.on_sphere() and (c.latent_every > 1 or c.latent_share < 1):
        raise InputError(
            "`latent_every` and `latent_share` are not for latents on the unit sphere (`latent` cs, `bounds` sphere): "
            "those that rest would not be on it"
        )
    if n.prior == "normal" and c.bounds == "clip":
        raise InputError("`bounds` clip needs `prior` uniform: clipping a normal z to [-1, 1] would change its prior")
    if config.scores.metric_latent_steps and c.latent == "none":
        raise InputError("`metric_latent_steps` needs `latent` gd, ngd or cs: without one there is no step size")


def check_game(config: Config, ranks: int) -> None:
    """Refuse a game that cannot be played, or not by that many ranks (InputError)."""
    from logan.game import check_share, check_turns

    g, latent, part = config.game, config.latent, config.micro_batch(ranks)
    if g.batch % ranks:
        raise InputError(f"`batch` {g.batch} cannot be shared by {ranks} ranks evenly; pass a multiple of {ranks}")
    share = g.batch // ranks
    try:
        check_turns(
            update=g.update,
            d_steps=g.d_steps,
            dynamics=config.game_dynamics(),
            latent_every=latent.latent_every,
            micro_batch=part,
            ranks=ranks,
        )
    except InputError as error:
        raise error.renamed({"micro_batch": "batch_gpu"}) from None
    if g.batch_gpu is not None and share % g.batch_gpu:
        raise InputError(
            f"`batch_gpu` {g.batch_gpu} does not divide the {share} images of a rank's share of `batch` {g.batch}"
        )
    if (part or share) < g.batch:
        try:
            check_share(latent.latent_share, part or share)
        except InputError as error:
            raise InputError(f"{error}; pass another `latent_share`, `batch_gpu` or `batch`") from None


def check_computing(config: Config, ranks: int) -> None:
    """Refuse an engine, checkpointing or a probe where they do not work (InputError)."""
    from logan.networks import CHECKPOINTED

    run, network, scores = config.run, config.networks.network, config.scores
    captures = run.engine in ("cuda-graph", "compiled-graph")
    if captures and run.device not in ("auto", "cuda") and not run.device.startswith("cuda:"):
        raise InputError(f"`engine` {run.engine} needs a CUDA device, not `device` {run.device}; leave it out")
    if (captures or run.engine == "compiled") and ranks > 1:
        raise InputError(f"`engine` {run.engine} is for one rank; use recorded or plain")
    if run.checkpointing and network not in CHECKPOINTED:
        known = ", ".join(CHECKPOINTED)
        raise InputError(f"`checkpointing` is for networks of residual blocks ({known}), not {network}; leave it out")
    if run.checkpointing and run.engine not in ("auto", "plain"):
        raise InputError(
            f"`checkpointing` needs `engine` plain: what is computed twice, `engine` {run.engine} computes once and keeps"
        )
    if scores.probe and ranks > 1:
        raise InputError("`probe` looks at the game on one device; leave it out, or train on one rank")
    if scores.probe and scores.probe_eigenvalues and importlib.util.find_spec("scipy") is None:
        raise not_installed("`probe_eigenvalues`", "scipy", "analysis")


def idle_settings(config: Config) -> list[str]:
    """Settings that were changed but do nothing in this combination."""
    data, latent, scores, idle = config.data, config.latent, config.scores, []

    def because(setting: str, value: object, names: Iterable[str]) -> None:
        if names := [f"`{name}`" for name in names]:
            idle.append(f"without effect, because of `{setting}` {value}: {', '.join(names)}")

    unused: dict[str, tuple[str, ...]] = {"cs": ("alpha", "beta", "portion", "subset"), "gd": ("beta",)}
    unused["none"] = tuple(name for name in vars(latent) if name != "latent")
    because("latent", latent.latent, _changed(latent, unused.get(latent.latent, ())))
    if latent.latent == "cs" and latent.stop_gradient in ("generator", "both"):
        idle.append(f"`stop_gradient` {latent.stop_gradient}: the step size of `latent` cs stays as it begins")
    if latent.portion == 1:
        because("portion", 1, _changed(latent, ["subset"]))
    if latent.penalty == 0:
        because("penalty", 0, _changed(latent, ["penalty_in"]))
    _idle_dynamics(config, idle, because)
    if config.run.on_alarm != "back":
        because("on_alarm", config.run.on_alarm, _changed(config.run, ["back_factor", "most_backs"]))
    if not scores.probe:
        because("probe", 0, _changed(scores, ["probe_eigenvalues"]))
    if data.data in ("digits", "ring", "grid"):
        points = ["mirror"] if data.data != "digits" else []
        because("data", data.data, _changed(data, [*points, "skip_broken", "skip_small"]))
    return idle


def _idle_dynamics(config: Config, idle: list[str], because: Callable[[str, object, Iterable[str]], None]) -> None:
    from logan.dynamics import STRENGTHS

    game = config.game
    if game.dynamics_strength == 0 or (game.dynamics == "unrolled" and game.unroll == game.unroll_g == 0):
        idle.append(
            f"`dynamics` {game.dynamics} does nothing with these settings: both players follow their own gradients"
        )
        return
    names = [] if game.dynamics in STRENGTHS else ["dynamics_strength"]
    names += [] if game.dynamics == "unrolled" else ["unroll", "unroll_g"]
    because("dynamics", game.dynamics, _changed(game, names))
    if game.dynamics == "three-player" and config.latent.latent != "none":
        idle.append("`dynamics` three-player: the move of z is a constant, so `penalty` and `stop_gradient` do nothing")


def _changed(group: object, names: Iterable[str]) -> list[str]:
    """Those of ``names`` that have another value than a new group of that kind."""
    default = type(group)()
    return [name for name in names if getattr(group, name) != getattr(default, name)]
