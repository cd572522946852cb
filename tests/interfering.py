"""Doing something at a named point of a program: before or after the work of a function, at one of its calls."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest


class Killed(Exception):
    """Stands for a process that dies."""


def killed() -> None:
    raise Killed


def signalled(number: int) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def interfere(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, call: int, how: Callable[[], None], after: bool = False
) -> None:
    """Do ``how`` at the given call of a function, before or after it does its work."""
    original, count = getattr(owner, name), 0

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        if count == call and not after:
            how()
        result = original(*args, **kwargs)
        if count == call and after:
            how()
        return result

    monkeypatch.setattr(owner, name, wrapped)
