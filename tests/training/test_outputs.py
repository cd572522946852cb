"""Pictures and batch-norm statistics take no more images at a time than the device was promised."""

import pytest
import torch

from logan.training.averaging import AveragedGenerator
from logan.training.outputs import save_fakes
from logan.training.setup import build, training_data, without_gradients

from .small import config


@pytest.mark.parametrize(
    ("batch", "batch_gpu", "ranks", "expected"),
    [
        (2048, 32, 64, 64),
        (2048, 128, 8, 128),
        (2048, None, 8, 256),
        (50, None, 1, 50),
        (50, 10, 1, 50),
        (512, 8, 1, 64),
    ],
)
def test_images_at_a_time(batch, batch_gpu, ranks, expected):
    assert without_gradients(config(batch=batch, batch_gpu=batch_gpu), ranks) == expected


@pytest.mark.parametrize("batch_gpu", [None, 20])
def test_what_the_averaged_generator_is_shown(tmp_path, batch_gpu):
    settings = config(batch=300, batch_gpu=batch_gpu)
    parts = build(settings, training_data(settings))
    average, sizes = AveragedGenerator(parts.generator, 1.0), []
    average.module.register_forward_pre_hook(
        lambda module, inputs: sizes.append((len(inputs[0]), torch.is_grad_enabled()))
    )
    save_fakes(tmp_path / "fakes.png", parts, average)
    at_a_time = 300 if batch_gpu is None else 64
    assert max(n for n, _ in sizes) == at_a_time
    assert 3000 <= sum(n for n, _ in sizes) - 100 < 3000 + at_a_time  # ten batches, and the picture
    assert not any(grad for _, grad in sizes)
