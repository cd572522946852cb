"""Fast ways to play the game of :mod:`logan.game`, with the same results up to rounding.

``step``        the simultaneous step, rearranged so that shared parts can be shared
``operations``  convolution, rectifier and batch norm whose second derivatives run in native kernels
``substitute``  lets any network compute with them
``recording``   a step as a flat list of operations; ``passes`` makes the list shorter
``cuda_graph``  launches it at once
``gears``       compiles and captures recordings, where that works
``engine``      puts these together for :class:`logan.game.Game`, and falls back where something is not possible

What each is worth: docs/speed.md.
"""

from typing import Literal

EngineName = Literal["plain", "recorded", "compiled", "cuda-graph", "compiled-graph"]
"""How a step is played; see :class:`logan.game.Game`."""
