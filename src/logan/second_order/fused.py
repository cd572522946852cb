"""Fused operations without a second derivative, played by others that have one.

The libraries' fused attention (flash, memory-efficient, cuDNN's) and cuDNN's recurrent layers have backward passes that cannot be
differentiated. torch has slower forms of both that can, and chooses among them by settings of the whole process. They are switched
for the time of one call and under a lock, so that no other operation, and no other thread's, is left with them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from logan.side_effects.substitution import Substituting

_settings = threading.RLock()

# Inside multi_head_attention_forward, itself a Python function, no mode sees what it calls.
_ATTENTION = (F.scaled_dot_product_attention, F.multi_head_attention_forward)
_RECURRENT = (torch.lstm, torch.gru, torch.rnn_tanh, torch.rnn_relu)


def twice_differentiable() -> Substituting:
    """Inside, attention and recurrent layers have second derivatives, wherever networks call them.

    Attention (``scaled_dot_product_attention``, ``nn.MultiheadAttention``, ``nn.TransformerEncoderLayer``) runs by torch's
    mathematical backend, and ``nn.LSTM``, ``nn.GRU`` and ``nn.RNN`` on CUDA without cuDNN: the same functions up to rounding, but
    that dropout inside of them draws other random numbers. Out of sight are networks made by ``torch.jit`` or ``torch.compile``.

    Example:
        >>> q = torch.randn(1, 2, 3, 4, requires_grad=True)
        >>> with twice_differentiable():
        ...     y = F.scaled_dot_product_attention(q, q, q)
        >>> (g,) = torch.autograd.grad(y.sum(), q, create_graph=True)
        >>> torch.autograd.grad(g.square().sum(), q)[0].shape
        torch.Size([1, 2, 3, 4])
    """
    return Substituting(in_parts())


@cache
def in_parts(onednn: bool = True) -> Mapping[Any, Callable[..., Any]]:
    """By fused function, what is called in its place.

    Args:
        onednn: let oneDNN run LSTMs on a CPU: it has their second derivatives, but they cannot be recorded.
    """
    attention = {f: _under(f, _by_mathematics) for f in _ATTENTION}
    recurrent = {f: _under(f, _without_cudnn, *([] if onednn else [_without_onednn])) for f in _RECURRENT}
    return attention | recurrent


def _under(function: Callable[..., Any], *settings: Callable[[], AbstractContextManager[Any]]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        with _settings, ExitStack() as stack:
            for setting in settings:
                stack.enter_context(setting())
            return function(*args, **kwargs)

    return call


def _by_mathematics() -> AbstractContextManager[Any]:
    return sdpa_kernel(SDPBackend.MATH)


@contextmanager
def _without_cudnn() -> Iterator[None]:
    enabled = torch.backends.cudnn.enabled
    torch.backends.cudnn.enabled = False
    try:
        yield
    finally:
        torch.backends.cudnn.enabled = enabled


@contextmanager
def _without_onednn() -> Iterator[None]:
    enabled = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)  # the public torch.backends.mkldnn.flags sets more than this, and warns of it
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(enabled)
