"""Several ranks are one: gradients and weights as of one process with the whole batch (gloo, on the CPU)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from logan import LatentStep, dynamics, losses
from logan.cs_gan import CSStep
from logan.distributed import World
from tests.distributed import jobs
from tests.distributed.ranks import on_ranks

PLAIN: dict[str, Any] = {}
CASES = [
    (torch.float64, "plain", PLAIN, True),
    (torch.float64, "recorded", PLAIN, True),
    (torch.float32, "recorded", PLAIN, True),
    (torch.float64, "recorded", {"update": "alternating", "d_steps": 2}, True),
    (torch.float64, "plain", {"micro_batch": 2}, False),
    (torch.float64, "recorded", {"dynamics": dynamics.create("extragradient")}, True),
    (torch.float64, "recorded", {"latent": CSStep(loss=losses.hinge)}, True),
    (torch.float64, "recorded", {"latent": replace(jobs.STEP, subset="random")}, True),
    (torch.float64, "recorded", {"latent": replace(jobs.STEP, subset="random"), "micro_batch": 4}, False),
]
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}


def distance(a: Tensor, b: Tensor) -> float:
    """‖a − b‖ / ‖a‖."""
    a, b = a.double(), b.double()
    return float((a - b).norm() / a.norm().clamp_min(1e-300)) if not torch.equal(a, b) else 0.0


@pytest.mark.parametrize("size", [2, 4])
def test_gradients_and_weights_are_those_of_one_rank(size: int, tmp_path: Path) -> None:
    cases = CASES if size == 2 else CASES[1:3]
    found = on_ranks(size, jobs.play_all, tmp_path, cases)
    for i, case in enumerate(cases):
        dtype, engine, rules, norm = case
        alone = jobs.play(World(), dtype, engine, {k: v for k, v in rules.items() if k != "micro_batch"}, norm)
        for rank in range(size):
            worst = max(map(distance, alone, found[rank][i]))
            assert worst < TOLERANCE[dtype], (case, rank, worst)


def test_batch_norm_over_ranks_can_be_differentiated(tmp_path: Path) -> None:
    for found in on_ranks(2, jobs.check_derivatives, tmp_path):
        half = len(found) // 2
        for ours, torchs in zip(found[:half], found[half:], strict=True):
            torch.testing.assert_close(ours, torchs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("engine", ["plain", "recorded"])
@pytest.mark.parametrize("size", [1, 4, 5])
@pytest.mark.parametrize(
    "latent", [replace(jobs.STEP, subset="random"), CSStep(loss=losses.hinge)], ids=["random subset", "cs"]
)
def test_a_batch_in_parts_moves_as_in_one_piece(latent: LatentStep | CSStep, size: int, engine: str) -> None:
    whole = jobs.play(World(), torch.float64, engine, {"latent": latent}, norm=False)
    parts = jobs.play(World(), torch.float64, engine, {"latent": latent, "micro_batch": size}, norm=False)
    assert max(map(distance, whole, parts)) < 1e-10


def test_a_share_that_is_no_whole_number_of_a_part_is_refused() -> None:
    rules = {"latent_share": 0.5, "micro_batch": 1}
    with pytest.raises(ValueError, match="0.5 is no whole number of the 1 samples"):
        jobs.play(World(), torch.float64, "plain", rules, norm=False)
    jobs.play(World(), torch.float64, "plain", rules | {"micro_batch": 4}, norm=False)
    with pytest.raises(ValueError, match="of the 1 samples"):  # the last part: 16 = 5 · 3 + 1
        jobs.play(World(), torch.float64, "plain", rules | {"micro_batch": 3, "latent_share": 1 / 3}, norm=False)


def test_messages(tmp_path: Path) -> None:
    order: list[float] = []
    for rank, found in enumerate(on_ranks(2, jobs.messages, tmp_path)):
        assert [None if t is None else t.item() for t in found["all reduce mean"]] == [1.5, None, 1.5]
        assert found["all reduce mean"][2].shape == (1, 1)
        assert found["strides"] == (48, 1, 12, 3)  # channels last: fused optimisers read gradients in memory order
        assert found["any rank"] == [False, True]
        assert found["broadcast"] == "from 0"
        said, silent = "InputError: a mistake", "SaidElsewhereError: a mistake"
        assert found["broadcast result"] == ["by 0", [said, silent][rank]]
        assert found["all or none"] == [rank, [said, silent][rank], [silent, said][rank]]
        order.append(found["seen"])
        assert found["all gather rows"].tolist() == [[1, 1], [2, 2], [2, 2]]
        assert found["own slice"] == [4 * rank, 4 * rank + 4]
        assert (found["in sync"], found["drifted"]) == (False, True)
    assert order[0] < order[1]


def test_one_process_by_itself_sends_nothing() -> None:
    world = World()
    x = torch.ones(2)
    assert world.all_reduce_mean([x, None])[0] is x
    assert world.any_rank(True)
    assert not world.any_rank(False)
    assert world.broadcast("a") == "a"
    assert world.all_gather_rows(x) is x
    assert world.own_slice(7) == slice(0, 7)
    world.barrier()
    world.check_in_sync([x])
