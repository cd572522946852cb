"""What differs between the devices that torch computes on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from logan.errors import InputError, first_line


def choose_device(name: str) -> torch.device:
    """``auto``: cuda if there is one, else mps (a Mac's GPU) if there is one, else cpu.

    Raises:
        InputError: for a device that this machine or this torch does not have.
    """
    if name == "auto":
        there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
        return torch.device(next(kind for kind, found in there.items() if found))
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # fails on "meta" too, which holds no numbers
    except (RuntimeError, AssertionError) as error:
        reason = first_line(error).partition(", ")[0]
        raise InputError(f"`device` {name} cannot be used here ({reason}); try `device` cpu") from None
    return device


def in_float64(x: Tensor) -> Tensor:
    """``x`` in float64: where it is, or on the CPU if it is on MPS, which has no float64."""
    return (x.cpu() if x.device.type == "mps" else x).double()


@contextmanager
def cpu_threads(n: int) -> Iterator[None]:
    """Compute with n threads inside; 0 changes nothing."""
    before = torch.get_num_threads()
    if n:
        torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


_FILL: Any = torch.utils.deterministic

CUBLAS_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
"""Where cuBLAS looks for the size of its workspace, once: when CUDA starts. With a fixed one its sums have one order."""


@contextmanager
def kernels(deterministic: bool) -> Iterator[None]:
    """How kernels are chosen inside: for the same bits every time, or on CUDA the fastest for each shape of a convolution.

    Fastest means that cuDNN tries them when a shape is first seen: shapes are fixed in training, so this is seconds per run.
    It may choose otherwise in another process, and sums have another order then.

    Args:
        deterministic: enter it before CUDA starts. Operations that have no such kernel, of which a CPU has a few too, raise
            RuntimeError inside (:func:`torch.use_deterministic_algorithms`).

    Raises:
        InputError: in that one's place, on leaving: the name of the operation, and what to do.
    """
    cudnn, fill = torch.backends.cudnn, _FILL
    before = cudnn.benchmark, cudnn.deterministic, fill.fill_uninitialized_memory, os.environ.get(CUBLAS_WORKSPACE)
    mode = torch.get_deterministic_debug_mode()
    cudnn.benchmark, cudnn.deterministic = not (deterministic or mode), deterministic
    if deterministic:
        os.environ.setdefault(CUBLAS_WORKSPACE, ":4096:8")
        torch.use_deterministic_algorithms(True)
        fill.fill_uninitialized_memory = False  # a kernel per tensor, to find reads of it: a recording has none
    try:
        yield
    except RuntimeError as error:
        name, found, _ = first_line(error).partition(" does not have a deterministic implementation")
        if not (deterministic and found):
            raise
        raise InputError(
            f"`deterministic`: {name} gives other bits every time, and torch has no other form of it on this device; leave "
            f"`deterministic` out, or put another operation in its place"
        ) from error
    finally:
        if deterministic:
            torch.use_deterministic_algorithms(
                mode > 0, warn_only=mode == 1
            )  # inductor has a switch of its own, set by this
        cudnn.benchmark, cudnn.deterministic, fill.fill_uninitialized_memory = before[:3]
        if before[3] is None:
            os.environ.pop(CUBLAS_WORKSPACE, None)


def _precisions() -> tuple[Any, ...]:
    """Where torch 2.9 and later keep how exact products of float32 are on CUDA, beside older names for the same."""
    cudnn = torch.backends.cudnn
    return (cudnn.conv, cudnn.rnn, torch.backends.cuda.matmul) if hasattr(cudnn, "conv") else ()


def rounds_to_tf32(products: bool = False) -> bool:
    """Whether CUDA may round float32 to TF32, of ten bits like float16, before it multiplies.

    Args:
        products: in products of matrices, where torch's default is not to; else in convolutions and recurrent layers, where it is.
    """
    if found := _precisions():
        return any(kind.fp32_precision == "tf32" for kind in (found[2:] if products else found[:2]))
    return bool(torch.backends.cuda.matmul.allow_tf32 if products else torch.backends.cudnn.allow_tf32)


@contextmanager
def without_tf32() -> Iterator[None]:
    """Products of float32 are in float32 inside. The older names are set too, and first: torch refuses to read what contradicts."""
    cudnn, kinds = torch.backends.cudnn, _precisions()
    before = [kind.fp32_precision for kind in kinds]
    older = cudnn.allow_tf32, torch.get_float32_matmul_precision()
    try:
        _set_precisions(False, "highest", ["ieee"] * len(kinds))
        yield
    finally:
        _set_precisions(*older, before)


def _set_precisions(in_cudnn: bool, of_products: str, newer: list[str]) -> None:
    torch.backends.cudnn.allow_tf32 = in_cudnn
    torch.set_float32_matmul_precision(of_products)
    for kind, value in zip(_precisions(), newer, strict=True):
        kind.fp32_precision = value


def synchronize(device: torch.device) -> None:
    """Wait for the device, where it works on its own: a clock read before that has not seen the work that was asked for.

    On CUDA for the present stream: other runs may have others.
    """
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()
    elif device.type == "mps":
        torch.mps.synchronize()
