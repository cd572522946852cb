"""Passes through networks that leave no trace in them, and none in the random numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

from logan.side_effects.places import Replaced

_PUTTING_COPIES: list[Callable[[nn.Module, object], None]] = []


def announce_use(module: nn.Module) -> None:
    """To be said by what moves a module's state without calling it, before it does."""
    for put_copies in _PUTTING_COPIES:
        put_copies(module, None)


@contextmanager
def no_side_effects() -> Iterator[None]:
    """Let every module that is called inside work on private copies of its state; put the originals back at the end.

    It needs no list of modules: it acts on those that are called, and on all their children. What state is: see
    :meth:`logan.side_effects.places.Replaced.put_copies`. Out of its sight are tensors kept as plain attributes, and modules
    whose methods are used without calling the module.
    """
    seen: set[int] = set()
    with Replaced() as replaced:

        def put_copies(module: nn.Module, _inputs: object) -> None:
            if id(module) in seen:
                return
            for part in module.modules():
                if id(part) not in seen:
                    seen.add(id(part))
                    replaced.put_copies(part)

        handle = register_module_forward_pre_hook(put_copies)
        _PUTTING_COPIES.append(put_copies)
        try:
            yield
        finally:
            _PUTTING_COPIES.remove(put_copies)
            handle.remove()


@contextmanager
def on_copies_of_state(*modules: nn.Module) -> Iterator[None]:
    """Let ``modules`` work on copies of their state; put the originals back at the end.

    :func:`no_side_effects` swaps a module's state once it is called. That is too late for what moves the hook-based spectral
    norm before any call: :func:`logan.side_effects.held` and :func:`logan.side_effects.frozen`.
    """
    with Replaced() as replaced:
        for part in {part: None for module in modules for part in module.modules()}:
            replaced.put_copies(part)
        yield


@contextmanager
def same_random_numbers_next(*devices: torch.device) -> Iterator[None]:
    """Put torch's global random generators (of the CPU and of ``devices``) back to where they were on entry."""
    mps = torch.mps.get_rng_state() if any(device.type == "mps" for device in devices) else None
    with torch.random.fork_rng([device for device in set(devices) if device.type == "cuda"]):
        try:
            yield
        finally:
            if mps is not None:  # fork_rng asks for a device's number, which torch.mps does not take
                torch.mps.set_rng_state(mps)
