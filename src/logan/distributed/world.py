"""The processes that train together: who this one is, and what it tells the others."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
import torch.distributed.nn  # before any group is made: see _leave
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

from logan.errors import InputError, SaidElsewhereError, first_line

T = TypeVar("T")
STEP_TIMEOUT = timedelta(minutes=10)
"""How long a rank waits for the others in a step. One that has died is noticed at once; this is for one that hangs."""
LONG_TIMEOUT = timedelta(hours=24)
"""How long it waits while one of them does something alone: train a classifier, write to a slow disk."""


class RanksLostError(RuntimeError):
    """The connection to other ranks broke: one of them died, or the network did."""


@dataclass(frozen=True)
class World:
    """All ranks. ``World()`` is one process by itself, for which everything here does nothing.

    Attributes:
        rank: this one's number, from 0 on; rank 0 writes to disk and to the terminal.
        size: how many there are.
        device: what this rank computes on, if ``--device auto`` or ``cuda`` was asked for.
    """

    rank: int = 0
    size: int = 1
    device: str | None = None
    _control: Any = None

    @classmethod
    @contextmanager
    def joined(cls, device: str = "auto") -> Iterator[World]:
        """The world that ``torchrun`` started this process in; a process by itself if it did not.

        Reads ``RANK``, ``WORLD_SIZE`` and ``LOCAL_RANK`` from the environment. Gradients go over NCCL between GPUs, over gloo
        between CPUs; messages of a few bytes over gloo always, so that no GPU has to wait for them.

        Args:
            device: as ``--device``: with ``auto`` or ``cuda`` every rank of a machine takes the GPU of its own number.

        Raises:
            InputError: if there are more ranks on this machine than GPUs, one GPU was named for all, or only some of the
                variables are set.
        """
        size = int(os.environ.get("WORLD_SIZE", 1))
        if size == 1:
            yield cls()
            return
        missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
        if missing:
            raise InputError(
                f"WORLD_SIZE is {size}, and {missing[0]} is not set: start ranks with torchrun, or unset it"
            )
        rank, local = int(os.environ["RANK"]), int(os.environ.get("LOCAL_RANK", 0))
        own = _own_device(device, local)
        backend = "nccl" if own.startswith("cuda") else "gloo"
        if backend == "nccl":
            torch.cuda.set_device(own)
        dist.init_process_group(backend, store=_store(rank, size), rank=rank, world_size=size, timeout=STEP_TIMEOUT)
        control = dist.group.WORLD if backend == "gloo" else dist.new_group(backend="gloo", timeout=LONG_TIMEOUT)
        world = cls(rank, size, own, control)
        try:
            yield world
            world.barrier()  # Whoever leaves first would otherwise be missed by those who still write.
        finally:
            _leave(world)

    @property
    def group(self) -> str | None:
        """Torch's name of the group of all ranks, for :func:`logan.distributed.sum_over_ranks`; None for the default one."""
        return None

    @property
    def first(self) -> bool:
        """Whether this is rank 0."""
        return self.rank == 0

    def own_slice(self, n: int) -> slice:
        """Which of n things in a row are this rank's."""
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def all_reduce_mean(self, tensors: Sequence[Tensor | None]) -> list[Tensor | None]:
        """Means over the ranks, of all tensors in one message per type of number; None stays None.

        Args:
            tensors: of the same shapes, and None in the same places, on every rank. They are not changed.
        """
        if self.size == 1:
            return list(tensors)
        means: dict[int, Tensor] = {}
        for dtype in {t.dtype: None for t in tensors if t is not None}:
            given = {i: t for i, t in enumerate(tensors) if t is not None and t.dtype == dtype}
            flat = torch.cat([t.flatten() for t in given.values()])
            self._sum_in_place(flat)
            parts = flat.div_(self.size).split([t.numel() for t in given.values()])
            for (i, t), part in zip(given.items(), parts, strict=True):
                # In the tensor's own order of memory: a fused optimiser takes it to be that of the parameter.
                means[i] = torch.empty_like(t).copy_(part.view(t.shape))
        return [means.get(i) for i in range(len(tensors))]

    def _sum_in_place(self, flat: Tensor) -> None:
        with reported():
            dist.all_reduce(flat)

    def any_rank(self, condition: bool) -> bool:
        """Whether ``condition`` holds on some rank."""
        if self.size == 1:
            return condition
        flag = torch.tensor(int(condition))
        with reported():
            dist.all_reduce(flag, dist.ReduceOp.MAX, group=self._control)
        return bool(flag.item())

    def broadcast(self, value: T) -> T:
        """Rank 0's ``value``, on every rank."""
        if self.size == 1:
            return value
        values = [value]
        with reported():
            dist.broadcast_object_list(values, src=0, group=self._control)
        return values[0]

    def broadcast_result(self, do: Callable[[], T]) -> T:
        """What ``do`` returns on rank 0, which alone calls it, on every rank.

        Raises:
            InputError: on every rank, if ``do`` does.
        """
        return self.broadcast(self.all_or_none(lambda: do() if self.first else None))  # type: ignore[return-value]

    def all_or_none(self, do: Callable[[], T]) -> T:
        """What ``do`` returns; if it is refused on some rank, then on all. ``do`` must not send messages.

        Raises:
            InputError: on every rank, if ``do`` does on one.
        """
        if self.size == 1:
            return do()
        result, problem = None, None
        try:
            result = do()
        except InputError as error:
            problem = str(error)
        problems: list[str | None] = [None] * self.size
        with reported():
            dist.all_gather_object(problems, problem, group=self._control)
        first = next((rank for rank, p in enumerate(problems) if p is not None), None)
        if first is not None:
            raise (InputError if self.rank == first else SaidElsewhereError)(str(problems[first]))
        return result  # type: ignore[return-value]

    def all_gather_rows(self, rows: Tensor) -> Tensor:
        """The rows (n_r, …) of all ranks one after another, on the CPU of every rank; the n_r may differ."""
        if self.size == 1:
            return rows
        rows = rows.cpu()
        counts = torch.zeros(self.size, dtype=torch.int64)
        counts[self.rank] = len(rows)
        with reported():
            dist.all_reduce(counts, group=self._control)
            padded = rows.new_zeros(int(counts.max()), *rows.shape[1:])
            padded[: len(rows)] = rows
            found = [torch.empty_like(padded) for _ in range(self.size)]
            dist.all_gather(found, padded, group=self._control)
        return torch.cat([part[:n] for part, n in zip(found, counts.tolist(), strict=True)])

    def barrier(self) -> None:
        """Until all ranks are here, however long one of them takes."""
        if self.size > 1:
            with reported():
                dist.monitored_barrier(group=self._control, timeout=LONG_TIMEOUT)

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """Rank 0 runs the body; then, when it is done, the others: for what leaves its result in a cache on disk."""
        if not self.first:
            self.barrier()
        yield
        if self.first:
            self.barrier()

    def broadcast_tensors(self, tensors: Iterable[Tensor]) -> None:
        """Give every rank rank 0's values."""
        if self.size > 1:
            with reported(), torch.no_grad():
                for tensor in tensors:
                    dist.broadcast(tensor, src=0)

    def check_in_sync(self, tensors: Iterable[Tensor]) -> None:
        """Ranks compute the same weights from the same gradients, or something is wrong that no average mends.

        Raises:
            RuntimeError: if they have drifted apart.
        """
        if self.size == 1:
            return
        own = torch.stack([t.detach().double().sum().cpu() for t in tensors]).nan_to_num()
        if (self.all_gather_rows(own[None]) != own).any():
            raise RuntimeError(
                "the ranks' weights have drifted apart: a network that behaves otherwise on every rank (its own random "
                "numbers, its own files), or a faulty device"
            )


def _leave(world: World) -> None:
    """End the connections, and the threads behind them, now: met at the interpreter's end, they abort the process.

    The backend joins its threads when the last reference to its group goes. This world has one; the others are
    default arguments of torch.distributed.nn, if that was first imported while the group was there.
    """
    object.__setattr__(world, "_control", None)
    dist.destroy_process_group()


def _store(rank: int, size: int) -> dist.Store:
    """Where the ranks find each other. torchrun may keep it over a restart, with the addresses of processes that are dead.

    On one machine every restart has a number that all ranks know. On several the numbers may differ: there torchrun has to be
    told to begin a new store, by TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 (docs/large.md).
    """
    store, *_ = next(iter(rendezvous("env://", rank, size, timeout=STEP_TIMEOUT)))
    if os.environ.get("GROUP_WORLD_SIZE", "1") != "1":
        return store
    return dist.PrefixStore(f"attempt {os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)


def _own_device(asked: str, local: int) -> str:
    if asked not in ("auto", "cuda"):
        if asked.startswith("cuda:"):
            raise InputError(f"`device` {asked} is one GPU, and torchrun started several ranks: pass `device` cuda")
        return asked
    if asked == "auto" and not torch.cuda.is_available():
        return "cpu"
    there = torch.cuda.device_count()
    if local >= there:
        raise InputError(
            f"torchrun started a rank for GPU {local} of this machine, which has {there}: --nproc-per-node {there}"
        )
    return f"cuda:{local}"


@contextmanager
def reported() -> Iterator[None]:
    """Turn what the backends raise when a rank is lost into :class:`RanksLostError`."""
    try:
        yield
    except RuntimeError as error:
        if not is_loss(error):
            raise
        raise RanksLostError(first_line(error)) from error


def is_loss(error: RuntimeError) -> bool:
    """Whether an error of torch's says that a rank could not be reached: gloo has no class of its own for that."""
    text = str(error)
    return isinstance(error, RanksLostError | dist.DistError) or any(
        word in text for word in ("gloo", "NCCL", "Connection closed", "Connection reset", "monitoredBarrier")
    )
