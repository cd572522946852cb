"""Networks whose weights are functions of other tensors (spectral norm, weight norm, …), held still for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.spectral_norm import SpectralNorm as HookSpectralNorm

from logan.side_effects import batched_norm
from logan.side_effects.places import Replaced
from logan.side_effects.traceless import no_side_effects


@contextmanager
def held(*modules: nn.Module, move: bool = True) -> Iterator[None]:
    """Hold the effective weights of ``modules`` fixed: every pass inside sees the same D and the same G.

    Parametrised weights (``torch.nn.utils.parametrizations``: spectral norm, weight norm, orthogonal) are computed once,
    on entry, and shared by all passes, with their graph. That one computation advances the spectral-norm vectors, as one
    training step should: with ``move=True`` for good, with ``move=False`` for the time inside. The older hook-based
    ``torch.nn.utils.spectral_norm`` gets the same treatment.

    A home-made spectral norm that moves its vectors in ``forward``, as BigGAN-PyTorch's does, is out of reach: f(z) and f(z′)
    share one D, but the real images are judged after a second power iteration, as in ordinary training loops. On small layers
    D's gradient is then 14 to 39 % away from that of one D at fresh vectors, and less than 1 % once 20 passes have settled
    them (five seeds; ``tests/test_side_effects.py``).

    Parameters must not be updated inside: the shared weights would be stale.
    """
    with parametrize.cached(), Replaced() as replaced:
        if move:
            _compute_parametrised_weights(modules)
        else:
            with no_side_effects():
                _compute_parametrised_weights(modules)
        _advance_hook_spectral_norms(modules, replaced, move)
        yield


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Advance spectral-norm vectors once, on entry, and hold them: inside, ``modules`` are pure functions of their parameters.

    Unlike :func:`held` nothing is kept between passes, so that parameters may be replaced inside. Only what normalises
    weights is put into evaluation mode; batch norm and dropout stay as they are.
    """
    _compute_parametrised_weights(modules)
    with Replaced() as replaced:
        _advance_hook_spectral_norms(modules, replaced, move=True)
        for module in modules:
            for part in module.modules():
                for rule in part.parametrizations.modules() if parametrize.is_parametrized(part) else ():  # type: ignore[union-attr]
                    if rule.training:
                        replaced.set_mode(rule, training=False)
        yield


def _advance_hook_spectral_norms(modules: tuple[nn.Module, ...], replaced: Replaced, move: bool) -> None:
    """One power iteration, on copies of the vectors unless they are to ``move``; none after it."""
    training = [(part, hook) for part, hook in _hook_spectral_norms(modules) if part.training]
    for part, hook in training:
        for vector in (f"{hook.name}_u", f"{hook.name}_v") if not move else ():
            replaced.put((part._buffers, vector), part._buffers[vector].clone())  # type: ignore[union-attr]
        hook(part, None)
    for part, _ in training:  # when all of a part's have moved: a hook iterates only in training mode
        replaced.set_mode(part, training=False)


def _compute_parametrised_weights(modules: tuple[nn.Module, ...]) -> None:
    """Spectral norms of equal shapes together, the rest one by one; `cached` keeps what was computed."""
    together = batched_norm.normalise(batched_norm.groups(modules))
    for normed, weight in together:
        with normed.in_its_place(weight):
            getattr(normed.part, normed.name)
    done = {(id(normed.part), normed.name) for normed, _ in together}
    for module in modules:
        for part in module.modules():
            if parametrize.is_parametrized(part):
                for name in part.parametrizations:  # type: ignore[union-attr]
                    if (id(part), name) not in done:
                        getattr(part, name)  # reading it computes it


def _hook_spectral_norms(modules: tuple[nn.Module, ...]) -> Iterator[tuple[nn.Module, HookSpectralNorm]]:
    for module in modules:
        for part in module.modules():
            for hook in list(part._forward_pre_hooks.values()):
                if isinstance(hook, HookSpectralNorm):
                    yield part, hook
