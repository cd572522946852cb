"""The detector ``dinov2``: a self-supervised vision transformer, from a file of weights that the user brings.

FD in its features follows people's judgement of photographs better than FID does (Stein et al. 2023, "Exposing flaws of generative
model evaluation metrics"), who call it FD-DINOv2 and take ViT-L/14 without registers. It has no classes, so no Inception Score.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load as load_safetensors
from torch import Tensor, nn

from logan.devices import without_tf32
from logan.errors import InputError, first_line
from logan.metrics.pixels import resized

NAME = "dinov2"
SIDE, PATCH = 224, 14
HEAD = 64
"""Channels of an attention head, in all sizes."""
SIZES = {"vits14": (384, 12), "vitb14": (768, 12), "vitl14": (1024, 24)}
"""Width and blocks (Oquab et al. 2023, Table 17)."""
PUBLISHED = {
    "vits14": "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
    "vits14-reg4": "f433177089a681826f849f194ece3bb48f4d63fb38d32fc837e3dc7a4e5641fb",
    "vitb14": "0b8b82f85de91b424aded121c7e1dcc2b7bc6d0adeea651bf73a13307fad8c73",
    "vitb14-reg4": "73182a088cf94833c94b1666d1c99e02fe87e2007bff57b564fb6206e25dba71",
    "vitl14": "d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428",
    "vitl14-reg4": "36e4deffbaef061a2576705b0c36f93621e2ae20bf6274694821b0b492551b51",
}
"""sha256 of the official files, as several projects that downloaded and pinned them state it alike."""
URL = "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, of colours in [0, 1]."""
MOST_NUMBERS, MOST_TENSORS = 2**23, 1000
"""In a tensor and in a file: ViT-L has a few hundred of four million at most."""
MOST_GRID, MOST_REGISTERS = 64, 64
AT_ONCE = {"cpu": 8}
"""Images that go through the network together, else 64."""


class Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        q, k, v = self.qkv(x).view(batch, tokens, 3, width // HEAD, HEAD).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, tokens, width))


class FeedForward(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Scale(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class Block(nn.Module):
    """x + γ₁ attention(norm x), then x + γ₂ MLP(norm x)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.attn, self.ls1 = nn.LayerNorm(width, eps=1e-6), Attention(width), Scale(width)
        self.norm2, self.mlp, self.ls2 = nn.LayerNorm(width, eps=1e-6), FeedForward(width), Scale(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class VisionTransformer(nn.Module):
    """DINOv2's, names and all: images (B, 3, 224, 224) to the class token after the last norm, (B, width).

    Args:
        width, blocks: see :data:`SIZES`.
        grid: side of the square of patches for which the positions were learnt; 37 in the published files.
        registers: tokens beside the class's and the patches' (Darcet et al. 2023).
    """

    def __init__(self, width: int, blocks: int, grid: int, registers: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + grid**2, width))
        if registers:
            self.register_tokens = nn.Parameter(torch.empty(1, registers, width))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, PATCH, PATCH)})
        self.blocks = nn.Sequential(*(Block(width) for _ in range(blocks)))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.grid, self.registers = grid, registers

    def positions(self) -> Tensor:
        """(1, 1 + 16·16, width), from those learnt on another grid: as the official code has it, with its antialiasing where there
        are registers, and with its factor (16 + 0.1)/grid, which is not quite the ratio of the sizes, where there are none."""
        side = SIDE // PATCH
        if self.grid == side:
            return self.pos_embed
        first = self.pos_embed[:, :1]
        square = self.pos_embed[:, 1:].unflatten(1, (self.grid, self.grid)).permute(0, 3, 1, 2)
        how: dict[str, Any] = {"size": (side, side), "antialias": True}
        if not self.registers:
            how = {"scale_factor": ((side + 0.1) / self.grid,) * 2}
        return torch.cat([first, F.interpolate(square, mode="bicubic", **how).flatten(2).mT], 1)

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        patches = self.patch_embed["proj"](x).flatten(2).mT
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), patches], 1) + positions
        if self.registers:
            x = torch.cat([x[:, :1], self.register_tokens.expand(len(x), -1, -1), x[:, 1:]], 1)
        return self.norm(self.blocks(x)[:, 0])


class DinoV2Detector:
    """uint8 images of any size, grey or colour, to the class token of DINOv2, in float32 whatever the caller's autocast.

    Images are resized to 224×224 by Pillow's bicubic resampling, kept in float and clipped, as Stein et al.'s code does with
    ``clean_resize``; then (x/255 − mean)/std with ImageNet's.

    Args:
        weights: the official ``dinov2_vit{s,b,l}14[_reg4]_pretrain.pth``, or safetensors with its names, or with those of
            Hugging Face's transformers. The size is read off the shapes. Nothing is fetched.

    Raises:
        InputError: no file is given, or it is missing, damaged, or of another network.

    Attributes:
        name: ``dinov2-vitl14``, ``dinov2-vits14-reg4`` …
        notice: of a file that is not one of the published ones, what to know; else empty.
    """

    def __init__(self, weights: str | os.PathLike[str] | None) -> None:
        if weights is None:
            raise InputError(
                f"`detector` {NAME} needs `detector_weights` FILE, such as {URL}; nothing is fetched by itself"
            )
        path = Path(weights).expanduser()
        state, self.sha256, self.size = _read(path)
        try:
            self.network, self.variant = _network_of(state)
        except (InputError, RuntimeError) as error:
            raise InputError(f"{path} holds no DINOv2 network of the sizes S, B and L ({first_line(error)})") from None
        self.name = f"{NAME}-{self.variant}"
        self.notice = ""
        if self.sha256 not in PUBLISHED.values():
            self.notice = (
                f"{path} is not one of the official files of DINOv2, whatever it holds; to be sure that it stays the same: "
                f"`detector_weights` {path}@{self.sha256}"
            )
        self._positions = self.network.positions()

    def to(self, device: torch.device) -> DinoV2Detector:
        """Move the weights."""
        self.network.to(device)
        self._positions = self._positions.to(device)
        return self

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 (B, 1 or 3, H, W) to features (B, 384, 768 or 1024) and no logits, (B, 0)."""
        mean, std = (torch.tensor(x, device=images.device).view(3, 1, 1) for x in (MEAN, STD))
        with without_tf32(), torch.autocast(images.device.type, enabled=False):
            features = torch.cat(
                [
                    self.network((resized(part, SIDE) / 255 - mean) / std, self._positions)
                    for part in images.split(AT_ONCE.get(images.device.type, 64))
                ]
            )
        return features, features[:, :0]


def _read(path: Path) -> tuple[dict[str, Tensor], str, int]:
    """Tensors by name, sha256 and bytes of a file."""
    if not path.is_file():
        raise InputError(f"`detector_weights` {path} does not exist; DINOv2's are at {URL}, for example")
    try:
        with open(path, "rb") as file:
            digest, size = hashlib.sha256(), 0
            while part := file.read(2**24):
                digest.update(part)
                size += len(part)
            file.seek(0)
            if path.suffix == ".safetensors":
                state: Any = load_safetensors(file.read())
            else:
                state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load and safetensors raise many kinds
        raise InputError(f"{path} is damaged, or no file of weights ({first_line(error)})") from None
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise InputError(f"{path} holds something else than tensors by name")
    if len(state) > MOST_TENSORS or any(v.numel() > MOST_NUMBERS for v in state.values()):  # a few bytes can claim many
        raise InputError(f"{path} holds no DINOv2 network of the sizes S, B and L (it has more numbers than they have)")
    return dict(state), digest.hexdigest(), size


def _network_of(state: Mapping[str, Tensor]) -> tuple[VisionTransformer, str]:
    """The network whose shapes these are, and which it is: ``vitb14-reg4``."""
    state = _official_names(state)
    for name in ("cls_token", "pos_embed", *(["register_tokens"] if "register_tokens" in state else [])):
        if name not in state or state[name].ndim != 3:
            raise InputError(f"it has no {name} of three dimensions")
    width = state["cls_token"].shape[-1]
    blocks = 1 + max((int(m[1]) for name in state if (m := re.match(r"blocks\.(\d{1,3})\.", name))), default=-1)
    variant = next((name for name, size in SIZES.items() if size == (width, blocks)), None)
    if variant is None:
        raise InputError(f"its width is {width}, and it has {blocks} blocks")
    grid = round((state["pos_embed"].shape[1] - 1) ** 0.5)
    registers = state["register_tokens"].shape[1] if "register_tokens" in state else 0
    if grid > MOST_GRID or registers > MOST_REGISTERS:
        raise InputError(f"it has {grid} x {grid} positions and {registers} registers")
    with torch.device("meta"):  # no random numbers are drawn for weights that are replaced
        network = VisionTransformer(width, blocks, grid, registers)
    values = {name: value.float() for name, value in state.items() if name != "mask_token"}  # of the training alone
    network.load_state_dict(values, assign=True)
    if not all(bool(value.isfinite().all()) for value in values.values()):
        raise InputError("not all of its weights are finite numbers")
    return network.eval().requires_grad_(False), variant + (f"-reg{registers}" if registers else "")


OF_TRANSFORMERS = (
    ("embeddings.patch_embeddings.projection", "patch_embed.proj"),
    ("embeddings.position_embeddings", "pos_embed"),
    ("embeddings.", ""),
    ("encoder.layer.", "blocks."),
    ("attention.attention.query", "attention.q_proj"),
    ("attention.attention.key", "attention.k_proj"),
    ("attention.attention.value", "attention.v_proj"),
    ("attention.output.dense", "attn.proj"),
    ("attention.o_proj", "attn.proj"),
    ("layer_scale1.lambda1", "ls1.gamma"),
    ("layer_scale2.lambda1", "ls2.gamma"),
    ("layernorm.", "norm."),
)
"""What Hugging Face's transformers calls things, before and since its version 5, and what the official file does."""


def _official_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if "embeddings.cls_token" not in state:
        return dict(state)
    renamed = {}
    for name, value in state.items():
        for theirs, official in OF_TRANSFORMERS:
            name = name.replace(theirs, official)
        renamed[name] = value
    for name in [n for n in renamed if "attention.q_proj" in n]:  # three layers there, one here
        parts = [name.replace("q_proj", part) for part in ("q_proj", "k_proj", "v_proj")]
        if all(part in renamed for part in parts):
            renamed[name.replace("attention.q_proj", "attn.qkv")] = torch.cat([renamed.pop(part) for part in parts])
    return renamed
