"""Activation checkpointing: blocks that forget what they computed and compute it again when a backward pass asks for it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from logan.side_effects import no_side_effects
from logan.side_effects.places import Replaced


class Checkpointed(nn.Module):
    """For networks made of blocks.

    Attributes:
        checkpointing: whether the blocks do so: less memory, more time, the same results. Set it on the network; it is no part
            of its state.
    """

    checkpointing: bool = False

    def run(self, block: nn.Module, *inputs: Tensor | None) -> Tensor:
        """``block(*inputs)``."""
        if not (self.checkpointing and torch.is_grad_enabled()):
            return block(*inputs)
        before = _State(block)
        return checkpoint(block, *inputs, use_reentrant=False, context_fn=before.contexts)


class _State(AbstractContextManager[None]):
    """A block's buffers and modes before its first pass, from which the second pass has to start; as a context, the second pass.

    In training mode a pass moves things: spectral norm's vectors, from which the weights follow, and batch norm's statistics.
    A second pass from where the first one ended would compute with other weights, and move the statistics twice. Inside the
    context the block runs from here, on copies; afterwards it is as it was found. There may be a third pass, and more.
    """

    def __init__(self, block: nn.Module) -> None:
        self.block = block
        parts = list(block.modules())
        self.modes = [(part, part.training) for part in parts]
        self.buffers: list[tuple[dict[str, Any], str, Tensor]] = [
            (part._buffers, name, buffer.detach().clone())
            for part in parts
            for name, buffer in part._buffers.items()
            if buffer is not None
        ]
        self._undo = ExitStack()

    def contexts(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        """Of the first pass, and of each repetition."""
        return nullcontext(), self

    def __enter__(self) -> None:
        self._replaced = self._undo.enter_context(Replaced())
        # The hook of a module runs after those of all modules, with which no_side_effects puts its copies in: inside them.
        self._undo.callback(self.block.register_forward_pre_hook(self._put_in).remove)
        self._undo.enter_context(no_side_effects())

    def __exit__(self, *exception: object) -> None:
        self._undo.close()

    def _put_in(self, _block: nn.Module, _inputs: object) -> None:
        for owner, name, value in self.buffers:
            owner[name] = value.clone()
        for part, training in self.modes:
            self._replaced.set_mode(part, training)


def recompute_activations(networks: Iterable[nn.Module], on: bool) -> None:
    """Switch checkpointing on or off where networks have it."""
    for network in networks:
        if isinstance(network, Checkpointed):
            network.checkpointing = on
