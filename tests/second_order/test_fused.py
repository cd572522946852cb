"""Fused attention and recurrent layers in latent steps, against finite differences."""

from contextlib import nullcontext

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint

from logan import turns
from logan.devices import without_tf32
from logan.dynamics import SGA, Consensus, ThreePlayer, Unrolled
from logan.errors import NoSecondDerivativeError
from logan.second_order import twice_differentiable
from logan.second_order.fused import _under, _without_cudnn, _without_onednn

from .small import F64, STEP, batch, game_of, players

HEADS = (2, 2, 2)  # heads, tokens, width: 8 numbers


class Attention(nn.Module):
    def __init__(self, **settings):
        super().__init__()
        self.settings = settings

    def forward(self, x):
        q = x.view(-1, *HEADS)
        return F.scaled_dot_product_attention(q, 2 * q.flip(1), q.cos(), **self.settings).flatten(1)


class Tokens(nn.Module):
    """``layer`` of a sequence (B, 2, 4), to 8 numbers a sample."""

    def __init__(self, layer, **settings):
        super().__init__()
        self.layer, self.settings = layer, settings

    def forward(self, x):
        x = x.view(-1, 2, 4)
        args = (x, x.sin(), x) if isinstance(self.layer, nn.MultiheadAttention) else (x,)
        y = self.layer(*args, **self.settings)
        return (y if isinstance(y, torch.Tensor) else y[0]).reshape(-1, 8)


LOWER = torch.ones(2, 2, dtype=torch.bool).tril()
ATTENTION = {
    "plain": lambda: Attention(),
    "mask": lambda: Attention(attn_mask=torch.tensor([[0.0, -1.0], [0.5, 0.0]], dtype=F64)),
    "mask of bool": lambda: Attention(attn_mask=LOWER),
    "causal": lambda: Attention(is_causal=True, scale=0.7),
    "multi-head": lambda: Tokens(nn.MultiheadAttention(4, 2, batch_first=True), need_weights=False),
    "multi-head, causal": lambda: Tokens(
        nn.MultiheadAttention(4, 2, batch_first=True), need_weights=False, attn_mask=~LOWER, is_causal=True
    ),
    "multi-head, padding": lambda: Tokens(
        nn.MultiheadAttention(4, 2, batch_first=True),
        need_weights=False,
        key_padding_mask=torch.tensor([[False, True], [False, False], [False, False]]),
    ),
    "transformer": lambda: Tokens(nn.TransformerEncoderLayer(4, 2, 8, 0.0, F.silu, batch_first=True)),
    "transformer, evaluated": lambda: Tokens(
        nn.TransformerEncoderLayer(4, 2, 8, 0.1, F.silu, batch_first=True, norm_first=True).eval()
    ),
}
RECURRENT = {
    "lstm": lambda: Tokens(nn.LSTM(4, 4, batch_first=True)),
    "lstm, two ways": lambda: Tokens(nn.LSTM(4, 2, 2, batch_first=True, bidirectional=True)),
    "gru": lambda: Tokens(nn.GRU(4, 4, batch_first=True)),
    "rnn": lambda: Tokens(nn.RNN(4, 4, batch_first=True)),
}
LAYERS = ATTENTION | RECURRENT


def layer(name):
    torch.manual_seed(0)
    return LAYERS[name]()


def slope_by_differences(g, d, player, direction, real, z, h=1e-5):
    """dL/dt of the player's loss along ``direction``, by central differences of losses at z′(θ)."""
    losses = []
    for sign in (1, -1):
        with torch.no_grad():
            for p, v in zip(player.parameters(), direction, strict=True):
                p.add_(v, alpha=sign * h)
        turn = turns.simultaneous(g, d, real, z, latent=STEP)
        losses.append((turn.d_loss if player is d else turn.g_loss).item())
        with torch.no_grad():
            for p, v in zip(player.parameters(), direction, strict=True):
                p.sub_(v, alpha=sign * h)
    return (losses[0] - losses[1]) / (2 * h)


@pytest.mark.parametrize("where", ["d", "g"])
@pytest.mark.parametrize("name", LAYERS)
def test_logans_gradients_are_those_of_finite_differences(name, where):
    g, d = players(layer(name), where)
    real, z = batch()
    turn = turns.simultaneous(g, d, real, z, latent=STEP)
    for player, gradients in ((d, turn.d_gradients), (g, turn.g_gradients)):
        direction = [torch.randn_like(p) for p in player.parameters()]
        slope = sum((a * b).sum().item() for a, b in zip(gradients, direction, strict=True))
        assert slope == pytest.approx(slope_by_differences(g, d, player, direction, real, z), rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, pytest.param(F64, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "name", ["mask", "transformer", "lstm", "gru", pytest.param("multi-head, padding", marks=pytest.mark.slow)]
)
def test_the_recorded_engine_plays_the_same(name, dtype):
    real, z = (x.to(dtype) for x in batch())
    layers = [layer(name).to(dtype) for _ in range(2)]
    for part in layers:
        if "attn_mask" in getattr(part, "settings", {}):
            part.settings = {"attn_mask": part.settings["attn_mask"].to(dtype)}
    plain = turns.simultaneous(*players(layers[0], "d", dtype), real, z, latent=STEP)
    game = game_of(*players(layers[1], "d", dtype), STEP, "recorded", pytest.fail)
    recorded = game.step(lambda: (real, None), lambda n: z)
    for a, b in zip(plain.d_gradients + plain.g_gradients, recorded.d_gradients + recorded.g_gradients, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_layers_in_float32_are_those_in_float64(name):
    """On a CPU an LSTM in float32 is oneDNN's; its second derivatives are right."""
    real, z = batch()
    turn64 = turns.simultaneous(*players(layer(name), "d"), real, z, latent=STEP)
    turn32 = turns.simultaneous(*players(layer(name), "d", torch.float32), real.float(), z.float(), latent=STEP)
    for a, b in zip(turn32.d_gradients + turn32.g_gradients, turn64.d_gradients + turn64.g_gradients, strict=True):
        torch.testing.assert_close(a, b.float(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("latent", [None, STEP], ids=["plain", "latent step"])
@pytest.mark.parametrize("method", [SGA(), Consensus(), Unrolled(d_steps=1, g_steps=1), ThreePlayer()])
def test_the_other_dynamics_differentiate_attention_too(method, latent):
    """By the same formulas as for attention written out."""
    real, z = batch()
    turns_ = [method(*players(a, "d"), real, z, latent=latent) for a in (Attention(), WrittenOut())]
    for a, b in zip(*(t.d_gradients + t.g_gradients for t in turns_), strict=True):
        torch.testing.assert_close(a, b)


class WrittenOut(nn.Module):
    def forward(self, x):
        q = x.view(-1, *HEADS)
        return ((q @ (2 * q.flip(1)).mT / 2**0.5).softmax(-1) @ q.cos()).flatten(1)


@pytest.mark.parametrize("name", ATTENTION)
def test_without_it_torch_refuses(name):
    """What the tests above would be without the mathematical backend; if torch learns it one day, the context may go."""
    attention = layer(name).to(F64)
    x = torch.randn(3, 8, dtype=F64, requires_grad=True)
    (g,) = torch.autograd.grad(attention(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="not implemented"):
        torch.autograd.grad(g.square().sum(), x)


def test_what_is_out_of_sight_is_refused_by_name():
    """A traced module's attention cannot be replaced from outside."""
    g, d = players(nn.Identity(), "d")
    d[1] = torch.jit.trace(Attention(), torch.randn(3, 8, dtype=F64))
    with pytest.raises(
        NoSecondDerivativeError, match="cannot differentiate scaled_dot_product.* twice.*SDPBackend.MATH"
    ):
        turns.simultaneous(g, d, *batch(), latent=STEP)


class Checkpointed(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return checkpoint(self.layer, x, use_reentrant=False)


def test_checkpointed_layers():
    """A backward pass runs them again out of sight: recurrent ones do no harm, attention needs a setting, and says so."""
    real, z = batch()
    for name, setting in (("lstm", nullcontext()), ("transformer", sdpa_kernel(SDPBackend.MATH))):
        once = turns.simultaneous(*players(layer(name), "d"), real, z, latent=STEP)
        with setting:
            again = turns.simultaneous(*players(Checkpointed(layer(name)), "d"), real, z, latent=STEP)
        for a, b in zip(once.d_gradients + once.g_gradients, again.d_gradients + again.g_gradients, strict=True):
            torch.testing.assert_close(a, b)
    with pytest.raises(NoSecondDerivativeError, match="whole step under torch.nn.attention.sdpa_kernel"):
        STEP(lambda z: Checkpointed(Attention())(z.repeat(1, 2)).sum(1), z)


def test_settings_of_the_process_are_put_back_even_after_an_error():
    settings = (torch.backends.cuda.flash_sdp_enabled, torch.backends.cuda.mem_efficient_sdp_enabled)
    before = [read() for read in settings]
    assert any(before)
    with twice_differentiable():
        F.scaled_dot_product_attention(*3 * [torch.randn(1, 1, 2, 2)])
        assert [read() for read in settings] == before  # other operations inside keep theirs
        with pytest.raises(RuntimeError):
            F.scaled_dot_product_attention(torch.randn(2, 3), torch.randn(2, 4), torch.randn(5, 6))
    assert [read() for read in settings] == before


def test_recurrent_layers_are_torchs_own_and_their_settings_come_back():
    seen = []
    settings = (lambda: torch.backends.cudnn.enabled, torch._C._get_mkldnn_enabled)
    before = [read() for read in settings]
    assert all(before)
    _under(lambda: seen.extend(read() for read in settings), _without_cudnn, _without_onednn)()
    assert seen == [False, False]
    assert [read() for read in settings] == before


@pytest.mark.cuda
@pytest.mark.parametrize("name", LAYERS)
def test_cuda_agrees_with_the_cpu(name):
    real, z = batch()
    here = turns.simultaneous(*players(layer(name), "d"), real, z, latent=STEP)
    g, d = players(layer(name), "d", torch.float32)
    settings = getattr(d[1], "settings", {})
    d[1].settings = {
        k: v.to("cuda", torch.float32 if v.is_floating_point() else None) if isinstance(v, torch.Tensor) else v
        for k, v in settings.items()
    }
    with without_tf32():
        there = turns.simultaneous(g.cuda(), d.cuda(), real.float().cuda(), z.float().cuda(), latent=STEP)
    for a, b in zip(there.d_gradients + there.g_gradients, here.d_gradients + here.g_gradients, strict=True):
        torch.testing.assert_close(a.cpu(), b.float(), rtol=1e-3, atol=1e-5)
