"""The detector ``inception``: the network of 2015-12-05 on which published FID and IS stand, as torch-fidelity has it."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import torch
from torch import Tensor

from logan.errors import InputError, first_line
from logan.metrics.torch_fidelity import inception_class

FILE_NAME = "weights-inception-2015-12-05-6726825d.pth"
SHA256_START = "6726825d"
"""The first digits of the published file's sha256 are in its name."""
URL = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{FILE_NAME}"


def find_weights(given: str | None) -> Path:
    """The weights file: ``given``, or torch's download cache, where torch-fidelity itself puts it.

    Raises:
        InputError: if there is none; it says where to get it. Nothing is downloaded in silence.
    """
    path = Path(given).expanduser() if given else Path(torch.hub.get_dir()) / "checkpoints" / FILE_NAME
    if not path.is_file():
        where = f"`detector_weights` {path} does not exist" if given else f"no Inception weights at {path}"
        raise InputError(f"{where}; download {URL} and pass `detector_weights` FILE, or use `detector` auto")
    return path


class InceptionDetector:
    """uint8 images of any size, grey or colour, to 2,048 features and 1,008 logits without their bias.

    The resizing to 299×299 is TensorFlow 1's bilinear one, and the logits are ``logits_unbiased``: torch-fidelity's
    choices, which are those of the original graph.

    Args:
        weights: a file; see :func:`find_weights`.
        check: refuse a file that is not the published one. Tests pass False, with random weights in the same format.

    Raises:
        InputError: the file is missing, damaged, or another one; torch-fidelity is not installed.
    """

    name = "inception"

    def __init__(self, weights: str | os.PathLike[str] | None = None, *, check: bool = True) -> None:
        path = find_weights(None if weights is None else os.fspath(weights))
        network = inception_class()
        content = path.read_bytes()
        self.sha256, self.size = hashlib.sha256(content).hexdigest(), len(content)
        if check and not self.sha256.startswith(SHA256_START):
            raise InputError(
                f"{path} is not {FILE_NAME}: its sha256 is {self.sha256[:8]}…; download it again from {URL}"
            )
        try:
            state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
            # torch-fidelity loads whatever pickle it is given. What it is given here holds tensors and nothing else.
            safe = io.BytesIO()
            torch.save(state, safe)
            safe.seek(0)
            self.network = network("inception", ["2048", "logits_unbiased"], feature_extractor_weights_path=safe)
        except Exception as error:  # torch.load and load_state_dict raise many kinds
            raise InputError(
                f"{path} is damaged or not the weights of the Inception network ({first_line(error)}); download {URL}"
            ) from None

    def to(self, device: torch.device) -> InceptionDetector:
        """Move the weights."""
        self.network.to(device)
        return self

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 (B, 1 or 3, H, W) to features (B, 2048) and logits (B, 1008)."""
        features, logits = self.network(images.repeat(1, 3, 1, 1) if images.shape[1] == 1 else images)
        return features, logits
