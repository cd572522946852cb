"""Whether the entries of a training state are what a run can go on with, before any of them is put into it.

A state may come from a stranger, or from another program. Torch checks names and shapes of weights, and believes the rest: moments
of Adam of another shape fail in the middle of a step, and numpy reads random numbers from beyond their end if it is told to.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from logan.errors import InputError
from logan.foreign import Fields, damaged, shown

MOST_IMAGES = 10**15
MOST_SEEN = 10**6
"""Numbers that a probe saw between two lines of the log."""
NUMPY_WORDS, PYTHON_WORDS = 624, 625
"""Of their random generators' state."""


def check_progress(values: object, what: str, advice: str) -> dict[str, Any]:
    """The fields of :class:`~logan.training.state.Progress`."""
    f = Fields(values, f"{what}: progress", advice)
    counts = f.group("counts")
    due = f.group("due", default=None)
    if due is not None:
        for name in ("tick", "steps"):
            due.integer(name, least=0)
        for name in ("kimg", "seconds", "images_per_second", "seconds_left"):
            due.number(name, least=0)
        due.items("probe", default=())
        due.numbers_but("probe")
    probes = f.items("probes")
    for looks in (probes, () if due is None else due.values.get("probe", ())):
        if not _are_looks(looks):
            damaged(f.what, "probes are not groups of numbers, or too many", advice)
    found = {
        "images": f.integer("images", least=0, most=MOST_IMAGES),
        "steps": f.integer("steps", least=0, most=MOST_IMAGES),
        "ticks": f.integer("ticks", least=0, most=MOST_IMAGES),
        "seconds": f.number("seconds", least=0),
        "sums": {name: float(_some(value, f.what, advice)) for name, value in f.numbers("sums").items()},
        "counts": {name: counts.integer(name, least=1, most=MOST_IMAGES) for name in counts.values},
        "probes": list(probes),
        "probe_seconds": f.number("probe_seconds", least=0),
        "due": None if due is None else dict(due.values),
    }
    if found["sums"].keys() != found["counts"].keys():
        damaged(f.what, "sums and counts are not of the same", advice)
    return found


def check_weights(own: Mapping[str, Any], saved: object, what: str, advice: str) -> None:
    """Names, shapes and types of numbers of a module's tensors are ``own``'s.

    Raises:
        InputError: if there are others: the file belongs to other networks; or something is no tensor.
    """
    f = Fields(saved, what, advice)
    for name in sorted(own.keys() | f.values.keys()):
        if name not in f.values or name not in own:
            raise InputError(f"{what} belongs to other networks than this run's: {shown(name, 100)} is only in one")
        _check_tensor(f.values[name], own[name].shape, own[name].dtype, f"{what}: {name}", advice)


def check_optimiser(own: torch.optim.Optimizer, saved: object, what: str, advice: str) -> None:
    """Groups are those of ``own``; what it remembers of a parameter has the parameter's shape, or is one number."""
    f = Fields(saved, what, advice)
    groups, mine = f.items("param_groups"), own.state_dict()["param_groups"]
    if len(groups) != len(mine):
        damaged(what, f"{len(groups)} groups of parameters where {len(mine)} should be", advice)
    for group, known in zip(groups, mine, strict=True):
        g = Fields(group, f"{what}: param_groups", advice)
        if g.items("params") != known["params"]:
            damaged(g.what, "params are others", advice)
        for name, value in known.items():
            if name not in g.values or not _alike(value, g.values[name]):
                damaged(g.what, f"{name} is {shown(g.values.get(name))}, not as {shown(value)}", advice)
        if g.values.keys() != known.keys():
            damaged(g.what, "there are settings of another optimiser", advice)
    parameters = [p for group in own.param_groups for p in group["params"]]
    remembered = f.values.get("state")
    if not isinstance(remembered, dict):
        damaged(what, f"state is {shown(remembered)}", advice)
    for number, entries in remembered.items():
        if type(number) is not int or not 0 <= number < len(parameters) or not isinstance(entries, dict):
            damaged(what, f"state is of a parameter {shown(number)}, of {len(parameters)}", advice)
        for name, value in entries.items():
            where = f"{what}: {shown(name)} of parameter {number}"
            if not isinstance(value, Tensor):
                if not _alike(0.0, value):
                    damaged(where, shown(value), advice)
                continue
            shape = torch.Size([]) if value.ndim == 0 else parameters[number].shape
            _check_tensor(value, shape, value.dtype if value.is_floating_point() else torch.float32, where, advice)


def check_memory(saved: object, parameters: Sequence[Tensor], what: str, advice: str) -> None:
    """What the dynamics remember: tensors like all ``parameters``, by name."""
    f = Fields(saved, what, advice)
    for name in f.values:
        tensors = f.items(name)
        if len(tensors) != len(parameters):
            damaged(what, f"{shown(name)} is of {len(tensors)} parameters, not {len(parameters)}", advice)
        for tensor, parameter in zip(tensors, parameters, strict=True):
            _check_tensor(tensor, parameter.shape, parameter.dtype, f"{what}: {shown(name)}", advice)


def check_random(saved: object, what: str, advice: str) -> None:
    """States of random generators, as :func:`logan.training.random_states.take` sees them."""
    f = Fields(saved, what, advice)
    for name in ("torch", "latents", *(name for name in ("cuda", "mps") if name in f.values)):
        value = f.values.get(name)
        _check_tensor(value, getattr(value, "shape", None), torch.uint8, f"{what}: {name}", advice)
    numpy, python = f.items("numpy", most=5), f.items("python", most=3)
    if len(numpy) != 5 or len(python) != 3:
        damaged(what, "parts of it are missing", advice)
    kind, keys, position, has_gauss, gauss = numpy
    _check_tensor(keys, torch.Size([NUMPY_WORDS]), torch.int64, f"{what}: numpy", advice)
    n = Fields({"kind": kind, "position": position, "has_gauss": has_gauss, "gauss": gauss}, f"{what}: numpy", advice)
    n.word("kind", choices=("MT19937",))
    n.integer("position", least=0, most=NUMPY_WORDS)
    n.integer("has_gauss", least=0, most=1)
    n.number("gauss")
    if int(keys.min()) < 0 or int(keys.max()) >= 2**32:
        damaged(n.what, "words of more than 32 bits", advice)
    version, words, gauss_next = python
    p = Fields({"version": version, "words": words, "gauss": gauss_next}, f"{what}: python", advice)
    p.integer("version", least=3, most=3)
    p.number("gauss", default=None)
    if len(p.items("words")) != PYTHON_WORDS or not all(type(w) is int and 0 <= w < 2**32 for w in words):
        damaged(p.what, f"words are not {PYTHON_WORDS} of 32 bits", advice)
    if words[-1] > NUMPY_WORDS:
        damaged(p.what, f"its position is {words[-1]}", advice)


def _check_tensor(value: object, shape: Any, dtype: torch.dtype, what: str, advice: str) -> None:
    if not isinstance(value, Tensor) or value.layout != torch.strided or value.is_quantized:
        damaged(what, f"{shown(value)} where a tensor should be", advice)
    if value.dtype != dtype:
        damaged(what, f"{value.dtype}, not {dtype}", advice)
    if value.shape != shape:
        raise InputError(
            f"{what} belongs to other networks than this run's: it is {tuple(value.shape)}, and {tuple(shape)} here"
        )


def _are_looks(values: Any) -> bool:
    """Whether they are what a probe saw: numbers and words, lists of them, and complex numbers as pairs; not too many in all. Lists
    may hold one another in a state, and a few bytes stand for more than can be walked through."""
    plain, left = (str, int, float, type(None)), MOST_SEEN
    for look in values:
        if not isinstance(look, dict):
            return False
        for found in look.values():
            parts = found if isinstance(found, list) else [found]
            left -= 1 + len(parts)
            if left < 0:
                return False
            pairs = [x for x in parts if not isinstance(x, plain)]
            if not all(isinstance(x, list) and len(x) == 2 and all(isinstance(y, plain) for y in x) for x in pairs):
                return False
    return True


def _alike(known: object, value: object) -> bool:
    """Whether a setting of an optimiser can stand in the place of another."""
    if known is None or isinstance(known, bool):
        return value is None or isinstance(value, bool)
    if isinstance(known, int | float):
        return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]
    if isinstance(known, tuple | list):
        return isinstance(value, tuple | list) and len(value) == len(known) and all(map(_alike, known, value))
    return isinstance(value, type(known))


def _some(value: float | None, what: str, advice: str) -> float:
    if value is None:
        damaged(what, "a sum is none", advice)
    return value
