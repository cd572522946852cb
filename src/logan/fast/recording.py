"""Record a function of tensors as a flat list of operations: no autograd, no modules, no Python in between.

The function is run once under torch's tracer, which notes every operation that reaches a kernel, those of its backward
passes included. Then :mod:`logan.fast.passes` removes what nobody uses and what is computed twice.

What a recording cannot hold is refused here (:class:`CannotRecordError`): decisions by values, random numbers, numbers that leave
torch, attributes that the function changes. What cannot be seen from here is found by comparing with the function itself:
:mod:`logan.fast.recorded`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._guards import TracingContext, tracing
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from logan.devices import rounds_to_tf32
from logan.errors import first_line
from logan.fast import passes
from logan.fast.attributes import Attributes
from logan.fast.cuda_graph import capturing
from logan.fast.memory import Seen
from logan.fast.substitute import fast_operations
from logan.fast.trial import Before, copy_of, on_trial
from logan.side_effects.substitution import Substituting


class CannotRecordError(RuntimeError):
    """This function has to be run as it is; the message says why."""


class NotYetError(CannotRecordError):
    """A step as it is written has to come first."""


class Recording:
    """A recorded function of ``inputs`` and of the tensors that networks keep.

    Calling it runs the operations on the tensors given; those that the function moves are moved. It returns what the function
    returned: a pytree of tensors, none of which requires a gradient.

    Args:
        function: called with tensors shaped like ``inputs``.
        inputs: examples of the tensors (or None) that will be passed. Other shapes, types or devices need another
            recording.
        attributes: of the networks that the function reads or moves. They are left as they were.
        random_operations: how many operations that draw random numbers the function may have.
        onednn, proving: see :func:`logan.fast.passes.simplify`.

    Raises:
        CannotRecordError: if a recording could not do what the function does.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        inputs: Sequence[Tensor | None],
        attributes: Attributes,
        random_operations: int = 0,
        onednn: bool = True,
        proving: bool = False,
    ) -> None:
        self._given = [i for i, x in enumerate(inputs) if x is not None]
        self.attributes = attributes
        if attributes.uninitialised is not None:
            raise NotYetError(f"{attributes.uninitialised} gets its shape at the first step")
        if attributes.unfit is not None:
            raise CannotRecordError(attributes.unfit)
        inputs = [None if x is None else copy_of(x) for x in inputs]  # the function may write into them
        self.assigned: list[int] = []
        """Positions of the tensors that the function replaces by others, which are the last results of :attr:`run`."""
        with on_trial(attributes) as before:
            try:
                module, self._result_structure = self._traced(function, inputs, before)
                _refuse_values_and_shapes(module.graph)
                found = passes.random_operations(module.graph)
                if len(found) > random_operations:
                    raise CannotRecordError(f"the networks draw random numbers ({found[-1]})")
                before.put_back()
                with torch.no_grad():
                    Seen(module).run(*attributes.tensors(), *map(copy_of, self._tensors_of(inputs)))
                passes.simplify(module, onednn, proving)
            except CannotRecordError:
                raise
            except Exception as error:  # the tracer's refusals have no class of their own
                reason = f"{type(error).__name__}: {first_line(error)}"
                raise CannotRecordError(f"the step cannot be recorded ({reason})") from error
        self.module: fx.GraphModule = module
        """The operations, to be run as they stand or compiled further."""
        self.run: Callable[..., Any] = module
        self.keeps_addresses = False
        """Whether tensors have to stay where they are: what is assigned is then written into what was there."""

    @torch.no_grad()
    def __call__(self, attributes: Attributes, *inputs: Tensor | None) -> Any:
        """The function's result for ``inputs`` and what networks keep now, which is where the recorded ones had it."""
        state = attributes.tensors()
        results = list(self.run(*state, *self._tensors_of(inputs)))
        returned = len(results) - len(self.assigned)
        for i, new in zip(self.assigned, results[returned:], strict=True):
            if self.keeps_addresses or capturing():
                state[i].detach().copy_(new)
            else:  # a tensor of its own, as the function makes one: somebody may hold on to the last
                owner, name = attributes.places[i]
                owner[name] = new.requires_grad_(state[i].requires_grad)
        return pytree.tree_unflatten(results[:returned], self._result_structure)

    @property
    def precision(self) -> torch.dtype:
        """The narrowest type that it computes in; a number for a report may be narrower. TF32 has the bits of float16."""
        values = (n.meta.get("val") for n in self.module.graph.nodes)
        found = {v.dtype for v in values if isinstance(v, Tensor) and v.is_floating_point() and v.ndim >= 2}
        if any(map(_in_tf32, self.module.graph.nodes)):
            found.add(torch.float16)
        return max(found, key=lambda t: torch.finfo(t).eps, default=torch.float32)

    def _tensors_of(self, inputs: Sequence[Tensor | None]) -> list[Any]:
        return [inputs[i] for i in self._given]

    def _traced(
        self, function: Callable[..., Any], inputs: Sequence[Tensor | None], before: Before
    ) -> tuple[fx.GraphModule, pytree.TreeSpec]:
        state = self.attributes.tensors()
        structure: list[pytree.TreeSpec] = []
        made, replaced, left = _Made(), dict[int, str](), list[str]()

        def flat(*tensors: Tensor) -> list[Any]:
            arguments: list[Tensor | None] = [None] * len(inputs)
            for i, x in zip(self._given, tensors[len(state) :], strict=True):
                arguments[i] = x
            # a backward pass in a thread of its own would choose cuDNN's kernels for that thread
            here = torch.autograd.set_multithreading_enabled(False)
            with torch.enable_grad(), here, made, nothing_leaves(left), fast_operations():
                results, spec = pytree.tree_flatten(function(*arguments))
                assigned = _assigned(self.attributes, state, before)
            structure.append(spec)
            self.assigned = list(assigned)
            replaced.update({i: self.attributes.names[i] for i, new in assigned.items() if new.requires_grad})
            return [*results, *(new.detach() for new in assigned.values())]

        addresses = _addresses(state)
        with _one_fake_mode():
            module = make_fx(flat, tracing_mode="real")(*state, *self._tensors_of(inputs))
        for name, now, then in zip(self.attributes.names, _addresses(state), addresses, strict=True):
            if now != then:
                raise CannotRecordError(f"{name} is given other memory")
        if left:  # also where somebody has caught the refusal
            raise CannotRecordError(f"numbers leave torch by {left[0]}")
        _refuse_reading(module.graph, replaced)
        kept = {id(t) for t in state}
        for node in module.graph.nodes:
            if node.op == "get_attr" and (id(t := getattr(module, node.target)) in kept or made.holds(t)):
                raise CannotRecordError("a parameter or an array is made from what is being computed")
        return module, structure[0]


def _in_tf32(node: fx.Node) -> bool:
    """Whether CUDA rounds what it multiplies there."""
    values = [v for v in pytree.tree_leaves(node.meta.get("val")) if isinstance(v, Tensor)]
    if not any(v.device.type == "cuda" and v.dtype == torch.float32 for v in values):
        return False
    name = str(node.target)
    multiplies = any(part in name for part in ("mm", "matmul", "linear"))
    convolves = any(part in name for part in ("conv", "rnn"))
    return (multiplies and rounds_to_tf32(products=True)) or (convolves and rounds_to_tf32())


@contextmanager
def _one_fake_mode() -> Iterator[None]:
    """The tracer notes the shape of every result, and makes a mode for each where it finds none: a third of its time."""
    with tracing(TracingContext(FakeTensorMode(allow_fallback_kernels=True))):
        yield


class _Made(TorchDispatchMode):
    """Knows the memory of everything that operations inside have returned."""

    def __init__(self) -> None:
        super().__init__()
        self._storages: dict[int, StorageWeakRef] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func not in passes.MADE_HERE:
            for t in pytree.tree_leaves(result):
                if isinstance(t, Tensor):
                    storage = t.untyped_storage()
                    self._storages[storage._cdata] = StorageWeakRef(storage)  # keeps the address from being used again
        return result

    def holds(self, t: Tensor) -> bool:
        """Whether an operation has returned memory of ``t``."""
        return t.untyped_storage()._cdata in self._storages


@contextmanager
def nothing_leaves(left: list[str]) -> Iterator[None]:
    """Inside, numbers may not be taken out of torch, and what tries to is noted; ``.data`` is written into, not replaced."""

    def refuse(name: str) -> Callable[..., None]:
        def refused(*args: Any, **kwargs: Any) -> None:
            left.append(name)
            raise CannotRecordError(f"numbers leave torch by {name}")

        return refused

    def refuse_tensors(x: Any, where: Any, *args: Any, **kwargs: Any) -> None:
        if isinstance(where, Tensor):  # read without a word to any tracer
            refuse("tensor_split")()

    names = ("numpy", "__array__", "tolist", "__dlpack__", "data_ptr")
    refusals = {getattr(Tensor, name): refuse(name) for name in names}
    refusals |= dict.fromkeys((torch.tensor_split, Tensor.tensor_split), refuse_tensors)
    with Substituting(refusals | {torch.Tensor.data.__set__: _write_data}):  # type: ignore[attr-defined]
        yield


@torch.no_grad()
def _write_data(tensor: Tensor, value: Tensor) -> bool:
    if (tensor.shape, tensor.dtype, tensor.device) != (value.shape, value.dtype, value.device):
        raise CannotRecordError("a tensor's data are replaced by others of another kind")
    tensor.detach().copy_(value)
    return True


def _assigned(attributes: Attributes, state: Sequence[Tensor], before: Before) -> dict[int, Tensor]:
    """What the function has put into the places of other tensors, by position.

    Raises:
        CannotRecordError: if it has changed anything else.
    """
    drawn = [name for name in before.random.drawn() if not name.startswith("torch")]
    if drawn:
        raise CannotRecordError(f"the networks draw random numbers ({drawn[0]})")
    now = Attributes(attributes.roots)
    if now.key != attributes.key:
        kind = (
            NotYetError if set(now.names) - set(attributes.names) else CannotRecordError
        )  # tensors that were not there yet
        raise kind(f"{now.differs_from(attributes)} changes as the networks run")
    assigned = {}
    for i, (name, old, new) in enumerate(zip(attributes.names, state, now.tensors(), strict=True)):
        if new is old:
            continue
        if isinstance(new, nn.Parameter):
            raise CannotRecordError(f"{name} is replaced by a new parameter")
        if (new.shape, new.dtype, new.device) != (old.shape, old.dtype, old.device):
            raise NotYetError(f"{name} is replaced by a tensor of another shape, type or device")
        assigned[i] = new
    return assigned


def _refuse_reading(graph: fx.Graph, replaced: dict[int, str]) -> None:
    placeholders = [n for n in graph.nodes if n.op == "placeholder"]
    for i, name in replaced.items():
        if placeholders[i].users:
            raise CannotRecordError(f"{name} keeps a graph from one step to the next")


def _refuse_values_and_shapes(graph: fx.Graph) -> None:
    for node in graph.nodes:
        tags = getattr(node.target, "tags", ())
        by_mask = node.target is torch.ops.aten.index.Tensor and any(
            isinstance(i, fx.Node) and i.meta["val"].dtype in (torch.bool, torch.uint8) for i in node.args[1]
        )
        by_value = torch.Tag.dynamic_output_shape in tags and node.target is not torch.ops.aten.index.Tensor
        if by_mask or by_value or torch.Tag.data_dependent_output in tags:
            raise CannotRecordError(f"a shape or a decision depends on values ({node.target})")


def _addresses(tensors: Sequence[Tensor]) -> list[int]:
    return [0 if isinstance(t, FakeTensor) else t.data_ptr() for t in tensors]
