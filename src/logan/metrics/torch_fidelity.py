"""Importing torch-fidelity's Inception network, and torchmetrics beside it, where torchvision does not work.

torch-fidelity's package imports torchvision for parts that are not needed here (CLIP, VGG, data sets), and torchmetrics
imports torch-fidelity wherever it is installed. torchvision's builds fit one build of torch each, and a CPU build of torch
often has none: then both imports would fail. So the package is entered without running its ``__init__``, and its Inception
module, which needs torch alone, is imported by itself.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
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
        _forget(NAME, "torchvision")
        shell = types.ModuleType(NAME)
        shell.__path__ = list(spec.submodule_search_locations or [])
        shell.__spec__ = spec
        sys.modules[NAME] = shell
    return True


def _forget(*packages: str) -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] in packages]:
        del sys.modules[name]


class _Hollow(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Makes every module of torchvision, each with any name one asks for, and nothing behind it."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        ours = fullname.partition(".")[0] == "torchvision"
        return importlib.util.spec_from_loader(fullname, self, is_package=True) if ours else None

    def exec_module(self, module: types.ModuleType) -> None:
        module.__dict__["__getattr__"] = lambda name: None


@contextmanager
def _hollow_torchvision() -> Iterator[None]:
    """Where torchvision is installed and cannot be imported, an empty one that torchmetrics can import and never uses."""
    try:
        importlib.import_module("torchvision")
    except ModuleNotFoundError:
        yield  # torchmetrics knows how to do without
    except Exception:
        _forget("torchvision")
        sys.meta_path.insert(0, finder := _Hollow())
        try:
            yield
        finally:
            sys.meta_path.remove(finder)
            _forget("torchvision")
    else:
        yield


def inception_class() -> Any:
    """torch-fidelity's ``FeatureExtractorInceptionV3``.

    Raises:
        InputError: if torch-fidelity is not installed.
    """
    if not _enter_package():
        raise InputError(
            "`detector` inception needs torch-fidelity, the extra 'inception': pip install --no-deps torch-fidelity "
            "(its torchvision is not needed, and might bring another torch)"
        )
    module = importlib.import_module(f"{NAME}.feature_extractor_inceptionv3")
    return module.FeatureExtractorInceptionV3


@cache
def torchmetrics_image(name: str) -> Any:
    """The module ``torchmetrics.image.NAME``, by its own name: without torch-fidelity the package leaves some of them out."""
    _enter_package()
    with _hollow_torchvision():
        return importlib.import_module(f"torchmetrics.image.{name}")
