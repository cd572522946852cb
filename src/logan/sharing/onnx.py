"""Networks as ONNX (extra: onnx): what runs them needs neither this project nor torch.

A network is copied, put into evaluation mode, and its weights are written as they are used: those of spectral norm divided by
their norms. The exporter is torch's of today, which traces with ``torch.export``; it knows every network of
:mod:`logan.networks`. Whatever it makes is run in onnxruntime, at several batch sizes, and compared with torch before it is
written.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from logan.errors import InputError, first_line
from logan.files import size_text, write_atomically

OPSET = 18
"""Of all runtimes since 2023; what the networks are made of has not changed since."""
TOLERANCE = 1e-4
"""Largest difference from torch, of images in [−1, 1]; of what is larger, relative to its size."""
BATCHES = (1, 2, 5)
"""Sizes at which both are compared."""
MOST_BYTES = 2**31 - 1
"""Of a file of ONNX that is one file."""


def save(
    path: str | Path,
    network: nn.Module,
    example: Tensor,
    labels: Tensor | None = None,
    *,
    names: tuple[str, str],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a network, ours or yours, as ONNX, with a batch of any size.

    Args:
        path: of the file.
        network: ``network(x)`` or ``network(x, labels)``; it stays as it is.
        example: x for five samples at least, (B, …), float32 on any device.
        labels: (B,), int64, for networks that take them.
        names: of input and output; the labels are called ``labels``.
        metadata: words by name, kept in the file.

    Raises:
        InputError: if the extra is not installed, the network cannot be traced, or onnxruntime computes something else.

    Example:
        >>> import tempfile
        >>> generator = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh())
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save(Path(folder, "g.onnx"), generator, torch.randn(5, 4), names=("z", "images"))
        ...     Path(folder, "g.onnx").stat().st_size > 0
        True
    """
    onnx, runtime = _libraries()
    path = Path(path)
    if len(example) < max(BATCHES):
        raise InputError(
            f"`example` has {len(example)} samples; {max(BATCHES)} are needed to compare several batch sizes"
        )
    folded = as_used(network)
    inputs = [example.detach().float().cpu()] + ([] if labels is None else [labels.detach().long().cpu()])
    with torch.no_grad():
        if not bool(torch.isfinite(folded(*inputs)).all()):
            raise InputError(f"{path.name} is not made: the network has diverged, its {names[1]} are not finite")
    size = sum(p.numel() * p.element_size() for p in (*folded.parameters(), *folded.buffers()))
    if size > MOST_BYTES - 2**20:
        raise InputError(
            f"{path.name} would have {size_text(size)}; a file of ONNX has at most {size_text(MOST_BYTES)}"
        )
    model = _traced(folded, inputs, names, path.name)
    for key, value in (metadata or {}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    try:
        onnx.checker.check_model(model, full_check=True)
        content = model.SerializeToString()
        difference = _difference(runtime, content, folded, inputs, names)
    except Exception as error:  # onnx and onnxruntime each raise their own
        raise InputError(f"{path.name} cannot be run by onnxruntime ({first_line(error)}): report it, please") from None
    if not difference <= TOLERANCE:
        raise InputError(
            f"{path.name} differs from torch by {difference:.1e} in onnxruntime, and {TOLERANCE} is allowed: report it, please"
        )
    write_atomically(path, lambda partial: partial.write_bytes(content), len(content))


def as_used(network: nn.Module) -> nn.Module:
    """A copy in evaluation mode, in float32 on the CPU, whose weights are those that are multiplied with: no parametrisations."""
    copied = copy.deepcopy(network).cpu().float().eval()
    for module in [m for m in copied.modules() if parametrize.is_parametrized(m)]:
        values = {name: getattr(module, name).detach().clone() for name in module.parametrizations}  # type: ignore[union-attr]
        # not by remove_parametrizations: the copy has its class in common with the original, whose weights that would take away
        module.__class__ = parametrize.type_before_parametrizations(module)
        del module.parametrizations
        for name, value in values.items():
            module.register_parameter(name, nn.Parameter(value))
    return copied.requires_grad_(False)


def _traced(network: nn.Module, inputs: list[Tensor], names: tuple[str, str], what: str) -> Any:
    """The graph, by torch's exporter, which says a lot that concerns its makers alone."""
    dynamic = tuple({0: torch.export.Dim("batch")} for _ in inputs)
    try:
        with torch.no_grad(), _quiet():
            program = torch.onnx.export(
                network, tuple(inputs), dynamo=True, dynamic_shapes=dynamic, opset_version=OPSET,
                input_names=[names[0], "labels"][: len(inputs)], output_names=[names[1]], verbose=False,
            )  # fmt: skip
    except Exception as error:
        raise InputError(
            f"{what} cannot be made: torch's exporter cannot follow the network ({first_line(error)})"
        ) from None
    assert program is not None
    return program.model_proto


def _difference(
    runtime: Any, content: bytes, network: nn.Module, inputs: list[Tensor], names: tuple[str, str]
) -> float:
    """Between onnxruntime and torch, the largest, over several batch sizes."""
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    worst = 0.0
    for n in BATCHES:
        part = [x[:n] for x in inputs]
        feed = {name: x.numpy() for name, x in zip([names[0], "labels"], part, strict=False)}
        got = torch.from_numpy(session.run([names[1]], feed)[0])
        with torch.no_grad():
            want = network(*part)
        if got.shape != want.shape:
            return float("inf")
        worst = max(worst, float((got - want).abs().max() / want.abs().max().clamp(min=1)))
    return worst


def _libraries() -> tuple[Any, Any]:
    try:
        importlib.import_module("onnxscript")  # torch's exporter needs it
        return importlib.import_module("onnx"), importlib.import_module("onnxruntime")
    except ImportError as error:
        missing = error.name or "onnx"
        raise InputError(f"`onnx` needs {missing}, of the extra 'onnx': pip install \"logan-gan[onnx]\"") from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter prints, logs and warns."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
