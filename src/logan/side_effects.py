"""Keep a network the same function for a while.

A pass through a network in training mode leaves traces: batch norm moves its running statistics, spectral norm its
singular vectors. LOGAN runs two passes per step, f(z) and f(z′), and equation 8 of Wu et al. (2019) is only true of them
if both are values of *one* function f = D∘G. The context managers here see to that:

* :func:`no_side_effects`: whatever runs inside leaves no trace in the state of any module that is called;
* :func:`on_copies_of_state`: likewise of the modules it is given, from the start and not once they are called;
* :func:`same_random_numbers_next`: what runs after it draws the random numbers that were drawn inside;
* :func:`held`: spectral-norm vectors move once, on entry; inside, D and G have one fixed set of weights;
* :func:`frozen`: likewise, but inside the parameters may be others: D and G are one fixed function of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.nn.utils import parametrize
from torch.nn.utils.spectral_norm import SpectralNorm as HookSpectralNorm


@contextmanager
def no_side_effects() -> Iterator[None]:
    """Let every module that is called inside work on private copies of its state; put the originals back at the end.

    State means buffers (running statistics, spectral-norm vectors, counters) and frozen parameters that are vectors (some
    spectral-norm implementations keep theirs as those). Copies are swapped in, rather than values written back,
    so that the graph of an earlier pass stays valid and a copy may live on in the graph of this one.

    It needs no list of modules: it acts on those that are called, and on all their children. Out of its sight are tensors
    kept as plain attributes, and modules whose methods are used without calling the module.
    """
    originals: list[Place] = []
    seen: set[int] = set()

    def swap_in_copies(module: nn.Module, _inputs: object) -> None:
        if id(module) in seen:
            return
        for part in module.modules():
            if id(part) not in seen:
                seen.add(id(part))
                originals.extend(_swap_in_copies(part))

    handle = register_module_forward_pre_hook(swap_in_copies)
    try:
        yield
    finally:
        handle.remove()
        _put_back(originals)


@contextmanager
def on_copies_of_state(*modules: nn.Module) -> Iterator[None]:
    """Let ``modules`` work on copies of their state; put the originals back at the end.

    State is what it is in :func:`no_side_effects`, which swaps a module's once it is called. That is too late for what moves
    the hook-based spectral norm before any call: :func:`held` and :func:`frozen`.
    """
    originals: list[Place] = []
    try:
        for part in {part: None for module in modules for part in module.modules()}:
            originals.extend(_swap_in_copies(part))
        yield
    finally:
        _put_back(originals)


Place = tuple[dict[str, Any], str, Tensor]
"""Where a module keeps a tensor: the dictionary and the name; and the tensor."""


def _swap_in_copies(part: nn.Module) -> list[Place]:
    """Give one module, and none of its children, copies of its state; returns the originals and where they were."""
    originals: list[Place] = []
    for name, buffer in part._buffers.items():
        if buffer is not None and not nn.parameter.is_lazy(buffer):
            originals.append((part._buffers, name, buffer))
            part._buffers[name] = buffer.clone()
    for name, parameter in part._parameters.items():
        if parameter is not None and not parameter.requires_grad and _is_vector(parameter):
            originals.append((part._parameters, name, parameter))
            part._parameters[name] = nn.Parameter(parameter.detach().clone(), requires_grad=False)
    return originals


def _put_back(originals: list[Place]) -> None:
    for owner, name, original in originals:
        owner[name] = original


def _is_vector(parameter: nn.Parameter) -> bool:
    return not nn.parameter.is_lazy(parameter) and parameter.numel() == max(parameter.shape, default=0)


@contextmanager
def same_random_numbers_next(device: torch.device) -> Iterator[None]:
    """Put torch's global random generators (of the CPU and of ``device``) back to where they were on entry."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield


@contextmanager
def held(*modules: nn.Module, move: bool = True) -> Iterator[None]:
    """Hold the effective weights of ``modules`` fixed: every pass inside sees the same D and the same G.

    Parametrised weights (``torch.nn.utils.parametrizations``: spectral norm, weight norm, orthogonal) are computed once,
    on entry, and shared by all passes, with their graph. With ``move=True`` that one computation advances the
    spectral-norm vectors, as one training step should; with ``move=False`` they are left where they were. The older
    hook-based ``torch.nn.utils.spectral_norm`` gets the same treatment.

    Parameters must not be updated inside: the shared weights would be stale.
    """
    with parametrize.cached(), ExitStack() as stack:
        if move:
            _compute_parametrised_weights(modules)
        else:
            with no_side_effects():
                _compute_parametrised_weights(modules)
        for part, hook in _hook_spectral_norms(modules):
            if not part.training:
                continue
            if move:
                hook(part, None)  # one power iteration
            _switch_off(part, stack)  # the hook iterates only in training mode; convolutions ignore the flag
        yield


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Advance spectral-norm vectors once, on entry, and hold them: inside, ``modules`` are pure functions of their parameters.

    Unlike :func:`held` nothing is kept between passes, so that parameters may be replaced inside. Only what normalises
    weights is put into evaluation mode; batch norm and dropout stay as they are.
    """
    _compute_parametrised_weights(modules)
    with ExitStack() as stack:
        for part, hook in _hook_spectral_norms(modules):
            if part.training:
                hook(part, None)
                _switch_off(part, stack)
        for module in modules:
            for part in module.modules():
                for rule in part.parametrizations.modules() if parametrize.is_parametrized(part) else ():  # type: ignore[union-attr]
                    if rule.training:
                        _switch_off(rule, stack)
        yield


def _switch_off(part: nn.Module, stack: ExitStack) -> None:
    """Put one module, and none of its children, into evaluation mode until ``stack`` closes."""
    part.training = False
    stack.callback(setattr, part, "training", True)


def _compute_parametrised_weights(modules: tuple[nn.Module, ...]) -> None:
    for module in modules:
        for part in module.modules():
            if parametrize.is_parametrized(part):
                for name in part.parametrizations:  # type: ignore[union-attr]
                    getattr(part, name)  # reading it computes it, and `cached` keeps it


def _hook_spectral_norms(modules: tuple[nn.Module, ...]) -> Iterator[tuple[nn.Module, HookSpectralNorm]]:
    for module in modules:
        for part in module.modules():
            for hook in list(part._forward_pre_hooks.values()):
                if isinstance(hook, HookSpectralNorm):
                    yield part, hook
