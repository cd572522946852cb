"""What differs between the devices that torch computes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from logan.errors import InputError, first_line


def choose_device(name: str) -> torch.device:
    """``auto``: cuda if there is one, else cpu.

    Raises:
        InputError: for a device that this machine or this torch does not have.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # fails on "meta" too, which holds no numbers
    except (RuntimeError, AssertionError) as error:
        reason = first_line(error).partition(", ")[0]
        raise InputError(f"`device` {name} cannot be used here ({reason}); try `device` cpu") from None
    return device


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


def synchronize(device: torch.device) -> None:
    """Wait for the device, where it works on its own: a clock read before that has not seen the work that was asked for.

    On CUDA for the present stream: other runs may have others.
    """
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()
    elif device.type == "mps":
        torch.mps.synchronize()
