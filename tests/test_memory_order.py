"""Gradients lie in memory as their parameters do."""

import pytest
import torch

from logan import networks
from logan.game import Game
from logan.losses import hinge
from logan.memory_order import in_order_of

LAST = torch.channels_last
PARAMETERS = {
    "rows": torch.zeros(3, 4),
    "columns": torch.zeros(4, 3).t(),
    "images": torch.zeros(2, 3, 4, 5),
    "channels last": torch.zeros(2, 3, 4, 5).to(memory_format=LAST),
    "one channel, last": torch.zeros(2, 1, 4, 5).to(memory_format=LAST),
    "one channel": torch.zeros(2, 1, 4, 5),
    "points": torch.zeros(2, 3, 1, 1).to(memory_format=LAST),
    "volumes": torch.zeros(2, 3, 2, 2, 2).to(memory_format=torch.channels_last_3d),
    "a number": torch.zeros(()),
    "nothing": torch.zeros(0, 3),
}


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("order", ["rows", "turned round", "last", "spread"])
def test_the_numbers_stay_and_the_order_is_the_parameters(name, order):
    parameter = PARAMETERS[name]
    gradient = torch.arange(float(parameter.numel())).reshape(parameter.shape)
    if order == "turned round" and gradient.ndim:
        gradient = (
            gradient.permute(*reversed(range(gradient.ndim))).contiguous().permute(*reversed(range(gradient.ndim)))
        )
    elif order == "last" and gradient.ndim == 4:
        gradient = gradient.to(memory_format=LAST)
    elif order == "spread":
        gradient = torch.stack([gradient, gradient], -1)[..., 0]
    laid = in_order_of(parameter, gradient)
    assert torch.equal(laid, gradient)
    assert laid.stride() == parameter.stride()


def test_what_has_no_order_is_left_alone():
    one_place = torch.zeros(1).expand(3)
    spread = torch.zeros(6)[::2]
    for parameter in (one_place, spread):
        gradient = torch.ones(3)
        assert in_order_of(parameter, gradient) is gradient


@pytest.mark.parametrize("engine", ["plain", "recorded"])
def test_sparse_gradients_reach_their_optimiser(engine):
    d = torch.nn.Sequential(torch.nn.Embedding(5, 4, sparse=True), torch.nn.Flatten(), torch.nn.Linear(4, 1))

    class Judge(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.d, self.scale = d, torch.nn.Linear(2, 1)

        def forward(self, x):
            return self.d(torch.zeros(len(x), 1, dtype=torch.long)) + self.scale(x)

    g, judge = torch.nn.Linear(3, 2), Judge()
    before = d[0].weight[0].detach().clone()
    game = Game(
        g, judge, *(torch.optim.SGD(p.parameters(), 0.1) for p in (g, judge)), engine=engine, announce=lambda s: None
    )
    game.step(lambda: (torch.randn(4, 2), None), lambda n: torch.randn(n, 3))
    game.step(lambda: (torch.randn(4, 2), None), lambda n: torch.randn(n, 3))
    assert in_order_of(d[0].weight, torch.eye(5).to_sparse()).layout == torch.sparse_coo
    assert d[0].weight.shape == (5, 4)
    assert before.shape == (4,)


def test_nothing_is_copied_where_only_sizes_of_one_differ():
    parameter, gradient = PARAMETERS["one channel, last"], torch.ones(2, 1, 4, 5)
    assert in_order_of(parameter, gradient).data_ptr() == gradient.data_ptr()


@pytest.mark.parametrize("engine", ["plain", "recorded"])
@pytest.mark.parametrize("kind", ["dcgan", "sndcgan", "mlp"])
def test_optimisers_are_given_what_cudas_fused_ones_take(kind, engine):
    class Strict(torch.optim.SGD):
        """The check of ``at::native::check_fast_path_restrictions``."""

        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    assert p.grad is None or p.grad.stride() == p.stride(), tuple(p.shape)
            return super().step(closure)

    torch.manual_seed(0)
    size = 8 if kind == "mlp" else 32
    players = networks.create(kind, image_size=size, image_channels=1, latent_dim=4, width=4)
    for player in players:
        player.to(memory_format=LAST)
    game = Game(*players, *(Strict(p.parameters(), lr=1e-3) for p in players), loss=hinge, engine=engine)
    game.step(lambda: (torch.randn(3, 1, size, size), None), lambda n: torch.randn(n, 4))
