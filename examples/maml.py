"""One step of MAML (Finn et al. 2017): second derivatives by eager autograd, and from a recording.

A task is to tell five of the ten digits apart under numbers of its own. In every task the network, that of the paper's Omniglot,
takes one gradient step on five images of each, θ′ = θ − α ∂L(θ)/∂θ, and is judged by its loss on five others; the outer gradient
dL′(θ′)/dθ goes through the inner one. Nothing here is of this library but `record`, the digits and the count of operations. Both
ways must give the same gradients; then they are timed, taking turns.

    python examples/maml.py
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from logan.bench.counting import count
from logan.data.digits import load_digits
from logan.fast import record

parser = argparse.ArgumentParser()
parser.add_argument("--rounds", type=int, default=30)
parser.add_argument("--tasks", type=int, default=4)
parser.add_argument("--width", type=int, default=32)
parser.add_argument("--rate", type=float, default=0.1)
args = parser.parse_args()
torch.manual_seed(0)
WAYS, SHOTS = 5, 5


def layer(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


c = args.width
net = nn.Sequential(*layer(1, c), *layer(c, c), *layer(c, c), *layer(c, c), nn.Flatten(), nn.Linear(4 * c, WAYS))
theta: dict[str, Tensor] = dict(net.named_parameters())


def step(images: Tensor, labels: Tensor, second_order: bool = True) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The outer loss and its gradient.

    ``images`` are (tasks, 2, WAYS · SHOTS, 1, 28, 28): of each task those to learn from, and those to be judged by; ``labels`` are
    (tasks, 2, WAYS · SHOTS).
    """
    losses = []
    for (x, x_judged), (y, y_judged) in zip(images, labels, strict=True):
        inner = F.cross_entropy(functional_call(net, theta, (x,)), y)
        slopes = torch.autograd.grad(inner, list(theta.values()), create_graph=second_order)
        adapted = {name: p - args.rate * g for (name, p), g in zip(theta.items(), slopes, strict=True)}
        losses.append(F.cross_entropy(functional_call(net, adapted, (x_judged,)), y_judged))
    loss = torch.stack(losses).mean()
    return loss.detach(), torch.autograd.grad(loss, list(theta.values()))


def first_order(images: Tensor, labels: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The same with the inner gradient a constant: what there is to be had without a second derivative."""
    return step(images, labels, second_order=False)


def tasks() -> tuple[Tensor, Tensor]:
    """New ones: classes, images and numbers drawn at random."""
    chosen = []
    for _ in range(args.tasks):
        classes = torch.randperm(10)[:WAYS]
        of_each = [(data.labels == k).nonzero().flatten() for k in classes]
        chosen.append(torch.stack([where[torch.randperm(len(where))[: 2 * SHOTS]] for where in of_each]))
    which = torch.stack(chosen).view(args.tasks, WAYS, 2, SHOTS).transpose(1, 2).flatten(2)
    numbers = torch.arange(WAYS).repeat_interleave(SHOTS).expand(args.tasks, 2, -1)
    return images[which], numbers.contiguous()


def largest_error(got: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> float:
    """Of each tensor's largest entry."""
    return max(((a - b).abs().max() / b.abs().max()).item() for a, b in zip(got, expected, strict=True))


def milliseconds(ways: dict[str, Callable[..., object]]) -> dict[str, list[float]]:
    """Of every way in every round, in random order."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for i in range(args.rounds + 2):
        batch = tasks()
        for name in random.sample(list(ways), len(ways)):
            began = time.perf_counter()
            ways[name](*batch)
            if i >= 2:  # warm
                times[name].append(1e3 * (time.perf_counter() - began))
    return times


data = load_digits()
images = F.interpolate(data.images / 127.5 - 1, (28, 28), mode="bilinear")
recorded = record(step, tasks(), [net])
batch = tasks()
error = largest_error(recorded(*batch)[1], step(*batch)[1])
recorded.checking = False  # from here on it is measured
assert error < 1e-4, f"gradients differ by {error:.1e}"

ways: dict[str, Callable[..., object]] = {"first order": first_order, "eager": step, "recorded": recorded}
times = milliseconds(ways)
print(
    f"{args.tasks} tasks of {WAYS} × 2 × {SHOTS} images, width {c}; torch {torch.__version__}, {torch.get_num_threads()} threads"
)
print(f"gradients agree to {error:.0e} of their largest entries\n")
print("| | GFLOP | kernels | ms a step | × eager (median of ratios) |")
print("|---|---|---|---|---|")
for name, measured in times.items():
    work = count(partial(ways[name], *batch))
    ratio = statistics.median(a / b for a, b in zip(measured, times["eager"], strict=True))
    print(
        f"| {name} | {work.flop / 1e9:.3f} | {work.calls.total()} | {statistics.median(measured):.2f} | {ratio:.2f} |"
    )
