"""Real images: mixtures, digits, idx files, CIFAR-10, folders and zip files, and the stream of batches."""

from .dataset import Dataset, InMemory, Streamed
from .digits import load_digits
from .mixtures import Mixture
from .open import open_data
from .stream import batches

__all__ = ["Dataset", "InMemory", "Mixture", "Streamed", "batches", "load_digits", "open_data"]
