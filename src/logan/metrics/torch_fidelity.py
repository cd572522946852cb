"""torch-fidelity's Inception network, without the rest of its package.

The package imports torchvision for parts that are not needed here (CLIP, VGG, data sets). torchvision's builds fit one build
of torch each, and a CPU build of torch often has none: then that import fails. The Inception module needs torch alone.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from logan.errors import InputError, not_installed

NAME = "torch_fidelity"


@contextmanager
def without_init() -> Iterator[None]:
    """Within, modules of torch-fidelity can be imported without running the package's ``__init__``.

    Raises:
        InputError: if torch-fidelity is not installed.
    """
    spec = importlib.util.find_spec(NAME)
    if spec is None:
        problem = not_installed("`detector` inception", "torch-fidelity", "inception")
        raise InputError(
            f"{problem} (or pip install --no-deps torch-fidelity: its torchvision is not needed, and might bring another torch)"
        )
    if NAME in sys.modules:
        yield
        return
    sys.modules[NAME] = importlib.util.module_from_spec(spec)  # its path, and nothing executed
    try:
        yield
    finally:
        del sys.modules[NAME]  # whoever asks for the package itself gets the whole of it


def inception_class() -> Any:
    """torch-fidelity's ``FeatureExtractorInceptionV3``.

    Raises:
        InputError: if torch-fidelity is not installed.
    """
    with without_init():
        return importlib.import_module(f"{NAME}.feature_extractor_inceptionv3").FeatureExtractorInceptionV3
