"""Whether two ways of playing a step did the same to a run."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from logan.side_effects.places import Values
from logan.training.begin import Run

TOLERANCE = 0.1
"""Of a tensor's change, in the Euclidean norm. Kernels that add in another order at each run differ by less; what forgets an input,
repeats a step or takes a number that was computed for another one, by about the change itself."""
ROUNDING = 8
"""Units in the last place by which tensors may differ that hardly change."""
REPEATS = 4
"""Times the difference between two plays of the same. Adam makes a step of its full size from a gradient that is nothing but
roundings, as that of a bias before batch norm, and on a GPU those are others at every play."""


def moved_by_a_step(run: Run) -> dict[str, Tensor]:
    """Every tensor that a step changes, by a name for people."""
    game = run.parts.game
    moved: dict[str, Tensor] = {}
    networks = {"G": game.generator, "D": game.discriminator, "the average of G": run.average.module}
    for owner, network in networks.items():
        for name, tensor in (*network.named_parameters(), *network.named_buffers()):
            moved[f"{name} of {owner}"] = tensor.detach()
    for player, optimiser in (("G", game.g_optimiser), ("D", game.d_optimiser)):
        for i, state in enumerate(optimiser.state.values()):
            moved |= {f"{k} {i} of {player}'s optimiser": x for k, x in state.items() if isinstance(x, Tensor)}
    return moved | {f"the sum of {name}": total for name, total in run.sums.totals.items()}


@torch.no_grad()
def difference(names: Sequence[str], before: Values, expected: Values, again: Values | None = None) -> str | None:
    """What stands in the tensors of ``expected`` now, against the copies in it; None if it is the same, else the first that is not.

    Args:
        names: of the tensors.
        before: what stood in them before the step.
        expected: what another way of playing it left there.
        again: what that way left there when it was played once more.
    """
    norms = []
    repeated = expected.copies if again is None else again.copies
    for now, copy, old, other in zip(expected.tensors, expected.copies, before.copies, repeated, strict=True):
        wide = torch.float32 if now.device.type == "mps" else torch.float64
        a, b, c, d = (x.to(wide) for x in (now, copy, old, other))
        compared = (_apart(a, b), b - c, b, _apart(d, b))
        norms.append(torch.stack([torch.linalg.vector_norm(x) for x in compared]).to("cpu", torch.float64))
    for name, now, (apart, change, size, noise) in zip(
        names, expected.tensors, torch.stack(norms).tolist(), strict=True
    ):
        eps = torch.finfo(now.dtype).eps if now.is_floating_point() else 0.0
        if apart > TOLERANCE * change + ROUNDING * eps * size + REPEATS * noise:
            return f"after it {name} is not what it should be"
    return None


def _apart(a: Tensor, b: Tensor) -> Tensor:
    """The difference, where there is one: a run may have diverged."""
    return torch.where((a == b) | (a.isnan() & b.isnan()), torch.zeros_like(a), a - b)
