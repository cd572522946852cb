"""By what a recording is known: all that a step depends on but the numbers in tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

from logan.fast.attributes import Attributes, Hashed


class Known:
    """What networks keep, looked at anew at each step: cheaply as long as nothing changes.

    Args:
        networks: modules and other objects, by the names that messages call them.

    Attributes:
        attributes: what they keep now.
        changed: the name of what changed last, or nothing.
        planned: whether their tensors have no numbers.
    """

    def __init__(self, networks: Mapping[str, Any]) -> None:
        self._networks = dict(networks)
        self.attributes = Attributes({})
        self.changed = ""
        self.planned = False
        self._marks: list[Any] | None = None
        self._kinds: tuple[Any, ...] = ()
        self._kept: Any = None
        self._memory: dict[int, int] = {}

    def key(self, inputs: Sequence[Tensor | None]) -> Any:
        """Equal where a recording for these inputs holds."""
        marks = _marks(self.attributes) if self.attributes.unchanged() else None
        if self._marks is None or marks != self._marks:
            self._look()
        return self._kinds_of(inputs), self._kept, torch.get_default_dtype()

    def assigned(self) -> None:
        """To be said when tensors of the same kind were put into the places of others."""
        self._marks = _marks(self.attributes)

    def _look(self) -> None:
        before, self.attributes = self.attributes, Attributes(self._networks)
        state, kinds = self.attributes.tensors(), self._kinds
        self._marks = _marks(self.attributes)
        self._memory = {}
        shared = [self._memory.setdefault(_storage(t), i) for i, t in enumerate(state)]
        self._kinds = tuple([(*_kind(t), other) for t, other in zip(state, shared, strict=True)])
        self._kept = Hashed((self.attributes.key, self._kinds))
        self.planned = any(isinstance(t, FakeTensor) for t in state)
        other = [n for n, a, b in zip(self.attributes.names, self._kinds, kinds, strict=False) if a != b]
        self.changed = self.attributes.differs_from(before) or next(iter(other), self.changed)

    def _kinds_of(self, inputs: Sequence[Tensor | None]) -> tuple[Any, ...]:
        """What a recording depends on in its inputs, the memory that they share with others among it."""
        where = [None if x is None else _storage(x) for x in inputs]
        return tuple(
            [
                None if x is None else (_kind(x), self._memory.get(memory), where.index(memory))  # type: ignore[arg-type]
                for x, memory in zip(inputs, where, strict=True)
            ]
        )


def _marks(attributes: Attributes) -> list[Any] | None:
    """What changes when a tensor in a place is another one, or has other memory; None if a place is gone."""
    try:
        return [
            (id(t) if isinstance(t, FakeTensor) else t.data_ptr(), t.requires_grad, t._backward_hooks is None)
            for t in attributes.tensors()
        ]
    except (LookupError, AttributeError):
        return None


def _kind(t: Tensor) -> tuple[Any, ...]:
    return t.shape, t.dtype, t.device, t.stride(), t.requires_grad


def _storage(t: Tensor) -> int:
    """Equal for tensors that share memory."""
    return t.untyped_storage()._cdata
