"""Networks as people write them: whatever they keep, assign and decide by, no engine is silently wrong about them."""

import random
import types
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from logan import LatentStep
from logan.game import Game

pytestmark = pytest.mark.usefixtures("all_checks")

F64 = torch.float64
NGD = LatentStep("ngd", alpha=0.9, beta=0.2, portion=0.75, penalty=0.4)


class Keeping(nn.Module):
    """A discriminator of one hidden layer; what it keeps is up to its kind."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 8), nn.Linear(8, 1)
        self.keep()

    def keep(self):
        pass

    def hidden(self, h):
        raise NotImplementedError

    def forward(self, x):
        return self.b(torch.tanh(self.hidden(self.a(x)))).flatten()


class AssignedBuffer(Keeping):
    def keep(self):
        self.register_buffer("m", torch.zeros((), dtype=F64))

    def hidden(self, h):
        self.m = self.m + 1
        return h * (1 + 0.1 * self.m)


class RunningAverage(Keeping):
    def keep(self):
        self.register_buffer("mean", torch.zeros(8, dtype=F64))

    def hidden(self, h):
        self.mean = 0.9 * self.mean + 0.1 * h.detach().mean(0)
        return h - self.mean


class SwappedBuffers(Keeping):
    def keep(self):
        self.register_buffer("u", torch.linspace(0, 1, 8, dtype=F64))
        self.register_buffer("v", torch.linspace(2, 1, 8, dtype=F64))

    def hidden(self, h):
        self.u, self.v = self.v * 1.0, self.u
        return h * self.u


class AssignedInAList(Keeping):
    def keep(self):
        self.history = [torch.zeros(8, dtype=F64)]

    def hidden(self, h):
        self.history = [0.5 * self.history[0] + h.detach().mean(0)]
        return h + self.history[0]


class AssignedData(Keeping):
    """Spectral norm with frozen u and v whose ``data`` are replaced, as in many repositories."""

    def keep(self):
        self.w = nn.Parameter(torch.tensor([[1.0, 0.3], [0.2, 2.0]], dtype=F64).repeat(4, 4))
        self.u = nn.Parameter(torch.eye(8, dtype=F64)[0], requires_grad=False)
        self.v = nn.Parameter(torch.eye(8, dtype=F64)[0], requires_grad=False)

    def hidden(self, h):
        with torch.no_grad():
            self.v.data = F.normalize(self.w.t() @ self.u, dim=0)
            self.u.data = F.normalize(self.w @ self.v, dim=0)
        return h @ (self.w / (self.u @ self.w @ self.v))


class FromTheLastStep(Keeping):
    """Keeps a tensor that others may look at, with its graph."""

    def keep(self):
        self.features = None

    def hidden(self, h):
        self.features = h
        return h


class CountsInPython(Keeping):
    def keep(self):
        self.calls = 0

    def hidden(self, h):
        self.calls += 1
        return h * (1 + 0.01 * self.calls)


class CountsInADictionary(Keeping):
    def keep(self):
        self.state = {"calls": 0, "list": []}

    def hidden(self, h):
        self.state["list"].append(0.01)
        return h * (1 + sum(self.state["list"]))


class PythonsRandom(Keeping):
    def hidden(self, h):
        return h * random.uniform(0.5, 1.5)


class NumpysRandom(Keeping):
    def hidden(self, h):
        return h + torch.from_numpy(np.random.rand(8))


class ItsOwnRandom(Keeping):
    def keep(self):
        self.source = np.random.default_rng(0)

    def hidden(self, h):
        return h * float(self.source.uniform(0.5, 1.5))


class TorchsRandom(Keeping):
    def hidden(self, h):
        return h + 0.1 * torch.randn(8, dtype=F64)


class ThroughNumpy(Keeping):
    def hidden(self, h):
        return h / float(np.abs(h.detach().numpy()).max())


class ThroughAnArray(Keeping):
    def hidden(self, h):
        return h / float(np.max(np.asarray(h.detach())))


class ThroughAList(Keeping):
    def hidden(self, h):
        return h * sum(h.detach().flatten().tolist())


class ThroughItem(Keeping):
    def hidden(self, h):
        return h * h.detach().abs().max().item()


class ByValue(Keeping):
    def hidden(self, h):
        return h if h.sum() > 0 else 2 * h


class ByMask(Keeping):
    def hidden(self, h):
        return h - h[h > 0].mean()


class Growing(Keeping):
    def keep(self):
        self.past = torch.zeros(1, 8, dtype=F64)

    def hidden(self, h):
        self.past = torch.cat([self.past, h.detach().mean(0, keepdim=True)])
        return h + self.past.mean(0)


class KeepsAGraph(Keeping):
    def keep(self):
        self.past = torch.zeros(8, dtype=F64)

    def hidden(self, h):
        y, self.past = h + self.past.detach(), h.mean(0)
        return y


class NewParameter(Keeping):
    def keep(self):
        self.scale = nn.Parameter(torch.ones((), dtype=F64), requires_grad=False)

    def hidden(self, h):
        self.scale = nn.Parameter(h.detach().abs().mean(), requires_grad=False)
        return h / self.scale


class Absolute(Keeping):
    def hidden(self, h):
        return torch.exp(-(h.unsqueeze(0) - h.unsqueeze(1)).abs()).sum(0)


class AbsoluteSquared(Keeping):
    def hidden(self, h):
        return h.abs() ** 2 + torch.log(torch.cosh(h.abs()))


class ByGRU(Keeping):
    def keep(self):
        self.rnn = nn.GRU(8, 8, batch_first=True, dtype=F64)

    def hidden(self, h):
        return self.rnn(h.view(len(h), 1, 8).expand(-1, 2, -1))[0][:, -1]


class ByGRUCell(Keeping):
    def keep(self):
        self.rnn = nn.GRUCell(8, 8, dtype=F64)

    def hidden(self, h):
        return self.rnn(h, self.rnn(h))


class ByLSTM(Keeping):
    def keep(self):
        self.rnn = nn.LSTM(8, 8, batch_first=True, dtype=F64)

    def hidden(self, h):
        return self.rnn(h.view(len(h), 1, 8).expand(-1, 2, -1))[0][:, -1]


class ByRNN(Keeping):
    def keep(self):
        self.rnn = nn.RNN(8, 8, batch_first=True, dtype=F64)

    def hidden(self, h):
        return self.rnn(h.view(len(h), 1, 8).expand(-1, 2, -1))[0][:, -1]


class InPlaceOnParts(Keeping):
    def hidden(self, h):
        parts = h.clone().unsafe_split(4, dim=1)
        parts[0].mul_(2).add_(parts[1])
        again = h.clone().unsafe_chunk(2, dim=1)
        again[1].add_(3.0)
        return torch.cat(parts, 1) + torch.cat(again, 1)


class Lazy(Keeping):
    def keep(self):
        self.lazy = nn.LazyLinear(8, dtype=F64)

    def hidden(self, h):
        return self.lazy(h)


class RegistersAsItGoes(Keeping):
    def hidden(self, h):
        if not hasattr(self, "scale"):
            self.register_buffer("scale", h.detach().abs().mean())
        return h / self.scale


class HelperOutsideTheModules(Keeping):
    def keep(self):
        self.helpers = [nn.Linear(8, 8, dtype=F64).requires_grad_(False)]

    def hidden(self, h):
        return self.helpers[0](h)


KINDS = list(Keeping.__subclasses__())
PLAYED_PLAINLY = {
    CountsInPython, CountsInADictionary, PythonsRandom, NumpysRandom, ItsOwnRandom, TorchsRandom,
    ThroughNumpy, ThroughAnArray, ThroughAList, ThroughItem, ByValue, ByMask, Growing, KeepsAGraph, NewParameter,
}  # fmt: skip
"""Those that no recording can hold; all others are recorded."""


def make_game(discriminator, engine, said, **settings):
    torch.manual_seed(3)
    g = nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 4)).double()
    d = discriminator.double()
    adams = torch.optim.SGD(g.parameters(), 1e-2), torch.optim.SGD([p for p in d.parameters() if p.requires_grad], 1e-2)
    return Game(g, d, *adams, **{"latent": NGD} | settings, engine=engine, announce=said.append)


def play(game, steps=5, between=lambda game, i: None):
    source = torch.Generator().manual_seed(5)
    torch.manual_seed(0), random.seed(0), np.random.seed(0)
    gradients = []
    for i in range(steps):
        between(game, i)
        real = torch.rand(6, 4, dtype=F64, generator=source)
        turn = game.step(lambda: (real, None), lambda n: torch.rand(n, 3, dtype=F64, generator=source) * 2 - 1)  # noqa: B023
        gradients.append([x.detach().clone() for x in (*turn.d_gradients, *turn.g_gradients) if x is not None])
    return gradients


def both(make, between=lambda game, i: None, steps=5, **settings):
    """Gradients of every step by the plain and by the recorded engine, the two games, and what was said."""
    said, played = [], []
    for engine in ("plain", "recorded"):
        torch.manual_seed(1)
        game = make_game(make(), engine, said if engine == "recorded" else [], **settings)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            played.append((play(game, steps, between), game))
    return played, said


def assert_same(played, rtol=1e-8):
    (plain, a), (fast, b) = played
    for want, got in zip(plain, fast, strict=True):
        for x, y in zip(want, got, strict=True):
            torch.testing.assert_close(y, x, rtol=rtol, atol=1e-3 * rtol)
    for one, other in ((a.generator, b.generator), (a.discriminator, b.discriminator)):
        for x, y in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
            torch.testing.assert_close(y, x, rtol=rtol, atol=1e-3 * rtol)
        for name, x in vars(one).items():
            if isinstance(x, int | float | dict | list) and not name.startswith("_"):
                torch.testing.assert_close(
                    getattr(other, name), x, rtol=rtol, atol=1e-3 * rtol
                ) if name != "helpers" else None
            if isinstance(x, torch.Tensor):
                torch.testing.assert_close(
                    getattr(other, name).detach().to(F64), x.detach().to(F64), rtol=rtol, atol=1e-3 * rtol
                )


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_recorded_right_or_played_plainly_with_one_notice(kind):
    played, said = both(kind)
    assert_same(played)
    game = played[1][1]
    recordings = game._engine.recordings
    if kind in PLAYED_PLAINLY:
        assert len(said) == 1
        assert not any(recordings)
    else:
        assert said == []
        assert recordings[-1] is not None


def set_alpha(d, value):
    d.alpha = value


class Fading(Keeping):
    shared = 1.0

    def keep(self):
        self.alpha = 0.0
        self.settings = {"alpha": [0.5]}
        self.config = types.SimpleNamespace(alpha=0.5)
        self.noise = torch.zeros(8, dtype=F64)
        self.array = np.zeros(8)
        self.act = torch.tanh
        self.dropout = nn.Dropout(0.0)
        self.norm = nn.BatchNorm1d(8, dtype=F64)

    def hidden(self, h):
        scale = self.alpha + self.settings["alpha"][0] + self.config.alpha + self.shared + WIDTH["scale"]
        return self.act(scale * self.norm(self.dropout(scale * h)) + self.noise + torch.from_numpy(self.array.copy()))


WIDTH = {"scale": 0.0}


CHANGES = {
    "a number": lambda d: set_alpha(d, 0.7),
    "a number in a dictionary's list": lambda d: d.settings["alpha"].__setitem__(0, 0.9),
    "a number of an object's": lambda d: setattr(d.config, "alpha", 0.9),
    "an object": lambda d: setattr(d, "config", types.SimpleNamespace(alpha=0.9)),
    "a tensor": lambda d: setattr(d, "noise", torch.ones(8, dtype=F64)),
    "a tensor in place": lambda d: d.noise.add_(0.3),
    "an array in place": lambda d: d.array.__setitem__(slice(2, 5), 0.4),
    "a function": lambda d: setattr(d, "act", torch.sin),
    "a class's number": lambda d: setattr(type(d), "shared", 0.4),
    "a global variable": lambda d: WIDTH.__setitem__("scale", 0.2),
    "the momentum of batch norm": lambda d: setattr(d.norm, "momentum", 0.9),
    "the epsilon of batch norm": lambda d: setattr(d.norm, "eps", 0.9),
    "a layer": lambda d: setattr(d, "b", nn.Sequential(d.b, nn.Tanh())),
    "a layer's mode": lambda d: d.norm.eval(),
    "a hook": lambda d: d.b.register_forward_hook(lambda module, inputs, output: 2 * output),
    "a weight frozen": lambda d: d.a.weight.requires_grad_(False),
    "a weight's data": lambda d: setattr(d.a.weight, "data", torch.ones(8, 4, dtype=F64)),
}


@pytest.fixture
def _as_before():
    yield
    Fading.shared, WIDTH["scale"] = 1.0, 0.0


OFTEN_PLAYED = {
    "a number",
    "a tensor in place",
    "an array in place",
    "a class's number",
    "a layer",
    "a hook",
    "a weight's data",
}


@pytest.mark.usefixtures("_as_before")
@pytest.mark.parametrize(
    "change", [pytest.param(c, marks=() if c in OFTEN_PLAYED else pytest.mark.slow) for c in CHANGES]
)
def test_what_changes_between_steps_changes_the_game(change):
    def between(game, i):
        if i == 0:
            Fading.shared, WIDTH["scale"] = 1.0, 0.0
        if i == 3:
            CHANGES[change](game.discriminator)

    played, said = both(Fading, between, steps=5, latent=None)
    assert_same(played)
    assert said == []
    between(None, 0)
    torch.manual_seed(1)
    still = make_game(Fading(), "plain", [], latent=None)
    unchanged = [*play(still, 5)[-1], *still.discriminator.buffers()]
    changed = [*played[0][0][-1], *played[0][1].discriminator.buffers()]
    assert any(a.shape != b.shape or (a - b).abs().max() > 1e-6 for a, b in zip(changed, unchanged, strict=False))


def test_dropout_that_is_switched_on():
    played, said = both(Fading, lambda game, i: setattr(game.discriminator.dropout, "p", 0.5) if i == 2 else None)
    assert_same(played)
    assert len(said) == 1
    assert "random numbers" in said[0]


def test_what_changes_at_every_step_is_played_plainly_with_one_notice():
    played, said = both(Fading, lambda game, i: set_alpha(game.discriminator, 0.01 * i), steps=12, latent=None)
    assert_same(played)
    assert len(said) == 1
    assert "discriminator.alpha" in said[0]
    assert len(played[1][1]._engine.recordings) <= 3


def test_what_changes_seldom_is_recorded_anew():
    played, said = both(Fading, lambda game, i: set_alpha(game.discriminator, float(i // 6)), steps=18, latent=None)
    assert_same(played, rtol=1e-4)
    assert said == []
    assert len(played[1][1]._engine.recordings) == 3


class Scheduled:
    """A latent method of one's own, with a step size that changes."""

    subset, penalty, penalty_in, stop_gradient = "leading", 0.0, "generator", "none"

    def __init__(self):
        self.alpha = 0.5

    def of(self, generator):
        return LatentStep("gd", alpha=self.alpha, penalty=0.0)

    def for_batch(self, size):
        return self


class Unhashable(Scheduled):
    __hash__ = None


@pytest.mark.parametrize("kind", [Scheduled, Unhashable])
def test_a_latent_method_of_ones_own(kind):
    played, said = both(
        HelperOutsideTheModules, lambda game, i: setattr(game.latent, "alpha", 0.5 + i // 2), latent=kind()
    )
    assert_same(played)
    assert len(said) == (kind is Unhashable)
