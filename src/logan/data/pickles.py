"""Reads a pickled dictionary of numpy arrays without anything being run, built or called on the pickle's say.

A pickle is a program for a stack machine, which may call any function that Python has; numpy's own ``__setstate__`` believes what
it is told, down to the address of an array's memory. So neither Python's nor numpy's reader sees the file. The machine below knows
the instructions that CIFAR-10's and CIFAR-100's pickles are made of, and five names, which stand for what is written here.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable
from typing import Any

import numpy as np

from logan.errors import InputError

from .bounds import MOST_INSTRUCTIONS

CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
VALUES = {
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
LATIN1 = ("latin1", "latin-1", b"latin1")
STRINGS = {"SHORT_BINSTRING", "BINSTRING"}
"""Python 2's byte strings, which ``pickletools`` gives as latin-1."""


def read_arrays(data: bytes, name: str) -> dict[bytes, Any]:
    """The dictionary in a pickle that holds nothing but numbers, strings, lists and arrays of unsigned bytes.

    Args:
        data: the pickle; one written by Python 2, as CIFAR's are, has byte strings for keys.
        name: the file's name, for messages.

    Raises:
        InputError: the pickle asks for anything else, is damaged, or is not a dictionary.
    """
    try:
        content = _Machine().run(data)
        if not isinstance(content, dict):
            raise InputError(f"holds a {type(content).__name__.strip('_')}, not a dictionary as CIFAR-10's files do")
        return {key: value.array() if isinstance(value, _Array) else value for key, value in content.items()}
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:  # of pickletools, too
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{name}: damaged ({type(error).__name__}: {reason}); download it again") from error


class _Machine:
    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.encoded: dict[str, bytes] = {}

    def run(self, data: bytes) -> Any:
        argument: Any
        for count, (instruction, argument, _) in enumerate(pickletools.genops(io.BytesIO(data))):
            if count > MOST_INSTRUCTIONS:
                raise InputError(f"refused: the pickle has more than {MOST_INSTRUCTIONS:,} instructions")
            name = instruction.name
            if name in VALUES:
                self.stack.append(argument)
            elif name in CONSTANTS:
                self.stack.append(CONSTANTS[name])
            elif name in STRINGS:
                self.stack.append(argument.encode("latin-1"))
            elif name == "STOP":
                return self.stack.pop()
            elif name in ("GLOBAL", "STACK_GLOBAL"):
                self._name(argument)
            elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
                self.memo[len(self.memo) if argument is None else argument] = self.stack[-1]
            elif name in ("BINGET", "LONG_BINGET"):
                self.stack.append(self.memo[argument])
            elif name in INSTRUCTIONS:
                INSTRUCTIONS[name](self)
            elif name not in ("PROTO", "FRAME"):
                raise InputError(f"refused: the pickle has the instruction {name}, which CIFAR's files have not")
        raise ValueError("no end")

    def _name(self, argument: str | None) -> None:
        if argument is None:
            name, module = self.stack.pop(), self.stack.pop()
        else:
            module, _, name = argument.partition(" ")
        if type(module) is not str or type(name) is not str:
            raise ValueError("a name that is no text")
        if (module, name) not in NAMES:
            raise InputError(f"refused: the pickle asks for {module[:60]}.{name[:60]}, and data need no code")
        self.stack.append(NAMES[module, name])

    def above_mark(self) -> list[Any]:
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def tuple_of(self, count: int) -> None:
        values = [self.stack.pop() for _ in range(count)]
        self.stack.append(tuple(reversed(values)))

    def extend(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise ValueError("no list to append to")
        target.extend(values)

    def set_items(self, values: list[Any]) -> None:
        target, keys = self.stack[-1], values[::2]
        # a tuple as a key would be hashed, which takes for ever if it holds another twice, which holds another twice …
        if type(target) is not dict or len(values) % 2 or not all(type(key) in (bytes, str) for key in keys):
            raise ValueError("no dictionary with strings for keys")
        target.update(zip(keys, values[1::2], strict=True))

    def reduce(self) -> None:
        arguments, called = self.stack.pop(), self.stack.pop()
        if not isinstance(called, _Name) or called.makes is None or type(arguments) is not tuple:
            raise ValueError("a call of what is no function")
        self.stack.append(self._encode(*arguments) if called.makes is _latin1 else called.makes(*arguments))

    def _encode(self, text: Any, encoding: Any) -> bytes:
        """``_latin1``, once for each text: a pickle of a megabyte could else have a megabyte made a thousand times."""
        if type(text) is not str or encoding not in LATIN1 or text not in self.encoded:
            made = _latin1(text, encoding)
            self.encoded[text] = made
        return self.encoded[text]

    def build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if not isinstance(target, _Array | _Dtype) or type(state) is not tuple:
            raise ValueError("a state for what has none")
        target.build(*state)


INSTRUCTIONS: dict[str, Callable[[_Machine], Any]] = {
    "MARK": lambda m: m.marks.append(len(m.stack)),
    "EMPTY_DICT": lambda m: m.stack.append({}),
    "EMPTY_LIST": lambda m: m.stack.append([]),
    "EMPTY_TUPLE": lambda m: m.tuple_of(0),
    "TUPLE1": lambda m: m.tuple_of(1),
    "TUPLE2": lambda m: m.tuple_of(2),
    "TUPLE3": lambda m: m.tuple_of(3),
    "TUPLE": lambda m: m.stack.append(tuple(m.above_mark())),
    "APPEND": lambda m: m.extend([m.stack.pop()]),
    "APPENDS": lambda m: m.extend(m.above_mark()),
    "SETITEM": lambda m: m.set_items([m.stack.pop(), m.stack.pop()][::-1]),
    "SETITEMS": lambda m: m.set_items(m.above_mark()),
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
}


class _Dtype:
    """Of unsigned bytes: no other array is in CIFAR's files."""

    def __init__(self, kind: Any, align: Any = 0, copy: Any = 1) -> None:
        if kind not in ("u1", b"u1"):
            raise InputError(f"refused: it holds an array of the kind {_shown(kind)}; CIFAR's hold bytes, u1")

    def build(self, *state: Any) -> None:
        # version, order of bytes, subarray, names, fields, size and alignment (−1: the kind's own), flags
        if state[1:] not in ((order, None, None, None, -1, -1, 0) for order in ("|", b"|")) or state[0] != 3:
            raise InputError("refused: the kind of its array has parts that bytes do not have")


class _Array:
    def __init__(self, kind: Any, shape: Any, letter: Any) -> None:
        if not isinstance(kind, _Name) or kind.what != "ndarray":
            raise ValueError("no array")
        self.shape: tuple[int, ...] | None = None
        self.data = b""
        self.columns_first = False

    def build(self, version: Any, shape: Any, dtype: Any, columns_first: Any, data: Any) -> None:
        if version != 1 or not isinstance(dtype, _Dtype) or type(data) is not bytes or type(shape) is not tuple:
            raise ValueError("an array that is none of bytes")
        if len(shape) > 4 or not all(type(side) is int and 0 <= side < 2**40 for side in shape):
            raise ValueError("an array whose shape is none")
        self.shape, self.data, self.columns_first = shape, data, bool(columns_first)

    def array(self) -> np.ndarray:
        if self.shape is None:
            raise ValueError("an array without contents")
        # as many bytes as the shape has, or ValueError
        return np.frombuffer(self.data, np.uint8).reshape(self.shape, order="F" if self.columns_first else "C")


class _Name:
    """What a name in a pickle stands for; ``makes`` is what a call of it makes, None if it is not to be called."""

    def __init__(self, what: str, makes: Callable[..., Any] | None) -> None:
        self.what, self.makes = what, makes


def _latin1(text: Any, encoding: Any) -> bytes:
    """Stands in for ``_codecs.encode``, with which Python 3 writes bytes at protocol 2; other codecs may decompress."""
    if encoding not in LATIN1 or type(text) is not str:
        raise InputError(f"refused: it asks for the codec {_shown(encoding)}")
    return text.encode("latin-1")


def _shown(value: Any) -> str:
    """Of anything but a text only the kind: what refers to itself has no end, and what holds another twice takes for ever."""
    return repr(value[:40]) if type(value) in (str, bytes) else f"of type {type(value).__name__}"


NAMES = {
    ("numpy.core.multiarray", "_reconstruct"): _Name("_reconstruct", _Array),
    ("numpy._core.multiarray", "_reconstruct"): _Name("_reconstruct", _Array),
    ("numpy", "ndarray"): _Name("ndarray", None),
    ("numpy", "dtype"): _Name("dtype", _Dtype),
    ("_codecs", "encode"): _Name("encode", _latin1),
}
