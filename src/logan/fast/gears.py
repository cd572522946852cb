"""Compile or capture a recording, and see at once whether that works here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from logan.errors import first_line
from logan.fast import EngineName
from logan.fast.cuda_graph import CudaGraph
from logan.fast.recording import Recording
from logan.fast.trial import on_trial


def improve(
    recording: Recording, inputs: Sequence[Tensor | None], kind: EngineName, announce: Callable[[str], None]
) -> None:
    """Let the recording run as ``kind`` says, or as it is if that fails."""
    recorded, state = recording.run, recording.attributes.tensors()
    if kind == "compiled":
        recording.run = torch.compile(recorded, fullgraph=True, dynamic=False)
    elif kind == "cuda-graph":
        recording.run = CudaGraph(recorded, kept=len(state))
    else:
        return
    with on_trial(recording.attributes):
        try:
            recording(state, *inputs)
        except Exception as error:  # compilers and drivers raise what they like
            reason = f"{type(error).__name__}: {first_line(error)}"
            announce(f"playing from the recording as it is, same results: {kind} does not work here ({reason})")
            recording.run = recorded
