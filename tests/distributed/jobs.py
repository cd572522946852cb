"""What the ranks of these tests do; importable, so that processes started anew find it."""

from __future__ import annotations

import contextlib
import io
import json
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function, gradcheck, gradgradcheck

from logan import LatentStep, losses, networks
from logan.cli.train import read_arguments
from logan.cs_gan import CSStep, give_step_size
from logan.distributed import World, across
from logan.errors import InputError
from logan.game import Game
from logan.training import folder
from logan.training.loop import train
from logan.turns import Turn

BATCH, D = 16, 12
STEP = LatentStep("ngd", alpha=0.9, beta=0.1, portion=0.5, penalty=3.0)


def players(dtype: torch.dtype, norm: bool = True) -> tuple[nn.Module, nn.Module]:
    """A pair with spectral norm in D, and batch norm in both unless refused; the same on every rank."""
    torch.manual_seed(0)
    g, d = networks.create("dcgan", image_size=8, latent_dim=D, width=8, num_classes=3, spectral_norm=True)
    if norm:
        d.blocks.add_module("norm", nn.BatchNorm2d(8))
    else:
        for stack in g.blocks:
            stack.norm = nn.Identity()
    return g.to(dtype), d.to(dtype)


def game(world: World, dtype: torch.dtype, engine: str, rules: dict[str, Any], norm: bool = True) -> Game:
    g, d = players(dtype, norm)
    if isinstance(rules.get("latent"), CSStep):
        give_step_size(g)
    optimisers = [torch.optim.Adam(n.parameters(), lr=2e-3, betas=(0.5, 0.999)) for n in (g, d)]
    rules = {"loss": losses.hinge, "latent": STEP} | rules
    return Game(g, d, *optimisers, engine=engine, world=world, **rules)  # type: ignore[arg-type]


def play(
    world: World, dtype: torch.dtype, engine: str, rules: dict[str, Any], norm: bool = True, steps: int = 4
) -> list[Tensor]:
    """The first step's gradients, and all weights and buffers after some steps, each rank on its slice of the batches."""
    played, source = game(world, dtype, engine, rules, norm), torch.Generator().manual_seed(1)
    torch.manual_seed(2)  # random subsets
    first: Turn | None = None
    for _ in range(steps):
        turn = played.step(
            lambda: tuple(x[world.own_slice(BATCH)] for x in _reals(source, dtype)),  # type: ignore[arg-type,return-value]
            lambda n: (torch.rand(BATCH, D, generator=source, dtype=dtype) * 2 - 1)[world.own_slice(BATCH)],
        )
        first = turn if first is None else first
    assert first is not None
    gradients = [g.clone() for g in (*first.d_gradients, *first.g_gradients) if g is not None]
    state = [t for n in (played.generator, played.discriminator) for t in n.state_dict().values()]
    return [*gradients, *state]


def _reals(source: torch.Generator, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    images = torch.rand(BATCH, 3, 8, 8, generator=source, dtype=dtype) * 2 - 1
    return images, torch.randint(3, (BATCH,), generator=source)


def play_all(
    world: World, cases: list[tuple[torch.dtype, str, dict[str, Any], bool]], steps: int = 4
) -> list[list[Tensor]]:
    return [play(world, *case, steps=steps) for case in cases]


def scores(world: World, args: list[str], outdir: Path) -> dict[str, float]:
    """Of a run of ``logan train`` with these arguments, as rank 0 wrote them down."""
    run = train(read_arguments(args).config, outdir=outdir, quiet=True, world=world)
    return json.loads((run / "stats.jsonl").read_text().splitlines()[-1])["metrics"]  # type: ignore[no-any-return]


def said_in_training(world: World, args: list[str], outdir: Path) -> str:
    """What this rank prints in a run of ``logan train`` with these arguments."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        train(read_arguments(args).config, outdir=outdir, world=world)
    return said.getvalue()


def gone_back(world: World, args: list[str], outdir: Path) -> list[list[Tensor]]:
    """Weights and statistics of both networks at every snapshot of a run whose score is worse and worse from the third on.

    They are those that the run goes on with; a score is taken of the average of G, which has half-life 0 and is G.
    """
    seen: list[list[Tensor]] = []

    def measure(generator: nn.Module, discriminator: nn.Module) -> dict[str, float]:
        seen.append([x.detach().cpu().clone() for n in (generator, discriminator) for x in n.state_dict().values()])
        return {"fid10k": 10.0 * 2.0 ** max(0, len(seen) - 2)}

    train(read_arguments(args).config, outdir=outdir, quiet=True, world=world, measure=measure)
    return seen


def backs(outdir: Path) -> list[dict[str, float]]:
    """How often the run went back, when and to what."""
    (run,) = outdir.glob("0*")
    return [line["back"] for line in folder.read_stats(run) if "back" in line]


def everything(
    world: World,
    cases: list[tuple[torch.dtype, str, dict[str, Any], bool]],
    scored: list[str],
    failing: list[str],
    trained: list[str],
    outdir: Path,
) -> dict[str, Any]:
    """What two ranks show, in one start of theirs."""
    return {
        "played": play_all(world, cases),
        "derivatives": check_derivatives(world),
        "messages": messages(world),
        "scores": scores(world, scored, outdir / "scored"),
        "gone back": gone_back(world, failing, outdir / "failing"),
        "backs": backs(outdir / "failing"),
        "said": said_in_training(world, trained, outdir / "trained"),
    }


class _Copy(Function):
    """x on every rank; its derivative is the sum of what the ranks need."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, y_bar: Tensor) -> Tensor:
        return _Reduce.apply(y_bar)


class _Reduce(Function):
    """Σ_r x_r, of which every rank's loss is the same function; the adjoint of _Copy."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.contiguous().clone()
        dist.all_reduce(y)
        return y

    @staticmethod
    def backward(ctx: Any, y_bar: Tensor) -> Tensor:
        return _Copy.apply(y_bar)


def check_derivatives(world: World) -> list[Tensor]:
    """gradcheck and gradgradcheck of batch norm over ranks as a function of the whole batch, and three orders by torch's own.

    Every rank holds the whole batch and shows the layer its slice, so that all of them ask for the same derivatives.
    """
    torch.manual_seed(0)
    x = torch.randn(4, 2, 2, dtype=torch.float64, requires_grad=True)
    w, b = (torch.randn(2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    weights = torch.randn(4, 2, 2, dtype=torch.float64)

    def over_ranks(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        own = world.own_slice(4)
        with across(world):
            y = F.batch_norm(_Copy.apply(x)[own], None, None, _Copy.apply(w), _Copy.apply(b), True)
        # a sum over samples: of several numbers, so that the check sees more than one direction
        return _Reduce.apply(torch.einsum("bcl,bcl->cl", y.square() + y, weights[own]))

    assert gradcheck(over_ranks, (x, w, b))
    assert gradgradcheck(over_ranks, (x, w, b))

    def in_one_piece(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        mean, variance = x.mean([0, 2]), x.var([0, 2], correction=0)
        y = (x - mean[:, None]) / (variance[:, None] + 1e-5).sqrt() * w[:, None] + b[:, None]
        return torch.einsum("bcl,bcl->cl", y.square() + y, weights)

    found = []
    for function in (over_ranks, in_one_piece):
        value = function(x, w, b).square().sum()
        for _ in range(3):
            found.append(value.detach())
            (gradient,) = torch.autograd.grad(value, x, create_graph=True)
            found.append(gradient.detach())
            value = (gradient * weights).sum()
    return found


def messages(world: World) -> dict[str, Any]:
    """What :class:`World` passes around."""
    own = world.rank + 1.0
    rows = torch.full((world.rank + 1, 2), own)
    with world.first_alone():
        if world.first:
            time.sleep(0.5)
        seen = time.monotonic()
    channels_last = torch.ones(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    return {
        "all reduce mean": world.all_reduce_mean(
            [torch.tensor([own]), None, torch.tensor([[own]], dtype=torch.float64)]
        ),
        "strides": world.all_reduce_mean([channels_last])[0].stride(),  # type: ignore[union-attr]
        "any rank": [world.any_rank(False), world.any_rank(world.rank == 1)],
        "broadcast": world.broadcast(f"from {world.rank}"),
        "all gather rows": world.all_gather_rows(rows),
        "broadcast result": [
            world.broadcast_result(lambda: f"by {world.rank}"),
            _refused(world.broadcast_result, world.first),
        ],
        "all or none": [
            world.all_or_none(lambda: world.rank),
            *(_refused(world.all_or_none, world.rank in r) for r in ([0, 1], [1])),
        ],
        "own slice": [world.own_slice(8).start, world.own_slice(8).stop],
        "seen": seen,
        "in sync": _drifted(world, [torch.ones(3)]),
        "drifted": _drifted(world, [torch.ones(3), torch.full((2,), own)]),
    }


def _refused(together: Any, here: bool) -> str:
    """How a mistake on this rank, or on others, arrives here."""

    def do() -> None:
        if here:
            raise InputError("a mistake")

    try:
        together(do)
    except InputError as error:
        return f"{type(error).__name__}: {error}"
    return "none"


def _drifted(world: World, tensors: list[Tensor]) -> bool:
    try:
        world.check_in_sync(tensors)
    except RuntimeError:
        return True
    return False


def peaks_of_steps(world: World, runs: list[tuple[list[str], str]]) -> list[int]:
    """The most bytes that a step of each (arguments of ``logan train``, latent method) allocates on this rank."""
    from logan.bench.counting import peak_memory
    from logan.bench.steps import stand_in
    from logan.training import setup

    peaks = []
    for args, latent in runs:
        config = read_arguments([*args, "--latent", latent]).config
        data = stand_in(config)
        parts = setup.build(config, data, world)  # type: ignore[arg-type]
        n = config.game.batch // world.size
        real = torch.rand(n, data.channels, data.image_size, data.image_size) * 2 - 1
        real = real.contiguous(memory_format=setup.memory_format(config))
        labels = torch.arange(n) % data.num_classes if config.data.conditional else None
        z = torch.rand(n, config.networks.latent_dim) * 2 - 1

        def step(game: Game = parts.game, real: Any = real, labels: Any = labels, z: Tensor = z) -> None:
            game.step(lambda: (real, labels), lambda n: z)

        for _ in range(2):  # the first records, and makes Adam's moments
            step()
        peaks.append(peak_memory(step, torch.device("cpu")))
    return peaks
