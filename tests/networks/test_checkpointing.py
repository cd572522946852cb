"""Checkpointing changes memory and time and nothing else: not the gradients, not what the networks remember."""

import copy

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from logan import networks
from logan.accumulation import in_parts
from logan.bench.live_memory import LiveMemory
from logan.game import discriminator_turn, generator_turn, simultaneous
from logan.latent import LatentStep
from logan.losses import hinge
from logan.networks.attention import SelfAttention
from logan.networks.checkpointing import Checkpointed

from .residual import FAMILY, batch, family

F64 = torch.float64
STEP = LatentStep("ngd", alpha=0.9, beta=0.1, portion=0.5, penalty=3.0)
EXACT = {"rtol": 1e-10, "atol": 1e-12}


def pair(name, size=32, **changes):
    G, D = family(name, size, **changes)
    for net in (G, D):
        net.double()
        for module in net.modules():
            if isinstance(module, SelfAttention):
                nn.init.constant_(module.gamma, 0.5)
    return G, D


def checkpointed(*nets):
    copies = [copy.deepcopy(net) for net in nets]
    for net in copies:
        net.checkpointing = True
    return copies


def assert_same(turn, other):
    for a, b in zip((turn.d_loss, turn.g_loss), (other.d_loss, other.g_loss), strict=True):
        if a is not None:
            torch.testing.assert_close(a, b, **EXACT)
    for gradients, others in ((turn.d_gradients, other.d_gradients), (turn.g_gradients, other.g_gradients)):
        assert len(gradients) == len(others)
        for a, b in zip(gradients, others, strict=True):
            torch.testing.assert_close(a, b, **EXACT)


def assert_same_state(net, other):
    assert net.state_dict().keys() == other.state_dict().keys()
    for (key, a), b in zip(net.state_dict().items(), other.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, **EXACT, msg=lambda m, key=key: f"{key}: {m}")


@pytest.mark.parametrize("name", FAMILY)
def test_a_logan_step(name):
    G, D = pair(name)
    G2, D2 = checkpointed(G, D)
    z, y = batch(G, 4, F64)
    real = torch.rand(4, 2, 32, 32, dtype=F64) * 2 - 1
    before = copy.deepcopy(G.state_dict())
    for _ in range(2):
        turns = [simultaneous(g, d, real, z, y, latent=STEP) for g, d in ((G, D), (G2, D2))]
        assert_same(*turns)
    assert turns[0].report["penalty"] > 0
    assert any(g.abs().max() > 0 for g in turns[1].g_gradients)
    assert_same_state(G, G2), assert_same_state(D, D2)
    moved = [k for k, v in G.state_dict().items() if not torch.equal(v, before[k])]
    assert all(any(k.endswith(end) for k in moved) for end in ("running_mean", "running_var", "num_batches_tracked"))


@pytest.mark.parametrize("play", ["discriminator", "generator", "parts"])
def test_other_turns(play):
    G, D = pair("biggan", 64, width=1)  # with attention
    G2, D2 = checkpointed(G, D)
    z, y = batch(G, 4, F64)
    real = torch.rand(4, 2, 64, 64, dtype=F64) * 2 - 1

    def turn(g, d):
        if play == "discriminator":
            return discriminator_turn(g, d, real, z, y, latent=STEP)
        if play == "generator":
            return generator_turn(g, d, z, y, latent=STEP)
        return in_parts(lambda *x: simultaneous(g, d, *x, latent=STEP), (real, z, y), 2, (g, d))

    assert_same(turn(G, D), turn(G2, D2))
    assert_same_state(G, G2), assert_same_state(D, D2)


@pytest.mark.parametrize("name", ["biggan", "biggan-deep"])
def test_an_ordinary_loop(name):
    """Where nothing holds the weights fixed: every pass has spectral-norm vectors of its own, and its repetition the same."""
    results = []
    for switched in (False, True):
        G, D = pair(name)
        for net in (G, D):
            net.checkpointing = switched
        z, y = batch(G, 4, F64)
        fake = G(z, y)
        loss = hinge.discriminator(D(fake.roll(1, 2), y), D(fake, y))
        D.eval()  # too late for a pass that has been
        gradients = torch.autograd.grad(loss, [*D.parameters(), *G.parameters()])
        assert not any(m.training for m in D.modules())
        results.append((loss, gradients, [*G.state_dict().values(), *D.state_dict().values()]))
    (loss, gradients, state), (loss2, gradients2, state2) = results
    torch.testing.assert_close(loss, loss2, **EXACT)
    for a, b in zip(gradients, gradients2, strict=True):
        torch.testing.assert_close(a, b, **EXACT)
    for a, b in zip(state, state2, strict=True):
        torch.testing.assert_close(a, b, **EXACT)


def test_torchs_own_repetition_would_not_do(monkeypatch):
    """The check above sees what it is for: statistics and vectors that move twice."""

    def run(self, block, *inputs):
        return checkpoint(block, *inputs, use_reentrant=False) if self.checkpointing else block(*inputs)

    monkeypatch.setattr(Checkpointed, "run", run)
    with pytest.raises(AssertionError, match=r"running_mean|num_batches_tracked|not close|not equal"):
        test_an_ordinary_loop("biggan")
    with pytest.raises(AssertionError, match=r"running_mean|num_batches_tracked"):
        test_a_logan_step("biggan-deep")


def saved_bytes(loss_of):
    """Bytes that the graph of a loss keeps, each tensor once."""
    kept = {}

    def pack(t):
        kept[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        alive.append(t)
        return t

    alive = []
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        loss_of()
    return sum(kept.values())


@pytest.mark.parametrize("name", FAMILY)
def test_it_saves_memory(name):
    G, D = family(name, width=8, spectral_norm=False)
    z, y = batch(G, 8)
    G2, D2 = checkpointed(G, D)
    assert saved_bytes(lambda: D2(G2(z, y), y)) < 0.5 * saved_bytes(lambda: D(G(z, y), y))


@pytest.mark.parametrize(("latent", "factor"), [(None, 2.0), (STEP, 1.2)], ids=["none", "ngd"])
def test_the_most_that_a_step_holds(latent, factor):
    """A LOGAN step saves less: what f(z) has computed again for its first backward pass it keeps for its second."""
    most = []
    for switched in (False, True):
        G, D = family("biggan-deep", 64, width=8, spectral_norm=False)
        G.checkpointing = D.checkpointing = switched
        z, y = batch(G, 7)
        memory = LiveMemory(7)
        with memory:
            simultaneous(G, D, torch.rand(7, 2, 64, 64), z, y, latent=latent)
        most.append(memory.most())
    assert most[1] * factor < most[0]


def test_the_list_of_networks():
    for name in networks.NETWORKS:
        pair_ = networks.create(name, image_size=32, latent_dim=8, width=1, spectral_norm=False)
        assert all(isinstance(net, Checkpointed) == (name in networks.CHECKPOINTED) for net in pair_)
        assert not any(getattr(net, "checkpointing", False) for net in pair_)
