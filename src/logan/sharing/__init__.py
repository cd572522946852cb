"""Giving a trained generator to others: a folder, or a page on the Hugging Face Hub, with a model card and no code."""

from logan.sharing.card import Wording
from logan.sharing.export_folder import export

__all__ = ["Wording", "export"]
