"""How kernels are chosen: the flags that torch reads, inside and afterwards."""

import os

import pytest
import torch

from logan.devices import CUBLAS_WORKSPACE, kernels, rounds_to_tf32, without_tf32
from logan.errors import InputError
from tests.training.small import assert_same_run, config


def flags():
    cudnn = torch.backends.cudnn
    return (
        cudnn.benchmark,
        cudnn.deterministic,
        torch.are_deterministic_algorithms_enabled(),
        os.environ.get(CUBLAS_WORKSPACE),
        torch.utils.deterministic.fill_uninitialized_memory,
    )


@pytest.mark.parametrize(
    ("deterministic", "inside"),
    [(False, (True, False, False, None, True)), (True, (False, True, True, ":4096:8", False))],
)
def test_the_flags_hold_inside_and_only_there(deterministic, inside, monkeypatch):
    monkeypatch.delenv(CUBLAS_WORKSPACE, raising=False)
    before = flags()
    with kernels(deterministic):
        assert flags() == inside
    assert flags() == before
    with pytest.raises(KeyError), kernels(deterministic):
        raise KeyError
    assert flags() == before


def test_what_was_chosen_outside_is_kept(monkeypatch):
    monkeypatch.setenv(CUBLAS_WORKSPACE, ":16:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with kernels(deterministic=False):  # who asked for determinism has it
            assert flags()[:3] == (False, False, True)
        with kernels(deterministic=True):
            assert os.environ[CUBLAS_WORKSPACE] == ":16:8"
            assert not torch.is_deterministic_algorithms_warn_only_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
    assert os.environ[CUBLAS_WORKSPACE] == ":16:8"


def test_a_run_trains_under_them_and_leaves_none(tmp_path, monkeypatch):
    from logan.game import Game
    from logan.training.loop import train

    seen, step = [], Game.step
    monkeypatch.delenv(CUBLAS_WORKSPACE, raising=False)
    monkeypatch.setattr(Game, "step", lambda self, *args: (seen.append(flags()), step(self, *args))[1])
    runs = [
        train(config(kimg=1, snap=1, deterministic=chosen), outdir=tmp_path / str(chosen), quiet=True)
        for chosen in (False, True)
    ]
    assert [x[0] for x in (seen[0], seen[-1])] == [True, False]  # cuDNN tries its kernels, or not
    assert seen[-1][2]
    assert not torch.are_deterministic_algorithms_enabled()
    options = [(run / "training_options.json").read_text() for run in runs]
    assert options[0] != options[1]
    for run in runs:  # on a CPU the bits are the same either way; what may differ is what the settings say
        (run / "training_options.json").unlink()
    assert_same_run(*runs)


def precisions():
    cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
    newer = [x.fp32_precision for x in (cudnn.conv, cudnn.rnn, products)] if hasattr(cudnn, "conv") else []
    return cudnn.allow_tf32, products.allow_tf32, torch.get_float32_matmul_precision(), *newer


@pytest.mark.parametrize("products", ["highest", "high", "medium"])
def test_products_of_float32_are_exact_inside_and_as_before_afterwards(products):
    torch.set_float32_matmul_precision(products)
    try:
        before = precisions()
        assert rounds_to_tf32()  # torch's choice for convolutions
        assert rounds_to_tf32(products=True) is (products != "highest")
        with without_tf32():
            assert not rounds_to_tf32()
            assert not rounds_to_tf32(products=True)
            assert precisions()[:3] == (False, False, "highest")  # the older names can be read
            with torch.backends.cudnn.flags(enabled=False):
                pass
        assert precisions() == before
        with pytest.raises(KeyError), without_tf32():
            raise KeyError
        assert precisions() == before
    finally:
        torch.set_float32_matmul_precision("highest")


def test_inductors_own_switch_comes_back():
    import torch._inductor.config as inductor

    assert not inductor.deterministic
    with kernels(True):
        pass
    assert not inductor.deterministic


def put():
    """A CPU's operation that has no deterministic form."""
    torch.zeros(3).put_(torch.tensor([0, 0]), torch.tensor([1.0, 2.0]))


def test_an_operation_without_a_deterministic_form_is_announced_by_its_name():
    with pytest.raises(InputError, match=r"^`deterministic`: put_ gives other bits every time") as error, kernels(True):
        put()
    assert error.value.field == "deterministic"
    with kernels(False):
        put()


@pytest.mark.parametrize("deterministic", [True, False])
def test_other_errors_are_themselves(deterministic):
    with pytest.raises(RuntimeError, match="size"), kernels(deterministic):
        torch.zeros(2) + torch.zeros(3)


def test_a_run_with_such_an_operation_stops_with_its_name(tmp_path, monkeypatch):
    from logan.game import Game
    from logan.training.loop import train

    step = Game.step
    monkeypatch.setattr(Game, "step", lambda self, *args: (put(), step(self, *args))[1])
    with pytest.raises(InputError, match="put_"):
        train(config(kimg=1, deterministic=True), outdir=tmp_path, quiet=True)
