"""Several ranks are one: gradients and weights as of one process with the whole batch (gloo, on the CPU)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from logan import LatentStep, dynamics, losses
from logan.bench import planning
from logan.cli.train import read_arguments
from logan.cs_gan import CSStep
from logan.distributed import World
from logan.training import loop
from tests.bench.test_plan import SMALL
from tests.distributed import as_one, jobs
from tests.distributed.ranks import on_ranks
from tests.faults.material import quick_classifier

RANDOM = replace(jobs.STEP, subset="random")
SCORED = (
    "--preset digits --width 4 --kimg 1 --tick 1 --snap 1 --metrics fid301 is301 --engine plain --threads 1 "
    "--detector-weights"
).split()
FAILING = (
    "--preset digits --network mlp --width 8 --latent-dim 4 --batch 50 --ema-kimg 0 --kimg 7 --tick 1 --snap 1 --metrics none "
    "--engine plain --threads 1 --on-alarm back --alarm-snapshots 2"
).split()
Case = tuple[torch.dtype, str, dict[str, Any], bool]
QUICK: list[Case] = [
    (torch.float64, "plain", {}, True),
    (torch.float64, "recorded", {}, True),
    (torch.float32, "plain", {}, True),
    (torch.float64, "plain", {"update": "alternating", "d_steps": 2}, True),
    (torch.float64, "plain", {"micro_batch": 2}, False),
    (torch.float64, "plain", {"dynamics": dynamics.create("extragradient")}, True),
    (torch.float64, "plain", {"latent": CSStep(loss=losses.hinge)}, True),
    (torch.float64, "plain", {"latent": RANDOM}, True),
    (torch.float64, "plain", {"latent": RANDOM, "micro_batch": 4}, False),
]
SLOW: list[Case] = [(dtype, "recorded", rules, norm) for dtype, _, rules, norm in QUICK]
PLANNED = [([*SMALL, "--precision", precision], "ngd") for precision in ("float32", "bfloat16")]
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}


def distance(a: Tensor, b: Tensor) -> float:
    """‖a − b‖ / ‖a‖."""
    a, b = a.double(), b.double()
    return float((a - b).norm() / a.norm().clamp_min(1e-300)) if not torch.equal(a, b) else 0.0


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier that has learnt nothing: its features tell whose images they are of all the same."""
    return quick_classifier(tmp_path_factory.mktemp("detector") / "classifier.safetensors")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The arguments of a run of ``logan train`` whose numbers can be compared."""
    return [*as_one.SMALL, *as_one.images_of_noise(tmp_path_factory.mktemp("noise"))]


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory, detector: Path, trained: list[str]) -> list[dict[str, Any]]:
    """What each of two ranks found, started once: torch's import takes longer than most of it."""
    folder = tmp_path_factory.mktemp("ranks")
    found = on_ranks(2, jobs.everything, folder, QUICK, [*SCORED, str(detector)], FAILING, trained, folder)
    return [one | {"folder": folder} for one in found]


def compare(case: Case, found: list[list[Tensor]], steps: int) -> None:
    """Of every rank with one that has the whole batch, in one piece."""
    dtype, engine, rules, norm = case
    whole = {k: v for k, v in rules.items() if k != "micro_batch"}
    alone = jobs.play(World(), dtype, engine, whole, norm, steps)
    for rank, one in enumerate(found):
        worst = max(map(distance, alone, one))
        assert worst < TOLERANCE[dtype], (case, rank, worst)


@pytest.mark.parametrize("i", range(len(QUICK)))
def test_gradients_and_weights_are_those_of_one_rank(i: int, ranks: list[dict[str, Any]]) -> None:
    compare(QUICK[i], [r["played"][i] for r in ranks], steps=4)


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 4])
def test_many_steps_from_recordings(size: int, tmp_path: Path) -> None:
    found = on_ranks(size, jobs.play_all, tmp_path, SLOW, 20)
    for i, case in enumerate(SLOW):
        compare(case, [one[i] for one in found], steps=20)


def test_batch_norm_over_ranks_can_be_differentiated(ranks: list[dict[str, Any]]) -> None:
    for found in (r["derivatives"] for r in ranks):
        half = len(found) // 2
        for ours, torchs in zip(found[:half], found[half:], strict=True):
            torch.testing.assert_close(ours, torchs, rtol=1e-9, atol=1e-9)


@pytest.mark.slow
def test_memory_is_as_planned(tmp_path: Path) -> None:
    for run, peak in zip(PLANNED, on_ranks(2, jobs.peaks_of_steps, tmp_path, PLANNED)[0], strict=True):
        as_planned(run, peak)


def as_planned(run: tuple[list[str], str], peak: int) -> None:
    """With batch norm over ranks, which holds more than one device's, and gradients in a message."""
    config = read_arguments(run[0]).config
    one, two = (planning.make(config, gpus=n).costs["ngd"] for n in (1, 2))
    assert two.bytes(config.game.batch // 2) == pytest.approx(peak, rel=0.15)
    assert two.bytes(config.game.batch // 2) > one.bytes(config.game.batch // 2)
    assert two.flop_per_image == one.flop_per_image


def test_scores_are_of_all_ranks_samples(ranks: list[dict[str, Any]], detector: Path, tmp_path: Path) -> None:
    alone = jobs.scores(World(), [*SCORED, str(detector)], tmp_path)
    assert alone.keys() == {"fid301", "is301"}
    for found in (r["scores"] for r in ranks):
        assert found == pytest.approx(alone, rel=1e-2)


@pytest.mark.parametrize("engine", ["plain", pytest.param("recorded", marks=pytest.mark.slow)])
@pytest.mark.parametrize("size", [1, 4, 5])
@pytest.mark.parametrize("latent", [RANDOM, CSStep(loss=losses.hinge)], ids=["random subset", "cs"])
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


def test_all_go_back_together(ranks: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "save_curves", lambda path, stats: path.write_bytes(b""))
    went_back_together([r["gone back"] for r in ranks], ranks[0]["backs"])
    alone = jobs.gone_back(World(), FAILING, tmp_path)
    for one, two in zip(alone, ranks[0]["gone back"], strict=True):
        for a, b in zip(one, two, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-2)


def went_back_together(found: list[list[list[Tensor]]], backs: list[dict[str, float]]) -> None:
    """Bit for bit, twice, to the same state."""
    assert [(b["step"], b["to_kimg"]) for b in backs] == [(80, 2.0), (120, 2.0)]
    assert len(found[0]) == len(found[1]) == 7
    for one, two in zip(*found, strict=True):
        assert all(map(torch.equal, one, two))


@pytest.mark.cuda
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs a GPU for each of two ranks")
def test_all_gpus_go_back_together(tmp_path: Path) -> None:
    found = on_ranks(2, jobs.gone_back, tmp_path, [*FAILING, "--engine", "auto"], tmp_path / "failing", device="cuda")
    went_back_together(found, jobs.backs(tmp_path / "failing"))


def test_training_is_that_of_one_rank(ranks: list[dict[str, Any]], trained: list[str], tmp_path: Path) -> None:
    """On images of noise from a folder, with labels and mirroring; test_training.py has the same under torchrun."""
    assert jobs.said_in_training(World(), trained, tmp_path).count("\ntick 0 ") == 1
    assert ranks[0]["said"].count("\ntick 0 ") == 1
    assert ranks[1]["said"] == ""  # rank 0 alone speaks
    as_one.assert_close(next(tmp_path.glob("0*")), next((ranks[0]["folder"] / "trained").glob("0*")))


def test_messages(ranks: list[dict[str, Any]]) -> None:
    order: list[float] = []
    for rank, found in enumerate(r["messages"] for r in ranks):
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
