"""Run a function on several ranks of this machine, over gloo."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.multiprocessing as mp

from logan.distributed import World
from logan.fast import recorded
from logan.training import loop

Job = Callable[..., Any]


def on_ranks(size: int, job: Job, folder: Path, *arguments: Any, device: str = "cpu") -> list[Any]:
    """``job(world, *arguments)`` on every rank, in processes of their own; what each returned (tensors, containers of them)."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    mp.start_processes(_work, (size, port, job, folder, arguments, device), nprocs=size, start_method="spawn")
    return [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in range(size)]


def _work(rank: int, size: int, port: int, job: Job, folder: Path, arguments: tuple[Any, ...], device: str) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    recorded.LAST_CHECK = 1  # as in all tests, in which curves are not drawn either: seconds of a small run
    loop.save_curves = lambda path, stats: path.write_bytes(b"")  # type: ignore[assignment]
    with World.joined(device) as world:
        torch.save(job(world, *arguments), folder / f"rank{rank}.pt")
    assert not _threads_of_gloo(), "the interpreter's end would meet them, and abort the process now and then"


def _threads_of_gloo() -> list[str]:
    names = (task / "comm" for task in Path("/proc/self/task").glob("*"))  # of Linux alone
    return [name for path in names if "gloo" in (name := path.read_text())]
