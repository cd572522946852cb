"""A trained GAN in the browser: seeds, classes, truncation, interpolation, and latent optimisation while one watches.

:mod:`.scenes` makes the pictures and knows nothing of pages; :mod:`.app` puts them on one (extra: demo, Gradio).
"""

from .app import build, serve
from .scenes import Climb, climb, crossing, samples

__all__ = ["Climb", "build", "climb", "crossing", "samples", "serve"]
