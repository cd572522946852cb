"""What functions read around them, and what of it may change: not what libraries define."""

from __future__ import annotations

import dis
import enum
import random
import sys
import types
from argparse import Namespace
from collections import deque
from dataclasses import is_dataclass
from functools import lru_cache, partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

_PLAIN = (bool, int, complex, str, bytes, type(None), enum.Enum, range, type(...), np.generic)
SCALARS = (*_PLAIN, torch.dtype, torch.device, torch.layout, torch.memory_format)
"""What is equal to another of its kind or is not, floating-point numbers apart."""
GENERATORS = (random.Random, np.random.Generator, np.random.RandomState, torch.Generator)
"""Sources of random numbers."""


def is_data(value: Any) -> bool:
    """Whether it is a number, a tensor, or something that holds such."""
    return isinstance(value, (*SCALARS, float, Tensor, np.ndarray, list, dict, set, tuple, deque, *GENERATORS))


def may_matter(value: Any) -> bool:
    """Of what functions find outside: all but modules of Python's, and what libraries define."""
    if isinstance(value, type | types.FunctionType):
        return not is_library(value.__module__ or "")
    return is_data(value) or isinstance(value, nn.Module | types.MethodType | partial) or is_plain(value)


def is_plain(value: Any) -> bool:
    """Whether it is an object of somebody's own class, to be looked into; libraries keep much that changes nothing."""
    kind = type(value)
    looked_into = isinstance(value, SimpleNamespace | Namespace) or is_dataclass(value)
    if looked_into or kind.__module__.startswith("torch.nn.utils"):
        return not isinstance(value, type)
    apart = isinstance(value, types.ModuleType | types.BuiltinFunctionType | type)
    return not apart and not is_library(kind.__module__)


def is_library(module: str) -> bool:
    """What changes nothing behind one's back: Python's own, torch, numpy, and this library but for what it keeps in modules."""
    top = module.split(".")[0]
    return top in ("torch", "numpy", "logan") or (top in sys.stdlib_module_names and top != "__main__")


def slots_of(kind: type) -> list[str]:
    """The names of attributes that stand in no dictionary."""
    found = [vars(base).get("__slots__", ()) for base in kind.__mro__]
    names = [n for slots in found for n in ([slots] if isinstance(slots, str) else slots)]
    return [n for n in names if not n.startswith("__")]


@lru_cache(maxsize=10_000)
def global_names(code: types.CodeType) -> tuple[str, ...]:
    """The global variables that a function reads, and those inside of it."""
    found = [str(i.argval) for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")]
    inner = [name for c in code.co_consts if isinstance(c, types.CodeType) for name in global_names(c)]
    return tuple(dict.fromkeys([*found, *inner]))


def has_hash(value: Any) -> bool:
    """Whether it can be part of a key."""
    try:
        hash(value)
    except TypeError:
        return False
    return True
