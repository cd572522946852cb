"""The full BigGAN-deep of the paper, here and now: minutes and gigabytes."""

import pytest
import torch

from logan import networks
from logan.game import simultaneous
from logan.latent import LatentStep


@pytest.mark.slow
@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_logan_step_of_the_full_pair(checkpointing):
    """LOGAN (NGD) at 128×128 with 1,000 classes, batch 2: finite gradients in every parameter."""
    torch.manual_seed(0)
    G, D = networks.create("biggan-deep", image_size=128, latent_dim=256, num_classes=1000, activation="leaky-relu")
    assert (networks.count_parameters(G), networks.count_parameters(D)) == (59_714_436, 34_590_210)
    for net in (G, D):
        net.checkpointing = checkpointing
        with torch.no_grad():
            net.attention.gamma.fill_(0.1)  # at 0 nothing comes to the layers of the attention
    z, labels = torch.rand(2, 256) * 2 - 1, torch.tensor([3, 999])
    step = LatentStep("ngd", alpha=0.9, beta=5.0, portion=0.5, penalty=300.0)
    turn = simultaneous(G, D, torch.rand(2, 3, 128, 128) * 2 - 1, z, labels, latent=step)
    for net, gradients in ((G, turn.g_gradients), (D, turn.d_gradients)):
        for (name, p), g in zip(net.named_parameters(), gradients, strict=True):
            assert g is not None, name
            assert g.shape == p.shape
            assert g.isfinite().all(), name
    silent = [n for (n, _), g in zip(G.named_parameters(), turn.g_gradients, strict=True) if not g.any()]
    silent += [n for (n, _), g in zip(D.named_parameters(), turn.d_gradients, strict=True) if not g.any()]
    assert set(silent) <= {"head.bias"}  # of the hinge loss, +1 and −1, where no score is beyond its margin
    assert 0 < turn.report["delta_z"] <= 0.9 / (2 * 5**0.5)
