"""The detector ``classifier``: a small convolutional network, trained on the training set's own labels.

For data that look nothing like photographs (digits, clothes, symbols), and for machines that cannot fetch the Inception
weights. Its scores compare with scores by the same weights only: their sha256 stands in every result.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from logan import sealed
from logan.devices import cpu_threads
from logan.errors import InputError, first_line
from logan.files import finite
from logan.foreign import Fields, load_json
from logan.side_effects import same_random_numbers_next

FEATURES = 128
"""Width of the layer before the logits, whose activations are the features."""
IMAGES_SHOWN = 300_000
"""Images shown in training, all epochs together; a third of them where images are larger than ``LARGEST``."""
LARGEST = 32
"""Side in pixels of the maps that the first layer makes of larger images (64×64 or more): so that a classifier of 128×128
pictures is trained in minutes on one core, not in hours."""
BATCH = 128
SEED = 0
LEAST = 20
"""Labelled images, of which fewer teach nothing: a tenth of them is held out, and says how good it is."""
FORMAT = "logan-classifier-1"
"""Changes when the network or its training does, so that no cached weights are taken for others."""


class Classifier(nn.Module):
    """A 3×3 convolution per halving until 4×4 is reached, then 128 features and K logits.

    For images of side 32·r, r ≥ 2, the first convolution is 2r×2r with stride r.

    Group norm instead of batch norm: an image's features never depend on the other images.

    Args:
        channels: of the images.
        image_size: side of the images, 4 or more.
        classes: K.
    """

    def __init__(self, channels: int, image_size: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width, size = 32, image_size
        while True:
            stride = max(1, size // LARGEST)
            kernel, padding = (3, 1) if stride == 1 else (2 * stride, stride // 2)
            layers += [nn.Conv2d(channels, width, kernel, stride, padding), nn.GroupNorm(8, width), nn.SiLU()]
            channels, size = width, (size + 2 * padding - kernel) // stride + 1
            if size < 8:
                break
            layers.append(nn.MaxPool2d(2))
            width, size = min(2 * width, 128), size // 2
        self.body = nn.Sequential(*layers)
        self.project = nn.Linear(channels * size * size, FEATURES)
        self.head = nn.Linear(FEATURES, classes)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 (B, C, S, S) to features (B, 128) and logits (B, K)."""
        x = self.body(pixels.float() / 127.5 - 1)
        features = F.silu(self.project(x.flatten(1)))
        return features, self.head(features)


class ClassifierDetector:
    """A trained :class:`Classifier`.

    Attributes:
        accuracy: on the held-out tenth of the training set, in [0, 1].
    """

    name = "classifier"

    def __init__(self, network: Classifier, shape: tuple[int, int], accuracy: float) -> None:
        self.network = network.eval().requires_grad_(False)
        self.shape, self.accuracy = shape, accuracy
        self.sha256 = _hash(network)
        self.size = sum(value.nbytes for value in network.state_dict().values())

    def to(self, device: torch.device) -> ClassifierDetector:
        """Move the weights."""
        self.network.to(device)
        return self

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 (B, C, S, S), of the size it was trained on, to features (B, 128) and logits (B, K).

        Raises:
            InputError: for images of another shape.
        """
        if tuple(images.shape[1:]) != (self.shape[0], self.shape[1], self.shape[1]):
            raise InputError(
                f"the classifier was trained on images of {self.shape[0]} x {self.shape[1]} x {self.shape[1]}, "
                f"not {' x '.join(map(str, images.shape[1:]))}"
            )
        return self.network(images)


def train_classifier(
    images: Tensor,
    labels: Tensor,
    classes: int,
    *,
    device: torch.device | str = "cpu",
    progress: Callable[[float], None] = lambda fraction: None,
) -> ClassifierDetector:
    """Train one, the same every time on one machine: seeded, and on one CPU thread, since sums depend on their number.

    Every tenth image is held out for ``accuracy``. Adam with one cycle of learning rates, shifts by one pixel, no flips.

    Args:
        images: uint8 (N, C, S, S).
        labels: int64 (N,).
        classes: K ≥ 2.
        device: what computes. The images stay where they are.
        progress: called with the fraction that is done.

    Returns:
        The detector, on the CPU.

    Raises:
        InputError: for too few images, or if all that it may learn from are of one class.
    """
    check_teachable(len(images), "the set")
    device = torch.device(device)
    with same_random_numbers_next(device), cpu_threads(1):
        torch.manual_seed(SEED)
        network = Classifier(images.shape[1], images.shape[2], classes).to(device)
        held = torch.arange(len(images)) % 10 == 9
        if len(labels[~held].unique()) < 2:
            raise InputError("a classifier needs images of two classes to learn from, and all of these are of one")
        accuracy = _fit(network, images[~held], labels[~held], images[held], labels[held], progress)
    return ClassifierDetector(network.cpu(), (images.shape[1], images.shape[2]), accuracy)


def check_teachable(images: int, name: str) -> None:
    """Refuse fewer labelled images than a classifier can learn from (InputError)."""
    if images < LEAST:
        raise InputError(
            f"{name} has {images} labelled images, and a classifier to score with needs {LEAST} or more; use `detector` "
            f"efficientnet-lite0, `detector_weights` FILE of a classifier that is there, or `metrics` none"
        )


def _fit(
    network: Classifier, x: Tensor, y: Tensor, x_held: Tensor, y_held: Tensor, progress: Callable[[float], None]
) -> float:
    steps = IMAGES_SHOWN // (1 if x.shape[2] <= LARGEST else 3) // BATCH
    device = network.head.weight.device
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    network.train()
    with torch.enable_grad():
        for i in range(steps):
            chosen = torch.randint(len(x), (min(BATCH, len(x)),))
            _, logits = network(_shifted(x[chosen].to(device)))
            optimiser.zero_grad()
            F.cross_entropy(logits, y[chosen].to(device)).backward()
            optimiser.step()
            schedule.step()
            progress((i + 1) / steps)
    with torch.no_grad():
        network.eval()
        right = [
            (network(a.to(device))[1].argmax(1).cpu() == b).double()
            for a, b in zip(x_held.split(500), y_held.split(500), strict=True)
        ]
    return torch.cat(right).mean().item()


def _shifted(x: Tensor) -> Tensor:
    """The batch moved by up to one pixel each way, its border repeated."""
    dx, dy = torch.randint(0, 3, (2,)).tolist()
    padded = F.pad(x.float(), (1, 1, 1, 1), mode="replicate").to(torch.uint8)
    return padded[:, :, dy : dy + x.shape[2], dx : dx + x.shape[3]]


def save_classifier(path: Path, detector: ClassifierDetector) -> None:
    """Write its weights, in one move, with shape and accuracy in the header."""
    channels, size = detector.shape
    header = {"format": FORMAT, "channels": channels, "size": size, "classes": detector.network.head.out_features}
    header["accuracy"] = detector.accuracy
    sealed.write(path, json.dumps(finite(header)), detector.network.state_dict())


def load_classifier(path: Path) -> ClassifierDetector:
    """The inverse of :func:`save_classifier`.

    Raises:
        InputError: if the file is missing, damaged or of another format.
    """
    if not path.is_file():
        raise InputError(f"there is no classifier at {path}")
    try:
        text, weights = sealed.read(path)
        f = Fields(load_json(text, "its header"), "its header")
        f.word("format", choices=(FORMAT,))
        channels, size = f.integer("channels", least=1, most=64), f.integer("size", least=4, most=8192)
        classes = f.integer("classes", least=2, most=10**6)
        with torch.device("meta"):  # which takes no memory, whatever the header says
            described = {name: value.shape for name, value in Classifier(channels, size, classes).state_dict().items()}
        if described != {name: value.shape for name, value in weights.items()}:
            raise InputError("its weights are not those of the network that its header describes")
        with torch.random.fork_rng([]):
            network = Classifier(channels, size, classes)
        if not all(value.dtype == torch.float32 and bool(value.isfinite().all()) for value in weights.values()):
            raise InputError("not all of its weights are finite numbers of 32 bits")
        network.load_state_dict(weights)
        return ClassifierDetector(network, (channels, size), f.number("accuracy", least=0, most=1))
    except (InputError, OSError, RuntimeError) as error:
        raise InputError(
            f"{path} is damaged, or no classifier of this version of logan ({first_line(error)}); leave it out, and one is trained"
        ) from None


def _hash(network: nn.Module) -> str:
    """Of the weights' values, wherever they came from."""
    digest = hashlib.sha256(FORMAT.encode())
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
