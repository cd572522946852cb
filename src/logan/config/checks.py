"""What settings may be: ranges, and settings that do nothing in a combination. Called by :meth:`logan.config.Config.check`."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
from typing import TYPE_CHECKING

from logan.config.groups import MAX_SEED, GameConfig, LatentConfig
from logan.errors import InputError

if TYPE_CHECKING:
    from logan.config.settings import Config


def check_ranges(config: Config) -> None:
    """Refuse numbers out of range, and settings that exclude each other, by the name of the flag (InputError)."""
    d, n, g, r = config.data, config.networks, config.game, config.run
    # The upper bounds are far above any use; they catch slips before memory runs out.
    ranges: list[tuple[str, float | None, float, float]] = [
        ("image-size", d.image_size, 1, 8192),
        ("pad", d.pad, 0, 4096),
        ("workers", d.workers, 0, 1024),
        ("latent-dim", n.latent_dim, 1, 10**6),
        ("width", n.width, 1, 10**5),
        ("depth", n.depth, 1, 1000),
        ("latent-steps", config.latent.latent_steps, 1, 10**6),
        ("metric-latent-steps", config.scores.metric_latent_steps, 0, 10**6),
        ("latent-every", config.latent.latent_every, 1, 10**9),
        ("probe", config.scores.probe, 0, 10**9),
        ("probe-eigenvalues", config.scores.probe_eigenvalues, 0, 1000),
        ("d-steps", g.d_steps, 1, 10**6),
        ("g-lr", g.g_lr, 0, 1e6),
        ("d-lr", g.d_lr, 0, 1e6),
        ("batch", g.batch, 1, 10**6),
        ("batch-gpu", g.batch_gpu, 1, 10**6),
        ("dynamics-strength", g.dynamics_strength, 0, 1e9),
        ("unroll", g.unroll, 0, 1000),
        ("unroll-g", g.unroll_g, 0, 1000),
        ("ema-kimg", g.ema_kimg, 0, 1e9),
        ("kimg", r.kimg, 1, 10**9),
        ("tick", r.tick, 1, 10**9),
        ("snap", r.snap, 1, 10**9),
        ("seed", r.seed, 0, MAX_SEED),
        ("threads", r.threads, 0, max(256, os.cpu_count() or 1)),
    ]
    for flag, value, low, high in ranges:
        if value is not None and not low <= value <= high:
            raise InputError(f"--{flag} must be >= {low} and <= {high:,}, not {value}")
    if not d.data:
        raise InputError("--data must not be empty; give digits, ring, grid, or a path")
    if not all(0 <= b < 1 for b in g.adam_betas):
        raise InputError(f"--adam-betas must both be in [0, 1), not {g.adam_betas[0]} {g.adam_betas[1]}")
    if not 0 < config.latent.latent_share <= 1:
        raise InputError(f"--latent-share must be in (0, 1], not {config.latent.latent_share}")
    if r.engine == "cuda-graph" and r.device not in ("auto", "cuda") and not r.device.startswith("cuda:"):
        raise InputError(f"--engine cuda-graph needs a CUDA device, not --device {r.device}; leave it out")
    check_checkpointing(config)
    if config.scores.metric_latent_steps and config.latent.latent == "none":
        raise InputError("--metric-latent-steps needs --latent gd, ngd or cs: without one there is no step size")
    if config.scores.probe and config.scores.probe_eigenvalues and importlib.util.find_spec("scipy") is None:
        raise InputError("--probe-eigenvalues needs scipy: pip install 'logan-gan[analysis]'")
    if g.update == "simultaneous" and g.d_steps != 1:
        raise InputError(f"--d-steps {g.d_steps} needs --update alternating: simultaneous updates are one to one")
    if g.update == "alternating" and g.dynamics != "plain":
        raise InputError(f"--dynamics {g.dynamics} needs --update simultaneous: it adjusts both gradients at one point")


def check_checkpointing(config: Config) -> None:
    """Refuse checkpointing where it would do nothing.

    Raises:
        InputError: by the name of the flag.
    """
    from logan.networks import CHECKPOINTED

    if not config.run.checkpointing:
        return
    if config.networks.network not in CHECKPOINTED:
        raise InputError(
            f"--checkpointing is for networks of residual blocks ({', '.join(CHECKPOINTED)}), not {config.networks.network}; "
            f"leave it out"
        )
    if config.run.engine not in ("auto", "plain"):
        raise InputError(
            f"--checkpointing needs --engine plain: what is computed twice, --engine {config.run.engine} computes once and keeps"
        )


def check_ranks(config: Config, size: int) -> None:
    """Refuse what several ranks, or a batch in parts, cannot do.

    Args:
        config: of the run.
        size: how many ranks there are.

    Raises:
        InputError: by the name of the flag.
    """
    from logan.dynamics import Adjustment
    from logan.game import check_share

    g = config.game
    if g.batch % size:
        raise InputError(f"--batch {g.batch} cannot be shared by {size} ranks evenly; pass a multiple of {size}")
    local_batch = g.batch // size
    if g.batch_gpu is not None and local_batch % g.batch_gpu:
        raise InputError(
            f"--batch-gpu {g.batch_gpu} does not divide the {local_batch} images of a rank's share of --batch {g.batch}"
        )
    in_parts = size > 1 or (g.batch_gpu is not None and g.batch_gpu < local_batch)
    if in_parts:
        try:
            check_share(config.latent.latent_share, min(local_batch, g.batch_gpu or local_batch))
        except ValueError as error:
            raise InputError(f"{error}; pass another --latent-share, --batch-gpu or --batch") from None
    if in_parts and isinstance(config.game_dynamics(), Adjustment):
        raise InputError(
            f"--dynamics {g.dynamics} needs the whole batch on one device in one piece: one rank, and no --batch-gpu"
        )
    if size > 1 and config.scores.probe:
        raise InputError("--probe looks at the game on one device; leave it out, or train on one rank")
    if size > 1 and config.run.engine in ("compiled", "cuda-graph"):
        raise InputError(f"--engine {config.run.engine} is for one rank; use recorded or plain")


def idle_settings(config: Config) -> list[str]:
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
            idle.append(f"without effect, because of --latent none: {flags}")
    elif latent.latent == "cs":
        unused = ("alpha", "beta", "portion", "subset")
        changed = [name for name in unused if getattr(latent, name) != getattr(default, name)]
        if changed:
            idle.append(f"without effect, because of --latent cs: {', '.join('--' + n for n in changed)}")
        if latent.stop_gradient in ("generator", "both"):
            idle.append(f"--stop-gradient {latent.stop_gradient}: the step size of --latent cs stays as it begins")
    elif latent.latent == "gd" and latent.beta != default.beta:
        idle.append("without effect, because of --latent gd: --beta")
    if latent.subset == "random" and latent.portion == 1:
        idle.append("without effect, because of --portion 1: --subset")
    if latent.penalty == 0 and latent.penalty_in != default.penalty_in:
        idle.append("without effect, because of --penalty 0: --penalty-in")
    idle += _idle_dynamics(config)
    if config.scores.probe_eigenvalues and not config.scores.probe:
        idle.append("without effect, because of --probe 0: --probe-eigenvalues")
    built_in = {"mirror": ("ring", "grid"), "skip_broken": ("digits", "ring", "grid")}
    for name, sources in built_in.items():
        if getattr(config.data, name) and config.data.data in sources:
            idle.append(f"without effect, because of --data {config.data.data}: --{name.replace('_', '-')}")
    return idle


def _idle_dynamics(config: Config) -> list[str]:
    from logan.dynamics import STRENGTHS

    game, default = config.game, GameConfig()
    names = []
    if game.dynamics not in STRENGTHS and game.dynamics_strength is not None:
        names.append("--dynamics-strength")
    if game.dynamics != "unrolled":
        names += [f"--{n.replace('_', '-')}" for n in ("unroll", "unroll_g") if getattr(game, n) != getattr(default, n)]
    if game.dynamics_strength == 0 or (game.dynamics == "unrolled" and game.unroll == game.unroll_g == 0):
        return [f"--dynamics {game.dynamics} does nothing with these settings: both players follow their own gradients"]
    idle = [f"without effect, because of --dynamics {game.dynamics}: {', '.join(names)}"] if names else []
    if game.dynamics == "three-player" and config.latent.latent != "none":
        idle.append("--dynamics three-player: the move of z is a constant, so --penalty and --stop-gradient do nothing")
    return idle
