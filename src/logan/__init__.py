"""LOGAN: latent optimisation for generative adversarial networks (Wu et al. 2019, arXiv 1912.00953)."""

from logan.latent import LatentStep, Moved

__version__ = "0.1.0"

__all__ = ["LatentStep", "Moved", "__version__"]
