"""Whether a game can be played with these optimisers, and on so few samples: asked before anything of it is done."""

from __future__ import annotations

import inspect
from typing import NamedTuple

import torch
from torch import Tensor, nn

from logan.errors import InputError
from logan.side_effects import no_side_effects, same_random_numbers_next
from logan.turns import call, trainable

ONE_VALUE = "Expected more than 1 value per channel when training"
"""How torch's batch norm and group norm begin to say that they have nothing to normalise over."""
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def check_optimiser(name: str, optimiser: torch.optim.Optimizer, player: str, network: nn.Module) -> None:
    """Refuse an optimiser that cannot be asked for a step of this network's parameters, or does not hold them.

    One that holds other parameters beside all of the network's is taken: those have no gradients, and stay.

    Raises:
        InputError: naming it.
    """
    groups, step = getattr(optimiser, "param_groups", None), getattr(optimiser, "step", None)
    if groups is None or not callable(step) or isinstance(optimiser, type):
        raise InputError(
            f"`{name}` is a torch optimiser, such as torch.optim.Adam({player}.parameters()), not {optimiser!r}"
        )
    kind = type(optimiser).__name__
    if isinstance(optimiser, torch.optim.SparseAdam):
        raise InputError(f"`{name}` {kind} takes sparse gradients alone, and those of a game are dense; try Adam")
    if any(p.default is p.empty and p.kind in _POSITIONAL for p in inspect.signature(step).parameters.values()):
        raise InputError(
            f"`{name}` {kind} wants a closure, to look at the loss several times in one step; a game has two losses, and gives "
            f"gradients at one point: take an optimiser whose step takes none, such as Adam"
        )
    held = {id(p) for group in groups for p in group["params"]}
    own = {id(p) for p in network.parameters()}
    if own and not own & held:
        raise InputError(f"`{name}` holds none of the {player}'s parameters: are the two optimisers swapped?")
    lacking = sum(id(p) not in held for p in trainable(network))
    if lacking and held - own:
        raise InputError(
            f"`{name}` holds {len(held - own)} parameters that are not the {player}'s, and lacks {lacking} that are: make it after "
            f"the last change of the {player}, from {player}.parameters()"
        )


class Where(NamedTuple):
    """How a sample comes to be alone: of a batch of ``n``, in parts of ``part`` (None: in one), of which the smallest has ``size``
    and moves the latents of ``share``."""

    n: int
    part: int | None
    size: int
    share: float

    def __str__(self) -> str:
        why = "batch norm in training mode has nothing to normalise over in one sample"
        instead = "or put a norm over other dimensions in its place, such as torch.nn.LayerNorm"
        if self.size > 1:
            return f"`latent_share` {self.share:g} moves one of {self.size} samples, and {why}: take a larger share, {instead}"
        if self.part is None or self.n == 1:
            return f"`reals` gave a batch of one image, and {why}: give two or more, {instead}"
        if self.part == 1:
            return f"`micro_batch` is 1, and {why}: make it 2 or more, {instead}"
        return (
            f"`micro_batch` {self.part} leaves one sample of {self.n} for the last part, and {why}: take one that leaves none or "
            f"more, {instead}"
        )


def check_alone(generator: nn.Module, discriminator: nn.Module, z: Tensor, labels: Tensor | None, where: Where) -> None:
    """Refuse one sample that a network cannot normalise over, by asking both for it; z is (1, d), ``labels`` (1,) or None.

    Batch norm behind a convolution has its pixels, and is content.

    Raises:
        InputError: saying ``where`` it comes from.
    """
    with torch.no_grad(), no_side_effects(), same_random_numbers_next(z.device):
        try:
            call(discriminator, call(generator, z, labels), labels)
        except ValueError as error:
            if not str(error).startswith(ONE_VALUE):
                raise
            raise InputError(str(where)) from None
