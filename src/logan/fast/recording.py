"""Record a function of tensors as a flat list of operations: no autograd, no modules, no Python in between.

The function is run once under torch's tracer, which notes every operation that reaches a kernel, those of its backward
passes included. What is recorded is what the plain code computed, so the two agree by construction; then
:mod:`logan.fast.passes` removes what nobody uses and what is computed twice.

What a recording cannot hold: decisions that depend on values, and Python that should run at each call. The first are
refused by the tracer; hooks that log and counters kept in Python are run once, while recording.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

from logan.errors import first_line
from logan.fast import passes
from logan.fast.substitute import fast_operations
from logan.side_effects import same_random_numbers_next
from logan.side_effects.places import places_of, values_restored


class CannotRecordError(RuntimeError):
    """This function has to be run as it is; the message says why."""


class Recording:
    """A recorded function of ``inputs`` and of the parameters and buffers of ``networks``.

    Calling it runs the operations on the inputs given and on the networks' present state; buffers that the function
    moves are moved. It returns what the function returned: a pytree of tensors, none of which requires a gradient.

    Args:
        function: called with tensors shaped like ``inputs``.
        inputs: examples of the tensors (or None) that will be passed. Other shapes, types or devices need another
            recording.
        networks: the modules that the function reads or moves. Their state is left as it was.
        random_operations: how many operations that draw random numbers the function may have.
        onednn: see :func:`logan.fast.passes.simplify`.

    Raises:
        CannotRecordError: if the function decides by values, or draws random numbers that it should not.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        inputs: Sequence[Tensor | None],
        networks: Sequence[nn.Module],
        random_operations: int = 0,
        onednn: bool = True,
    ) -> None:
        self._given = [i for i, x in enumerate(inputs) if x is not None]
        self._places = places_of(networks)
        graph_module, self._result_structure = self._record(function, inputs)
        found = passes.random_operations(graph_module.graph)
        if len(found) > random_operations:
            raise CannotRecordError(f"the networks draw random numbers ({found[-1]})")
        passes.simplify(graph_module, onednn)
        self.module: fx.GraphModule = graph_module
        """The operations, to be run as they stand or compiled further."""
        self.run: Callable[..., Any] = graph_module

    @torch.no_grad()
    def __call__(self, *inputs: Tensor | None) -> Any:
        """The function's result for ``inputs``."""
        results = self.run(*self.state(), *[inputs[i] for i in self._given])
        return pytree.tree_unflatten(list(results), self._result_structure)

    def state(self) -> list[Tensor]:
        """The tensors that the networks hold now, in the order of the recording's first arguments."""
        return [owner[name] for owner, name in self._places]

    def _record(
        self, function: Callable[..., Any], inputs: Sequence[Tensor | None]
    ) -> tuple[fx.GraphModule, pytree.TreeSpec]:
        state = self.state()
        structure: list[pytree.TreeSpec] = []

        def flat(*tensors: Tensor) -> list[Any]:
            arguments: list[Tensor | None] = [None] * len(inputs)
            for i, x in zip(self._given, tensors[len(state) :], strict=True):
                arguments[i] = x
            with torch.enable_grad(), fast_operations():
                results, spec = pytree.tree_flatten(function(*arguments))
            structure.append(spec)
            return results

        with values_restored(state), same_random_numbers_next(*(t.device for t in state)):
            try:
                module = make_fx(flat, tracing_mode="real")(*state, *[inputs[i] for i in self._given])
            except Exception as error:  # the tracer's refusals have no class of their own
                reason = f"{type(error).__name__}: {first_line(error)}"
                raise CannotRecordError(f"the step cannot be recorded ({reason})") from error
        frozen = {id(t) for t in state}
        for node in module.graph.nodes:
            if node.op == "get_attr" and id(getattr(module, node.target)) in frozen:
                raise CannotRecordError("this version of torch records the networks' weights as constants")
        return module, structure[0]
