"""Importing torch-fidelity's Inception network, and torchmetrics beside it, where torchvision does not work.

torch-fidelity's package imports torchvision for parts that are not needed here (CLIP, VGG, data sets), and torchmetrics
imports torch-fidelity wherever it is installed. torchvision's builds fit one build of torch each, and a CPU build of torch
often has none: then both imports would fail. So the package is entered without running its ``__init__``, and its Inception
module, which needs torch alone, is imported by itself.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from functools import cache
from typing import Any

from logan.errors import InputError

NAME = "torch_fidelity"


@cache
def _enter_package() -> bool:
    """Make ``torch_fidelity`` importable, whole or without its ``__init__``; False if it is not installed."""
    spec = importlib.util.find_spec(NAME)
    if spec is None:
        return False
    try:
        importlib.import_module(NAME)
    except Exception:  # ImportError without torchvision, RuntimeError with one that is of another build of torch
        for name in [n for n in sys.modules if n.partition(".")[0] in (NAME, "torchvision")]:
            del sys.modules[name]
        shell = types.ModuleType(NAME)
        shell.__path__ = list(spec.submodule_search_locations or [])
        shell.__spec__ = spec
        sys.modules[NAME] = shell
    return True


def inception_class() -> Any:
    """torch-fidelity's ``FeatureExtractorInceptionV3``.

    Raises:
        InputError: if torch-fidelity is not installed.
    """
    if not _enter_package():
        raise InputError("--detector inception needs torch-fidelity: pip install 'logan-gan[inception]'")
    module = importlib.import_module(f"{NAME}.feature_extractor_inceptionv3")
    return module.FeatureExtractorInceptionV3


@cache
def torchmetrics_image(name: str) -> Any:
    """The module ``torchmetrics.image.NAME``, by its own name: without torch-fidelity the package leaves some of them out."""
    _enter_package()
    return importlib.import_module(f"torchmetrics.image.{name}")
