"""The stream of batches: a pure function of (seed, position)."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from itertools import islice

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import dataloader

from logan.data import InMemory, Streamed, batches, open_data
from logan.data.counter import blocks, permutation
from logan.data.stream import supply
from logan.errors import InputError
from logan.interrupts import interrupts


def numbered(n: int = 10, labelled: bool = True) -> InMemory:
    """Image i has the value i everywhere but in its left column, which is 255."""
    images = torch.arange(n, dtype=torch.uint8)[:, None, None, None].repeat(1, 1, 4, 4)
    images[..., 0] = 255
    return InMemory(images, torch.arange(n) % 3 if labelled else None, "numbered")


def values(images: torch.Tensor) -> list[int]:
    """Which images of ``numbered`` these are, mirrored or not."""
    return ((images[:, 0, 0, 1] + 1) * 127.5).round().int().tolist()


def take(count: int, data, **options):
    return list(islice(batches(data, **options), count))


def test_each_epoch_is_a_permutation_and_no_two_are_alike():
    stream = [v for images, _ in take(20, numbered(), batch=3, seed=1) for v in values(images)]
    epochs = [stream[k : k + 10] for k in range(0, 60, 10)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 6


def test_labels_belong_to_images():
    for images, labels in take(10, numbered(), batch=4, seed=0):
        assert labels.tolist() == [v % 3 for v in values(images)]
    assert take(1, numbered(labelled=False), batch=4, seed=0)[0][1] is None


@pytest.mark.parametrize("start", [0, 3, 10, 12, 33])
@pytest.mark.parametrize("mirror", [False, True])
def test_resuming_gives_what_would_have_come(start, mirror):
    whole = torch.cat([images for images, _ in take(30, numbered(), batch=3, seed=5, mirror=mirror)])
    rest = take(8, numbered(), batch=5, seed=5, start=start, mirror=mirror)
    assert torch.equal(torch.cat([images for images, _ in rest]), whole[start : start + 40])


def test_seeds_and_epochs_are_mixed():
    assert not torch.equal(permutation(100, 0, 1), permutation(100, 1, 0))
    assert not torch.equal(permutation(100, 0, 0), permutation(100, 2**32, 0))
    assert not (blocks(0, 1, 0, 4) == blocks(0, 2, 0, 4)).any()
    assert not (blocks(0, 1, 0, 4) == blocks(1, 1, 0, 4)).any()


def test_blocks_depend_on_position_alone():
    assert (blocks(3, 1, 0, 100)[37:47] == blocks(3, 1, 37, 10)).all()
    assert len(np.unique(blocks(3, 1, 2**40, 100))) == 400


def test_the_program_s_random_numbers_are_left_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    take(5, numbered(), batch=4, seed=0, mirror=True)
    take(1, open_data("ring"), batch=4, seed=0)
    assert torch.equal(before, torch.get_rng_state())


def test_range_is_exact():
    data = InMemory(torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16))
    images, _ = take(1, data, batch=1, seed=0)[0]
    assert images.dtype == torch.float32
    assert (images.min(), images.max()) == (-1, 1)
    flat = images.flatten()
    assert torch.equal(flat, -flat.flip(0))
    assert torch.allclose(flat, torch.arange(256) * (2 / 255) - 1, atol=1e-6)


def test_mirror_flips_half_left_to_right():
    images = torch.cat([images for images, _ in take(100, numbered(), batch=10, seed=2, mirror=True)])
    left, right = images[:, 0, :, 0].eq(1).all(1), images[:, 0, :, 3].eq(1).all(1)
    assert (left ^ right).all()
    assert 0.45 < right.float().mean() < 0.55  # 1000 coins: ± 3 standard deviations
    again = torch.cat([images for images, _ in take(100, numbered(), batch=10, seed=2, mirror=True)])
    assert torch.equal(images, again)


def test_bad_numbers():
    with pytest.raises(InputError, match=r"batch of 11 is larger than the set of 10: pass a smaller `batch`"):
        batches(numbered(), batch=11, seed=0)
    assert len(take(1, numbered(), batch=10, seed=0)[0][0]) == 10
    with pytest.raises(InputError, match="`batch` must be at least 1"):
        batches(numbered(), batch=0, seed=0)
    with pytest.raises(InputError, match="start"):
        batches(numbered(), batch=1, seed=0, start=-1)


@pytest.fixture
def streamed(tmp_path) -> Streamed:
    rng = np.random.default_rng(0)
    for k in range(12):
        (tmp_path / f"c{k % 2}").mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(tmp_path / f"c{k % 2}" / f"{k}.png")
    data = open_data(str(tmp_path), memory_limit=0)
    assert isinstance(data, Streamed)
    return data


def test_workers_change_nothing(streamed, tmp_path):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    options = {"batch": 5, "seed": 3, "start": 7, "mirror": True}
    alone = take(8, streamed, workers=0, **options)
    together = take(8, streamed, workers=2, **options)
    held = take(8, open_data(str(tmp_path)), **options)
    for (a, x), (b, y), (c, z) in zip(alone, together, held, strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, c)
        assert x.tolist() == y.tolist() == z.tolist()
    assert torch.equal(before, torch.get_rng_state())


def test_bad_input_in_a_worker_is_one_line(streamed, tmp_path):
    path = tmp_path / "c0" / "0.png"
    path.write_bytes(path.read_bytes()[:60])  # breaks after it was checked
    with pytest.raises(InputError, match=r"^c0/0.png: broken image") as caught:
        take(3, streamed, batch=12, seed=0, workers=1)
    assert "\n" not in str(caught.value)


def test_streamed_keeps_the_rules_of_a_sequence(streamed):
    assert len(list(streamed)) == 12
    with pytest.raises(IndexError):
        streamed[12]


def test_workers_are_ended(streamed):
    """Python would wait for them without end: they let the one SIGTERM pass that it sends."""
    before = set(multiprocessing.active_children())
    supplied = supply(streamed, 5, 3, 0, "cpu", False, 2)
    supplied.decide(1)
    workers = set(multiprocessing.active_children()) - before
    assert len(workers) == 2
    supplied.end()
    supplied.end()  # twice does no harm
    assert not workers & set(multiprocessing.active_children())


@pytest.mark.skipif(os.name != "posix", reason="sends a signal to itself")
@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_while_workers_are_ended(streamed, monkeypatch):
    """Torch ends them in a finaliser, whose exceptions Python prints and forgets."""
    end = dataloader._MultiProcessingDataLoaderIter._shutdown_workers

    def signalled(self):
        os.kill(os.getpid(), signal.SIGTERM)
        end(self)

    supplied = supply(streamed, 4, 0, 0, "cpu", False, 1)
    supplied.decide(1)
    monkeypatch.setattr(dataloader._MultiProcessingDataLoaderIter, "_shutdown_workers", signalled)
    with interrupts(), pytest.raises(KeyboardInterrupt):
        supplied.end()
    assert multiprocessing.active_children() == []


def test_a_program_ends_that_does_not_end_its_stream(streamed, tmp_path):
    code = (
        "from logan.data import batches, open_data\n"
        f"stream = batches(open_data({str(tmp_path)!r}, memory_limit=0), batch=5, seed=0, workers=1)\n"
        "next(stream)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
