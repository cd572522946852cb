"""What Python keeps in networks, beside parameters and buffers, and decides by: a recording holds for it as it was.

torch's tracer sees operations on tensors. It does not see that ``self.alpha`` was read, nor that it is another number now.
:class:`Attributes` lists what networks keep: tensors, which become inputs of the recording wherever they are kept, and all
the rest, which becomes part of what the recording is known by.
"""

from __future__ import annotations

import random
import types
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import IOBase
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from logan.fast.around import (
    GENERATORS,
    SCALARS,
    global_names,
    has_hash,
    is_data,
    is_library,
    is_plain,
    may_matter,
    slots_of,
)
from logan.fast.owners import OfCell, OfClass, OfObject, contents_of, refill
from logan.side_effects.places import Place

MOST = 50_000
"""Attributes that are looked at. What lies beyond, or deeper than ``DEEPEST``, is known by its identity alone."""
DEEPEST = 6

_BY_VALUE = (bool, int, float, str)
_HOOKS_OF_ALL_MODULES = {
    f"torch's{name}": getattr(nn.modules.module, name)
    for name in vars(nn.modules.module)
    if name.startswith("_global_") and isinstance(getattr(nn.modules.module, name), dict)
}
LARGE_ARRAY = 2**20
"""Bytes of an array that is looked into at every step; larger ones are known by their identity."""
MANY = 2_000
"""Items of a list or dictionary that are looked at; a longer one is known by its identity and length."""


class Attributes:
    """What a list of networks, and other objects that take part, keep now.

    Args:
        roots: modules and other objects, by the names that messages call them.

    Attributes:
        places: where tensors are kept, each tensor once; a recording reads and writes them there.
        names: what messages call them.
        key: equal for equal attributes; tensors count by where they are, not by their numbers.
        generators: private sources of random numbers.
        uninitialised: the name of a lazy parameter, or None.
        unfit: what no recording can hold, in words, or None.
    """

    def __init__(self, roots: dict[str, Any]) -> None:
        self.roots = roots
        self.places: list[Place] = []
        self.names: list[str] = []
        self.generators: list[Any] = []
        self.uninitialised: str | None = None
        self.unfit: str | None = None
        self._items: dict[str, Any] = {}
        self._leaves: list[tuple[Any, Any, Any]] = []
        self._containers: list[Any] = []
        self._contents: list[tuple[Any, Callable[[Any], Any], Any]] = []
        self._seen: dict[int, tuple[str, Any]] = {}
        self._seen_classes: dict[int, Any] = {}
        for name, root in (roots | _HOOKS_OF_ALL_MODULES).items():
            self._visit(name, roots, name, root, 0) if name in roots else self._visit_object(name, root, 0)
        self._sizes = list(map(len, self._containers))
        self.key = Hashed(tuple(self._items.items()))

    def unchanged(self) -> bool:
        """Whether everything but tensors is what it was; cheap enough to be asked at every step."""
        try:
            for owner, name, value in self._leaves:
                now = owner[name]
                if now is not value and not (
                    type(now) is type(value) and isinstance(value, _BY_VALUE) and (now == value or now != now)
                ):
                    return False
        except LookupError:
            return False
        same_sizes = list(map(len, self._containers)) == self._sizes
        return same_sizes and all(f(x) == then for x, f, then in self._contents)

    def tensors(self) -> list[Tensor]:
        """What is in the places now."""
        return [owner[name] for owner, name in self.places]

    def differs_from(self, other: Attributes) -> str:
        """The name of an attribute that is not the same in the other, or nothing."""
        a, b = self._items, other._items
        changed = [n for n in a if n in b and a[n] != b[n]] or [n for n in (*a, *b) if (n in a) != (n in b)]
        return changed[0] if changed else ""

    def copies(self) -> Callable[[], None]:
        """Remember what is kept where; what is returned puts all of it back but the numbers in tensors."""
        containers = [(container, contents_of(container)) for container in self._containers]
        arrays = [(x, x.copy()) for x, *_ in self._contents]
        things = [*self._leaves, *((owner, name, owner[name]) for owner, name in self.places)]

        def put_back() -> None:
            for container, copy in containers:
                refill(container, copy)
            for owner, name, thing in things:
                if owner[name] is not thing:
                    owner[name] = thing
            for x, copy in arrays:
                refill(x, copy)

        return put_back

    def _visit(self, path: str, owner: Any, name: Any, value: Any, depth: int) -> None:
        while path in self._items:  # of another class or key that is called the same
            path += "'"
        if isinstance(value, Tensor):
            self._visit_tensor(path, owner, name, value)
            return
        self._leaves.append((owner, name, value))
        if isinstance(value, SCALARS) and has_hash(value):
            self._items[path] = (type(value), value)
        elif isinstance(value, float | slice):
            self._items[path] = repr(value)  # NaN is what it was
        elif id(value) in self._seen:
            self._items[path] = ("as", self._seen[id(value)][0])
        else:
            self._seen[id(value)] = (path, value)  # kept, so that the number is not given to another
            self._visit_object(path, value, depth if len(self._items) < MOST else DEEPEST)

    def _visit_tensor(self, path: str, owner: Any, name: Any, value: Tensor) -> None:
        if nn.parameter.is_lazy(value):
            self.uninitialised = self.uninitialised or path
            self._leaves.append((owner, name, value))
        elif id(value) in self._seen:
            self._leaves.append((owner, name, value))
            self._items[path] = ("as", self._seen[id(value)][0])
        elif value.layout != torch.strided or value.is_nested or value.device.type == "meta" or value.is_quantized:
            self._leaves.append((owner, name, value))
            self.unfit = self.unfit or f"{path} is no dense tensor"
        else:
            self._seen[id(value)] = (path, value)
            self._items[path] = Tensor
            self.places.append((owner, name))
            self.names.append(path)
            if value._backward_hooks:
                self._into(value._backward_hooks, [(k, f"{path}'s hook {k}") for k in value._backward_hooks], 1)

    def _visit_object(self, path: str, value: Any, depth: int) -> None:
        self._items[path] = _Same(value)
        if isinstance(value, GENERATORS) and not isinstance(value, random.SystemRandom):
            self.generators.append(value)
        elif isinstance(value, np.ndarray) and value.nbytes <= LARGE_ARRAY:
            self._items[path] = self._content(value, lambda x: (x.dtype.str, x.shape, x.tobytes()))
        elif isinstance(value, set) and len(value) <= MANY:
            self._items[path] = self._content(value, frozenset)
        elif isinstance(value, torch.jit.ScriptModule):
            self.unfit = self.unfit or f"{path} is a TorchScript module"
        elif isinstance(value, nn.Module):
            self._items[path] = type(value)
            self._visit_module(path, value)
        elif isinstance(value, Iterator) and not isinstance(value, IOBase):
            self.unfit = self.unfit or f"{path} is an iterator"
        elif depth < DEEPEST:
            self._visit_contents(path, value, depth)

    def _visit_contents(self, path: str, value: Any, depth: int) -> None:
        if isinstance(value, dict | list | tuple | deque) and len(value) > MANY:
            self._into(value, [], depth)  # its length alone
        elif isinstance(value, dict):
            self._items[path] = ("dict", tuple(k if isinstance(k, SCALARS) else _Same(k) for k in value))
            self._into(value, [(k, f"{path}[{k!r}]") for k in value], depth)
        elif isinstance(value, list | tuple | deque):
            self._items[path] = (type(value), len(value))
            self._into(value, [(i, f"{path}[{i}]") for i in range(len(value))], depth)
        elif isinstance(value, types.FunctionType):
            self._visit_function(path, value, depth)
        elif isinstance(value, types.MethodType | types.BuiltinMethodType | partial):
            parts = ("func", "args", "keywords") if isinstance(value, partial) else ("__func__", "__self__")
            self._of(path, value, [name for name in parts if hasattr(value, name)], depth)
        elif isinstance(value, type):
            self._visit_class(value)
        elif is_plain(value):
            self._items[path] = type(value)
            own = getattr(value, "__dict__", {})
            self._into(own, [(k, f"{path}.{k}") for k in own], depth)
            self._of(path, value, [n for n in slots_of(type(value)) if hasattr(value, n)], depth)
            self._visit_class(type(value))

    def _of(self, path: str, thing: Any, names: Sequence[str], depth: int) -> None:
        """Attributes of what has no dictionary."""
        for name in names:
            value = getattr(thing, name)
            if not isinstance(value, types.ModuleType):
                self._visit(f"{path}.{name}", OfObject(thing), name, value, depth + 1)

    def _visit_module(self, path: str, module: nn.Module) -> None:
        own = vars(module)
        members = [own[kind] for kind in ("_parameters", "_buffers", "_modules") if isinstance(own.get(kind), dict)]
        self._into(own, [(k, f"{path}.{k}") for k, v in own.items() if not any(v is m for m in members)], 0)
        for kind in members:
            self._into(kind, [(k, f"{path}.{k}") for k in kind], 0)
        self._visit_class(type(module))

    def _visit_class(self, kind: type) -> None:
        """Numbers kept by a class, and what its functions read from around them."""
        for base in kind.__mro__:
            if base is object or is_library(base.__module__) or id(base) in self._seen_classes:
                continue
            self._seen_classes[id(base)] = base
            for name, value in list(vars(base).items()):
                path = f"{base.__module__}.{base.__qualname__}.{name}"
                if isinstance(value, staticmethod | classmethod | property):
                    value = value.fget if isinstance(value, property) else value.__func__
                if isinstance(value, types.FunctionType):
                    self._visit_function(path, value, 0)
                elif not name.startswith("__") and is_data(value):
                    self._visit(path, OfClass(base), name, value, 1)

    def _visit_function(self, path: str, function: types.FunctionType, depth: int) -> None:
        """What a function finds outside: global variables, those of the function around it, and its defaults."""
        if is_library(function.__module__ or "") or id(function) in self._seen_classes or depth >= DEEPEST:
            return
        self._seen_classes[id(function)] = function
        for name in global_names(function.__code__):
            if name in function.__globals__ and may_matter(value := function.__globals__[name]):
                self._visit(f"{function.__module__}.{name}", function.__globals__, name, value, depth + 1)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:  # not set yet
                continue
            if may_matter(value):
                self._visit(f"{path}:{name}", OfCell(cell), name, value, depth + 1)
        self._of(
            path, function, [n for n in ("__defaults__", "__kwdefaults__", "__dict__") if getattr(function, n)], depth
        )

    def _into(self, container: Any, names: Sequence[tuple[Any, str]], depth: int) -> None:
        self._containers.append(container)
        for name, path in names:
            self._visit(path, container, name, container[name], depth + 1)

    def _content(self, value: Any, of: Callable[[Any], Any]) -> Any:
        then = of(value)
        self._contents.append((value, of, then))
        return then


class Hashed:
    """Something long whose hash is computed once."""

    def __init__(self, thing: Any) -> None:
        self._thing = thing
        self._hash = hash(thing)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Hashed) and self._hash == other._hash and self._thing == other._thing


class _Same:
    """Equal to itself alone; keeps the object, so that its address is not given to another."""

    def __init__(self, thing: Any) -> None:
        self._thing = thing

    def __hash__(self) -> int:
        return id(self._thing)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._thing is other._thing
