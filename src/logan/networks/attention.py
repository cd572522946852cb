"""Self-attention over the places of a feature map: the non-local block of SAGAN (Zhang et al. 2018, eq. 1-3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SelfAttention(nn.Module):
    """x + γ · o(softmax(θ(x)ᵀ φ(x)) g(x)) with γ = 0 at the start; x (B, C, H, W).

    θ and φ have C/8 channels and g has C/2; φ and g are pooled 2×2, as in BigGAN. No biases (Brock et al. 2018, appendix B).
    Written in matrix products: the fused attention kernels have no second derivative.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query_channels, self.value_channels = max(channels // 8, 1), max(channels // 2, 1)
        self.theta = nn.Conv2d(channels, self.query_channels, 1, bias=False)
        self.phi = nn.Conv2d(channels, self.query_channels, 1, bias=False)
        self.g = nn.Conv2d(channels, self.value_channels, 1, bias=False)
        self.o = nn.Conv2d(self.value_channels, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        b, _, h, w = x.shape
        theta = self.theta(x).reshape(b, self.query_channels, h * w)
        phi = F.max_pool2d(self.phi(x), 2).reshape(b, self.query_channels, h * w // 4)
        g = F.max_pool2d(self.g(x), 2).reshape(b, self.value_channels, h * w // 4)
        weights = torch.softmax(torch.bmm(theta.transpose(1, 2), phi), dim=2)  # (B, HW, HW/4): a row per place
        # in this order the gradient of the weights, the largest tensor of all, comes out in their own memory order
        seen = torch.bmm(weights, g.transpose(1, 2)).transpose(1, 2).reshape(b, self.value_channels, h, w)
        return x + self.gamma * self.o(seen)
