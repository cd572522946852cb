"""Batch norm whose gain and bias depend on a condition; and without one, behind the same call."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

MakeNorm = Callable[[int], nn.Module]
"""Channels to a layer that is called with x (B, C, H, W) and a condition."""


class _Modulated(nn.Module):
    """(1 + gain(c)) · x̂ + bias(c), with x̂ normalised over the batch."""

    def __init__(self, channels: int, eps: float, make: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, eps=eps, affine=False)
        self.gain, self.bias = make(), make()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        gain, bias = 1 + self.gain(condition), self.bias(condition)
        return self.norm(x) * gain[:, :, None, None] + bias[:, :, None, None]


class ConditionalBatchNorm(_Modulated):
    """(1 + W_g c) · x̂ + W_b c, with x̂ normalised over the batch; x (B, C, H, W), c (B, ``condition_dim``).

    BigGAN's (Brock et al. 2018, appendix B): linear maps without biases of a vector that all layers share. The 1 is not a
    detail: without it the gain is centred at zero, and google/compare_gan#54 reports that BigGAN-deep then never trains. With
    W orthogonal and divided by its spectral norm, the gain is 1 in the mean over c, and where c = 0.
    """

    def __init__(self, channels: int, condition_dim: int, eps: float) -> None:
        super().__init__(channels, eps, lambda: nn.Linear(condition_dim, channels, bias=False))


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
