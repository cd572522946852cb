"""Fast ways to play the game of :mod:`logan.game`, with the same results up to rounding.

``step``        the simultaneous step, rearranged so that shared parts can be shared
``operations``  convolution, rectifier and batch norm whose second derivatives run in native kernels
``substitute``  lets any network compute with them
``recording``   a step as a flat list of operations; ``passes`` makes the list shorter, minding what ``memory`` has seen
                (``casts``, ``multiply_add`` and ``buffers`` are passes of their own)
``attributes``  what networks keep in Python, which a recording depends on
``gears``       compiles and captures recordings, where that works (``cuda_graph``)
``proof``       compares what a recording does with the plain code, ``trial`` puts back what that changed
``recorded``    any function of tensors, from recordings that prove themselves; its ``record`` is for other people's code too;
                ``kept`` decides when another recording is worth making
``engine``      the turns of a :class:`logan.game.Game` so

What each is worth: docs/speed.md. ``logan.fast.record``: docs/second-order.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from logan.fast.recorded import record as record

EngineName = Literal["plain", "recorded", "compiled", "cuda-graph", "compiled-graph"]
"""How a step is played; see :class:`logan.game.Game`."""


def __getattr__(name: str) -> Any:
    if name == "record":
        from logan.fast.recorded import record  # the tracer takes a moment to import

        return record
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
