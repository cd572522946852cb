"""A classifier with a penalty on its input gradients: second derivatives by eager autograd, and from a recording.

The handwritten digits are classified with the loss  mean_i L_i + w · mean_i ‖∂L_i/∂x_i‖²  (Drucker and LeCun 1992), whose gradient
is the derivative of a derivative. The network is of convolutions, batch norm and rectifiers. Nothing here is of this library but the
digits and `record`. Both ways must give the same gradients and move batch norm alike; then they are timed, taking turns.

    python examples/gradient_penalty.py
"""

import argparse
import copy
import random
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from logan.data.digits import load_digits
from logan.fast.record import record

parser = argparse.ArgumentParser()
parser.add_argument("--rounds", type=int, default=60)
parser.add_argument("--batch", type=int, default=64)
parser.add_argument("--width", type=int, default=32)
parser.add_argument("--weight", type=float, default=0.1)
args = parser.parse_args()
torch.manual_seed(0)


def layer(*sizes: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(*sizes, 3, stride, padding=1, bias=False), nn.BatchNorm2d(sizes[1]), nn.LeakyReLU(0.1)]


c = args.width
net = nn.Sequential(
    *layer(1, c), *layer(c, 2 * c, stride=2), *layer(2 * c, 2 * c), nn.Flatten(), nn.Linear(2 * c * 16, 10)
)
parameters = list(net.parameters())


def step(images: Tensor, labels: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The loss on images (B, 1, 8, 8) of classes (B,), and its gradients by the weights."""
    x = images.detach().requires_grad_()
    losses = F.cross_entropy(net(x), labels, reduction="none")
    (slopes,) = torch.autograd.grad(losses.sum(), x, create_graph=True)
    loss = losses.mean() + args.weight * slopes.flatten(1).square().sum(1).mean()
    return loss.detach(), torch.autograd.grad(loss, parameters)


def loss_alone(images: Tensor, labels: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The same without the penalty: what there is to be had without a second derivative."""
    loss = F.cross_entropy(net(images), labels)
    return loss.detach(), torch.autograd.grad(loss, parameters)


def largest_error(got: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> float:
    """Of each tensor's largest entry."""
    return max(((a - b).abs().max() / b.abs().max()).item() for a, b in zip(got, expected, strict=True))


def milliseconds(ways: dict[str, Callable[..., object]]) -> dict[str, list[float]]:
    """Of every way in every round, in random order; the first rounds, in which the recording proves itself, do not count."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for i in range(args.rounds + 4):
        for name in random.sample(list(ways), len(ways)):
            began = time.perf_counter()
            ways[name](images, labels)
            if i >= 4:
                times[name].append(1e3 * (time.perf_counter() - began))
    return times


data = load_digits()
chosen = torch.randint(len(data.images), (args.batch,))
images, labels = data.images[chosen] / 127.5 - 1, data.labels[chosen]
recorded = record(step, [images, labels], [net])

before = copy.deepcopy(net.state_dict())
_, expected = step(images, labels)
moved = copy.deepcopy(net.state_dict())
net.load_state_dict(before)
_, gradients = recorded(images, labels)
error = largest_error(gradients, expected)
assert error < 1e-4, f"gradients differ by {error:.1e}"
torch.testing.assert_close(net.state_dict(), moved)  # batch norm's statistics

times = milliseconds({"without the penalty": loss_alone, "eager": step, "recorded": recorded})
print(f"{args.batch} digits of 8×8, width {args.width}; torch {torch.__version__}, {torch.get_num_threads()} threads")
print(f"gradients agree to {error:.0e} of their largest entries\n")
print("| | ms a step | × eager (median of ratios) |")
print("|---|---|---|")
for name, measured in times.items():
    ratio = statistics.median(a / b for a, b in zip(measured, times["eager"], strict=True))
    print(f"| {name} | {statistics.median(measured):.2f} | {ratio:.2f} |")
