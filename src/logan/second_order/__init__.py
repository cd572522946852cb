"""Gradients of gradients: what torch has no second derivative of is played in another way, or refused by name.

Everything here that differentiates twice (the latent step, the methods of :mod:`logan.dynamics`) makes its passes inside
:func:`twice_differentiable`, so that fused attention and recurrent layers just work, and takes its gradients by
:func:`gradients`, which raises :class:`~logan.errors.NoSecondDerivativeError` where autograd would leave a term out without a
word, or would say no more than an operation's internal name.
"""

from logan.second_order.differentiate import gradients
from logan.second_order.fused import twice_differentiable

__all__ = ["gradients", "twice_differentiable"]
