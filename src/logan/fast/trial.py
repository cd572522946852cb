"""Play something on trial: everything that a pass through networks can change is put back."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import _disable_current_modes

from logan.fast.attributes import Attributes


class Before:
    """How things stand: tensors, Python's attributes, and sources of random numbers.

    Args:
        attributes: of the networks.
        inputs: other tensors that may be written into.
    """

    def __init__(self, attributes: Attributes, inputs: Sequence[Tensor | None] = ()) -> None:
        self.attributes = attributes
        tensors = [*attributes.tensors(), *(x for x in inputs if x is not None)]
        self.tensors = [(t, t.detach().clone()) for t in tensors]
        self._put_back_attributes = attributes.copies()
        self.random = RandomNumbers(attributes)

    @torch.no_grad()
    def put_back(self) -> None:
        """Let them stand so again."""
        self._put_back_attributes()
        for tensor, numbers in self.tensors:
            if (tensor.shape, tensor.dtype, tensor.device) != (numbers.shape, numbers.dtype, numbers.device):
                tensor.data = numbers
            elif not same_numbers(
                tensor, numbers
            ):  # some tensors cannot be written, and others are parts of somebody's graph
                tensor.detach().copy_(numbers)
        self.random.put_back()


@contextmanager
def on_trial(attributes: Attributes) -> Iterator[Before]:
    """What runs inside leaves no trace in what the attributes list, nor in the random numbers."""
    before = Before(attributes)
    try:
        yield before
    finally:
        before.put_back()


class RandomNumbers:
    """The states of all sources of random numbers that networks may draw from: torch's, numpy's, Python's and their own."""

    def __init__(self, attributes: Attributes) -> None:
        tensors = attributes.tensors()
        self._own = attributes.generators
        self._kinds = {t.device.type for t in tensors}
        self._cuda = sorted({t.device.index for t in tensors if t.device.type == "cuda"})
        self._planned = any(isinstance(t, FakeTensor) for t in tensors)
        self.states = self._read()

    def drawn(self) -> list[str]:
        """Which have been drawn from since."""
        return [name for name, state in self._read().items() if not _equal(state, self.states[name])]

    def now(self) -> dict[str, Any]:
        """Their states at this moment, by name."""
        return self._read()

    def put_back(self) -> None:
        """Let them draw again what they have drawn since."""
        states = self.states
        random.setstate(states["Python's random"])
        np.random.set_state(states["numpy.random"])
        if not self._planned:
            torch.set_rng_state(states["torch"])
        for index in self._cuda:
            torch.cuda.set_rng_state(states[f"torch on cuda:{index}"], index)
        if "mps" in self._kinds:
            torch.mps.set_rng_state(states["torch on mps"])
        for i, generator in enumerate(self._own):
            _set(generator, states[f"{type(generator).__name__} {i}"])

    def _read(self) -> dict[str, Any]:
        states: dict[str, Any] = {"Python's random": random.getstate(), "numpy.random": np.random.get_state()}
        if not self._planned:
            states["torch"] = torch.get_rng_state()
        states |= {f"torch on cuda:{index}": torch.cuda.get_rng_state(index) for index in self._cuda}
        if "mps" in self._kinds:
            states["torch on mps"] = torch.mps.get_rng_state()
        return states | {f"{type(g).__name__} {i}": _get(g) for i, g in enumerate(self._own)}


def copy_of(x: Tensor) -> Tensor:
    """The same numbers in the same order in other memory. As it is where several entries share a place: it cannot be written."""
    copy = x.detach().clone()
    return copy.requires_grad_(x.requires_grad) if copy.stride() == x.stride() else x


def copies_of(inputs: Sequence[Tensor | None]) -> list[Tensor | None]:
    """:func:`copy_of` each; one tensor that is given twice is one again, since what is written into it is read by both names."""
    copies: dict[int, Tensor] = {}
    return [
        None if x is None else copies[id(x)] if id(x) in copies else copies.setdefault(id(x), copy_of(x))
        for x in inputs
    ]


def same_numbers(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors of one kind hold the same, NaN for NaN; of tensors without numbers nobody knows."""
    if isinstance(a, FakeTensor) or a.device.type == "meta":
        return False
    if a.is_floating_point() and a.element_size() == 1:  # which hardly any operation takes
        a, b = a.view(torch.uint8), b.view(torch.uint8)
    with _disable_current_modes():  # comparing is no part of what others record, count or forbid
        return bool(torch.eq(a, b).logical_or(torch.ne(a, a)).all())


def equal_states(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    """The names of sources whose states differ."""
    return [name for name in a if not _equal(a[name], b[name])]


def _get(generator: Any) -> Any:
    if isinstance(generator, random.Random):
        return generator.getstate()
    if isinstance(generator, np.random.Generator):
        return copy.deepcopy(generator.bit_generator.state)
    return generator.get_state()


def _set(generator: Any, state: Any) -> None:
    if isinstance(generator, random.Random):
        generator.setstate(state)
    elif isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    else:
        generator.set_state(state)


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return bool(np.array_equal(a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_equal(a[k], b[k]) for k in a)
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(_equal, a, b))
    return bool(a == b)
