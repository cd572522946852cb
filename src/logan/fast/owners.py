"""Where Python keeps things, beside dictionaries: read and written alike, copied and put back."""

from __future__ import annotations

import types
from collections import deque
from typing import Any

import numpy as np


class OfClass:
    """A class's attributes, to be read and put back by name."""

    def __init__(self, kind: type) -> None:
        self._kind = kind

    def __getitem__(self, name: str) -> Any:
        return self._kind.__dict__[name]

    def __setitem__(self, name: str, value: Any) -> None:
        setattr(self._kind, name, value)


class OfObject:
    """An object's attributes, by name."""

    def __init__(self, thing: Any) -> None:
        self._thing = thing

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self._thing, name)
        except AttributeError:
            raise KeyError(name) from None

    def __setitem__(self, name: str, value: Any) -> None:
        setattr(self._thing, name, value)


class OfCell:
    """A variable of the function around a function."""

    def __init__(self, cell: types.CellType) -> None:
        self._cell = cell

    def __getitem__(self, name: str) -> Any:
        return self._cell.cell_contents

    def __setitem__(self, name: str, value: Any) -> None:
        self._cell.cell_contents = value


def contents_of(container: Any) -> Any:
    """What a container holds now."""
    return dict(container) if isinstance(container, dict) else list(container)


def refill(container: Any, copy: Any) -> None:
    """Put back what a container held, by identity; arrays by their numbers."""
    if isinstance(container, np.ndarray):
        if not np.array_equal(container, copy):
            np.copyto(container, copy)
    elif isinstance(container, dict | set):
        if list(container) != list(copy):
            container.clear()
            container.update(copy)
    elif isinstance(container, list | deque) and list(map(id, container)) != list(map(id, copy)):
        container.clear()
        container.extend(copy)
