"""A classifier with a penalty on its input gradients: second derivatives by eager autograd, and from a recording.

The digits, enlarged, are classified with the loss  mean_i L_i + w · mean_i ‖∂L_i/∂x_i‖²  (Drucker and LeCun 1992), whose gradient
is the derivative of a derivative. The network is of convolutions, batch norm and rectifiers. Nothing here is of this library but
`record`, the digits and the count of operations. Both ways must give the same gradients and move batch norm alike; then they are
timed in both layouts of images, taking turns.

    python examples/gradient_penalty.py
"""

import argparse
import copy
import random
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from logan.bench.counting import count
from logan.data.digits import load_digits
from logan.fast import record

parser = argparse.ArgumentParser()
parser.add_argument("--rounds", type=int, default=40)
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--size", type=int, default=32)
parser.add_argument("--width", type=int, default=16)
parser.add_argument("--weight", type=float, default=0.1)
args = parser.parse_args()
torch.manual_seed(0)

Step = Callable[[Tensor, Tensor], tuple[Tensor, ...]]


def layer(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.1)]


def with_penalty(net: nn.Module) -> Step:
    """Images (B, 1, S, S) and their classes (B,) to the loss and its gradients by the weights."""

    def step(images: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        x = images.detach().requires_grad_()
        losses = F.cross_entropy(net(x), labels, reduction="none")
        (slopes,) = torch.autograd.grad(losses.sum(), x, create_graph=True)
        loss = losses.mean() + args.weight * slopes.flatten(1).square().sum(1).mean()
        return loss.detach(), *torch.autograd.grad(loss, list(net.parameters()))

    return step


def without_penalty(net: nn.Module) -> Step:
    """The same without a second derivative."""

    def step(images: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        loss = F.cross_entropy(net(images), labels)
        return loss.detach(), *torch.autograd.grad(loss, list(net.parameters()))

    return step


def largest_error(got: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> float:
    """Of each tensor's largest entry."""
    return max(((a - b).abs().max() / b.abs().max()).item() for a, b in zip(got, expected, strict=True))


def milliseconds(ways: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Of every way in every round, in random order."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for i in range(args.rounds + 2):
        for name in random.sample(list(ways), len(ways)):
            began = time.perf_counter()
            ways[name]()
            if i >= 2:  # warm
                times[name].append(1e3 * (time.perf_counter() - began))
    return times


data, c = load_digits(), args.width
assert data.labels is not None
chosen = torch.randint(len(data.images), (args.batch,))
images = F.interpolate(data.images[chosen] / 127.5 - 1, (args.size, args.size), mode="bilinear")
labels = data.labels[chosen]
net = nn.Sequential(
    *layer(1, c), *layer(c, 2 * c, stride=2), *layer(2 * c, 4 * c, stride=2), nn.Flatten(),
    nn.Linear(4 * c * (args.size // 4) ** 2, 10),
)  # fmt: skip

ways: dict[str, Callable[[], object]] = {}
error = 0.0
for layout, memory_format in (("", torch.contiguous_format), (", channels-last", torch.channels_last)):
    net, x = copy.deepcopy(net), images.to(memory_format=memory_format)
    net.to(memory_format=memory_format)  # type: ignore[call-overload]
    twin = copy.deepcopy(net)
    step, recorded = with_penalty(net), record(with_penalty(twin), [x, labels], [twin])
    error = max(error, largest_error(recorded(x, labels), step(x, labels)))
    recorded.checking = False  # from here on it is measured
    torch.testing.assert_close(twin.state_dict(), net.state_dict())  # batch norm's statistics
    for name, way in (("without the penalty", without_penalty(net)), ("eager", step), ("recorded", recorded)):
        ways[name + layout] = partial(way, x, labels)
assert error < 1e-4, f"gradients differ by {error:.1e}"

times = milliseconds(ways)
print(
    f"{args.batch} images of {args.size}×{args.size}, width {c}; torch {torch.__version__}, {torch.get_num_threads()} threads"
)
print(f"gradients agree to {error:.0e} of their largest entries\n")
print("| | GFLOP | kernels | ms a step | × eager (median of ratios) |")
print("|---|---|---|---|---|")
for name, measured in times.items():
    work = count(ways[name])
    ratio = statistics.median(a / b for a, b in zip(measured, times["eager"], strict=True))
    print(
        f"| {name} | {work.flop / 1e9:.3f} | {work.calls.total()} | {statistics.median(measured):.2f} | {ratio:.2f} |"
    )
