"""Batch norm whose gain and bias depend on a condition; and without one, behind the same call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MakeNorm = Callable[[int], nn.Module]
"""Channels to a layer that is called with x (B, C, H, W) and a condition."""


class _Modulated(nn.Module):
    """(1 + gain(c)) · x̂ + bias(c), with x̂ normalised over the batch."""

    def __init__(self, channels: int, eps: float, make: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, eps=eps, affine=False)
        self.gain, self.bias = make(), make()

    def forward(self, x: Tensor, condition: Tensor | Modulations) -> Tensor:
        if isinstance(condition, Modulations):
            gain, bias = condition.of[self]
        else:
            gain, bias = self.gain(condition), self.bias(condition)
        return self.norm(x) * (1 + gain)[:, :, None, None] + bias[:, :, None, None]


class ConditionalBatchNorm(_Modulated):
    """(1 + W_g c) · x̂ + W_b c, with x̂ normalised over the batch; x (B, C, H, W), c (B, ``condition_dim``).

    BigGAN's (Brock et al. 2018, appendix B): linear maps without biases of a vector that all layers share. The 1 is not a
    detail: without it the gain is centred at zero, and google/compare_gan#54 reports that BigGAN-deep then never trains. With
    W orthogonal and divided by its spectral norm, the gain is 1 in the mean over c, and where c = 0.
    """

    def __init__(self, channels: int, condition_dim: int, eps: float) -> None:
        super().__init__(channels, eps, lambda: nn.Linear(condition_dim, channels, bias=False))


class Modulations:
    """The gains and biases of several conditional norms for one condition, from one matrix product.

    A network has dozens of these small products, and on a GPU each takes as long as all of them.

    Args:
        norms: those that will be called with this object in the condition's place.
        condition: (B, ``condition_dim``).

    Attributes:
        condition: the argument.
        of: by norm: gain and bias, (B, ``channels``) each.
    """

    def __init__(self, norms: Iterable[ConditionalBatchNorm], condition: Tensor) -> None:
        norms, self.condition = list(norms), condition
        weights: list[Any] = [linear.weight for norm in norms for linear in (norm.gain, norm.bias)]
        parts = F.linear(condition, torch.cat(weights)).split([len(w) for w in weights], dim=1)
        self.of: dict[nn.Module, tuple[Tensor, Tensor]] = dict(
            zip(norms, zip(parts[::2], parts[1::2], strict=True), strict=True)
        )


def modulated(blocks: Iterable[nn.Module], conditions: Sequence[Any]) -> list[Any]:
    """What to call the blocks with: for conditional batch norms, :class:`Modulations` of all blocks that share a condition."""
    blocks = list(blocks)
    norms: dict[int, list[ConditionalBatchNorm]] = {}
    for block, condition in zip(blocks, conditions, strict=True):
        found = [m for m in block.modules() if isinstance(m, ConditionalBatchNorm)]
        norms.setdefault(id(condition), []).extend(found)
    made = {id(c): Modulations(norms[id(c)], c) if norms[id(c)] else c for c in conditions}
    return [made[id(c)] for c in conditions]


class ClassBatchNorm(_Modulated):
    """(1 + γ_y) · x̂ + β_y: a gain and a bias for every class (Dumoulin et al. 2017); y (B,) classes.

    γ and β begin at 0: at the start this is plain batch norm, exactly.
    """

    def __init__(self, channels: int, num_classes: int, eps: float) -> None:
        super().__init__(channels, eps, lambda: nn.Embedding(num_classes, channels))

    def begin(self) -> None:
        """γ = β = 0."""
        for table in (*self.gain.parameters(), *self.bias.parameters()):
            nn.init.zeros_(table)


class BatchNorm(nn.BatchNorm2d):
    """Plain batch norm with a learned gain and bias, which takes a condition and ignores it."""

    def forward(self, input: Tensor, condition: Tensor | None = None) -> Tensor:
        return super().forward(input)
