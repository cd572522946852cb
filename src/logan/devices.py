"""What differs between the devices that torch computes on."""

from __future__ import annotations

import torch


def synchronize(device: torch.device) -> None:
    """Wait for the device, where it works on its own: a clock read before that has not seen the work that was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
