"""What networks and games do beside computing: a trial of the engine touches nothing, and nothing passes for seen that is not."""

import copy
import dataclasses
import functools
import itertools
import pickle
import types

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from logan import losses
from logan.fast import record
from logan.fast.kept import Kept
from tests.fast.test_peoples_networks import NGD, Keeping, assert_same, both, make_game, play

pytestmark = pytest.mark.usefixtures("all_checks")

F64 = torch.float64
RANDOM = np.random.default_rng(0)
OPTIONS = types.SimpleNamespace(alpha=0.5)
HELPER = nn.Linear(8, 8, dtype=F64).requires_grad_(False)


class Settings:
    alpha = 0.5


class Slotted:
    __slots__ = ("alpha",)


SLOTTED = Slotted()


def noise(h):
    return h + 0.1 * torch.from_numpy(RANDOM.normal(size=8))


def decorated(function):
    @functools.wraps(function)
    def wrapped(*args):
        return function(*args)

    return wrapped


class Reverse(torch.autograd.Function):
    strength = 0.5

    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        return Reverse.strength * g


def scaled(h, by=[0.5]):  # noqa: B006
    return h * by[0]


class Of:
    """Its method is what a network keeps."""

    def __init__(self):
        self.alpha = 0.5

    def scale(self, h):
        return h * self.alpha


def drawing(h):
    return noise(h)


READS = {
    "an object": (lambda d, h: h * OPTIONS.alpha, lambda d, v: setattr(OPTIONS, "alpha", v)),
    "a class": (lambda d, h: h * Settings.alpha, lambda d, v: setattr(Settings, "alpha", v)),
    "an object without a dictionary": (lambda d, h: h * SLOTTED.alpha, lambda d, v: setattr(SLOTTED, "alpha", v)),
    "a custom function's class": (lambda d, h: Reverse.apply(h), lambda d, v: setattr(Reverse, "strength", v)),
    "a default argument": (lambda d, h: scaled(h), lambda d, v: scaled.__defaults__[0].__setitem__(0, v)),
    "a function around it": (decorated(lambda d, h: h * OPTIONS.alpha), lambda d, v: setattr(OPTIONS, "alpha", v)),
    "a function inside": (lambda d, h: (lambda: h * OPTIONS.alpha)(), lambda d, v: setattr(OPTIONS, "alpha", v)),
    "a bound method": (lambda d, h: d.of.scale(h), lambda d, v: setattr(d.of.scale.__self__, "alpha", v)),
    "a bound method that is kept": (lambda d, h: d.method(h), lambda d, v: setattr(d.method.__self__, "alpha", v)),
    "a partial": (lambda d, h: d.part(h), lambda d, v: d.part.keywords["by"].__setitem__(0, v)),
    "a network outside": (lambda d, h: HELPER(h), lambda d, v: HELPER.weight.data.fill_(v)),
}


class Reading(Keeping):
    def __init__(self, read):
        self.read = read
        super().__init__()

    def keep(self):
        self.of, self.part = Of(), functools.partial(scaled, by=[0.5])
        self.method = Of().scale

    def hidden(self, h):
        return self.read(self, h)


@pytest.fixture(autouse=True)
def _as_before():
    def reset():
        global RANDOM
        RANDOM = np.random.default_rng(0)
        OPTIONS.alpha = Settings.alpha = SLOTTED.alpha = Reverse.strength = scaled.__defaults__[0][0] = 0.5

    reset()
    with torch.no_grad():
        HELPER.weight.fill_(0.5)
    yield
    reset()


@pytest.mark.parametrize("read", READS)
def test_what_is_read_from_around_is_looked_at(read):
    function, change = READS[read]

    def between(game, i):
        change(game.discriminator, 0.9 if i >= 2 else 0.5)

    played, said = both(lambda: Reading(function), between, steps=4, latent=None)
    assert_same(played)
    assert said == []
    assert not torch.equal(played[0][0][1][0], played[0][0][3][0])


NEVER = {
    "random numbers of a function's": lambda d, h: drawing(h),
    "a generator's method": lambda d, h: h * d.uniform(),
    "a counter": lambda d, h: h * (1 + 0.01 * next(d.counter)),
    "a refusal that is caught": lambda d, h: h * d.tried(h),
}


class Never(Keeping):
    def __init__(self, read):
        self.read = read
        super().__init__()

    def keep(self):
        self.uniform, self.counter, self.log = np.random.default_rng(0).uniform, itertools.count(), [0.0]

    def tried(self, h):
        try:
            self.log[0] = float(h.detach().numpy().mean())
        except Exception:
            self.log[0] = 0.5
        return self.log[0]

    def hidden(self, h):
        return self.read(self, h)


@pytest.mark.parametrize("read", NEVER)
def test_what_nobody_could_record_is_played_plainly(read):
    played = []
    said = []
    for engine in ("plain", "recorded"):
        global RANDOM
        RANDOM = np.random.default_rng(0)
        torch.manual_seed(1)
        game = make_game(Never(NEVER[read]), engine, said if engine == "recorded" else [])
        played.append((play(game), game))
    assert_same(played)
    assert len(said) == 1


class Held(Keeping):
    def keep(self):
        self.t = self.make()

    def hidden(self, h):
        return h + self.t.to(h.dtype)


TENSORS = {
    "expanded": lambda: torch.ones(1, dtype=F64).expand(8),
    "made in inference mode": lambda: _in_inference_mode(),
    "of few bits": lambda: torch.ones(8).to(torch.float8_e4m3fn),
    "of whole numbers": lambda: torch.arange(8),
}


def _in_inference_mode():
    with torch.inference_mode():
        return torch.ones(8, dtype=F64)


@pytest.mark.parametrize("kind", TENSORS)
def test_tensors_that_cannot_be_written(kind):
    played, said = both(type("D", (Held,), {"make": staticmethod(TENSORS[kind])}), steps=3)
    assert_same(played)
    assert said == []


def test_a_tensor_over_a_file_that_is_only_read(tmp_path):
    """Writing there, even what is there already, would end the process."""
    np.save(tmp_path / "t.npy", np.linspace(0, 1, 8))

    def make():
        return torch.from_numpy(np.load(tmp_path / "t.npy", mmap_mode="r"))

    with pytest.warns(UserWarning, match="not writable"):
        make()
    played, said = both(type("D", (Held,), {"make": staticmethod(make)}), steps=3)
    assert_same(played)
    assert said == []


class Odd(Keeping):
    def keep(self):
        self.sparse = torch.eye(8, dtype=F64).to_sparse()

    def hidden(self, h):
        return h @ self.sparse.to_dense()


class Scripted(Keeping):
    def keep(self):
        self.inner = torch.jit.trace(nn.BatchNorm1d(8).double(), torch.rand(4, 8, dtype=F64))

    def hidden(self, h):
        return self.inner(h)


@pytest.mark.parametrize("kind", [Odd, Scripted])
@pytest.mark.filterwarnings("ignore")
def test_what_cannot_be_looked_at_is_played_plainly(kind):
    played, said = both(kind, steps=4)
    assert_same(played)
    assert len(said) == 1


def test_inputs_that_are_written_into():
    """Once a step, also where a step is recorded or checked; and the batch of the caller's is moved as the plain code moves it."""

    class Writing(Keeping):
        def forward(self, x):
            x.sub_(0.3).mul_(1.7)
            return super().forward(x)

        def hidden(self, h):
            return h

    results = []
    for engine in ("plain", "recorded"):
        torch.manual_seed(1)
        game = make_game(Writing(), engine, [], update="alternating")
        batch = torch.linspace(0, 1, 24, dtype=F64).view(6, 4)
        for i in range(4):
            z = torch.rand(6, 3, dtype=F64, generator=torch.Generator().manual_seed(i))
            game.step(lambda: (batch, None), lambda n: z)  # noqa: B023
        results.append([batch, *game.discriminator.state_dict().values(), *game.generator.state_dict().values()])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_results_share_no_memory():
    """Two equal gradients are two tensors: an optimiser may write into one."""

    class Twice(Keeping):
        def keep(self):
            self.c = nn.Linear(4, 8)

        def forward(self, x):
            return self.b(torch.tanh(self.a(x) + self.c(x))).flatten()

    game = make_game(Twice(), "recorded", [])
    real, z = torch.rand(6, 4, dtype=F64), torch.rand(6, 3, dtype=F64)
    turn = game.step(lambda: (real, None), lambda n: z)
    addresses = [g.data_ptr() for g in (*turn.d_gradients, *turn.g_gradients)]
    assert len(set(addresses)) == len(addresses)


def test_an_operation_that_only_raises_goes_on_raising():
    class Inverse(Keeping):
        def keep(self):
            self.register_buffer("w", torch.eye(8, dtype=F64))

        def hidden(self, h):
            return h @ torch.inverse(self.w)

    for engine in ("plain", "recorded"):
        game = make_game(Inverse(), engine, [])
        play(game, 2)
        game.discriminator.w.zero_()
        with pytest.raises(torch.linalg.LinAlgError):
            play(game, 1)


def test_what_is_held_on_to_stays():
    class Remembered(Keeping):
        def keep(self):
            self.features = None

        def hidden(self, h):
            self.features = h.detach()
            return h

    pools = []
    for engine in ("plain", "recorded"):
        torch.manual_seed(1)
        game, pool = make_game(Remembered(), engine, []), []
        play(game, 6, lambda game, i, pool=pool: pool.append(game.discriminator.features))
        pools.append(pool[1:])
    for a, b in zip(*pools, strict=True):
        torch.testing.assert_close(a, b)
    assert len({t.data_ptr() for t in pools[1]}) == 5


def test_a_network_that_is_replaced_is_played():
    def between(game, i):
        if i == 3:
            game.discriminator = copy.deepcopy(game.discriminator)
            with torch.no_grad():
                game.discriminator.a.weight.mul_(2)
            game.d_optimiser = torch.optim.SGD(game.discriminator.parameters(), 1e-2)

    class Plain(Keeping):
        def hidden(self, h):
            return h

    played, said = both(Plain, between, steps=6)
    assert_same(played)
    assert said == []


def test_inputs_that_require_gradients_are_others():
    class Penalised(Keeping):
        def forward(self, x):
            scores = super().forward(x)
            return scores * 2 if x.requires_grad and x.is_leaf else scores

        def hidden(self, h):
            return h

    results = []
    for engine in ("plain", "recorded"):
        torch.manual_seed(1)
        game, found = make_game(Penalised(), engine, [], update="alternating"), []
        for i in range(7):
            real = torch.full((6, 4), 0.1 * i, dtype=F64, requires_grad=i in (3, 5, 6))
            z = torch.rand(6, 3, dtype=F64, generator=torch.Generator().manual_seed(i))
            turn = game.step(lambda: (real, None), lambda n: z)  # noqa: B023
            found.append(turn.d_gradients[0].clone())
        results.append(found)
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_inputs_that_share_memory_are_others():
    def f(x, y):
        x.add_(1)
        return x * y

    fast = record(f, [torch.zeros(3), torch.zeros(3)], announce=pytest.fail)
    x, y, same = torch.ones(3), torch.ones(3), torch.ones(3)
    assert torch.equal(fast(x, y), torch.full((3,), 2.0))
    assert torch.equal(fast(same, same), torch.full((3,), 4.0))
    assert torch.equal(x, same)
    assert len(fast.recordings) == 2
    assert None not in fast.recordings


def test_games_can_be_copied_and_pickled():
    game = make_game(Reading(scaled_by_self), "recorded", [])
    game.announce = print
    play(game, 2)
    for other in (copy.deepcopy(game), pickle.loads(pickle.dumps(game))):
        assert other.generator is not game.generator
        play(other, 1)
        assert other._engine.players[0] is other.generator


def scaled_by_self(d, h):
    return h * d.of.alpha


def test_a_bad_batch_does_not_end_recording():
    game = make_game(Labelled(), "recorded", said := [])
    game.generator = Unlabelled(game.generator)
    z, real = torch.rand(6, 3, dtype=F64), torch.rand(6, 4, dtype=F64)
    with pytest.raises(IndexError):
        game.step(lambda: (real, torch.full((6,), 7)), lambda n: z)
    game.step(lambda: (real, torch.arange(6) % 3), lambda n: z)
    assert said == []
    assert game.is_recorded


class Unlabelled(nn.Sequential):
    def forward(self, z, labels):
        return super().forward(z)


class Labelled(Keeping):
    def keep(self):
        self.of_class = nn.Embedding(3, 8, dtype=F64)

    def forward(self, x, labels=None):
        return self.b(torch.tanh(self.a(x) + self.of_class(labels))).flatten()


def test_without_gradients_the_plain_codes_error_is_raised():
    game = make_game(Reading(scaled_by_self), "recorded", [])
    play(game, 2)
    with torch.no_grad(), pytest.raises(RuntimeError, match="does not require grad"):
        play(game, 1)


def test_players_that_share_weights():
    class Shared(Keeping):
        def hidden(self, h):
            return h

    said, results = [], []
    for engine in ("plain", "recorded"):
        torch.manual_seed(1)
        game = make_game(Shared(), engine, said)
        game.generator[3].bias = nn.Parameter(torch.zeros(4, dtype=F64))
        game.generator.append(nn.Sequential(game.discriminator.a, nn.Linear(8, 4, dtype=F64)))
        game.g_optimiser = torch.optim.SGD(game.generator.parameters(), 1e-2)
        results.append((play(game), game))
    assert_same(results)
    assert said == []


@pytest.mark.parametrize("what", ["latent step", "loss"])
def test_rules_that_change_at_every_step(what):
    def between(game, i):
        if what == "loss":
            game.loss = losses.Loss(
                "mine", lambda t: (1 + 0.1 * i) * F.softplus(-t), losses.hinge.fake, losses.hinge.fool
            )
        else:
            game.latent = dataclasses.replace(NGD, alpha=0.5 + 0.01 * i)

    played, said = both(lambda: Reading(scaled_by_self), between, steps=10)
    assert_same(played)
    assert len(said) == 1
    assert "changes too often" in said[0]
    assert len(played[1][1]._engine.recordings) <= 3


def test_only_keys_that_come_up_again_are_kept():
    @dataclasses.dataclass
    class Thing:
        plays: int = 0

    kept, made = Kept(), 0
    for key in range(1000):
        if kept.get(key) is None and kept.wants(key):
            kept.add(key, Thing())
            made += 1
    assert made == 3
    kept = Kept()
    for i in range(100):
        key = i % 8
        if kept.get(key) is None and kept.wants(key):
            kept.add(key, Thing(plays=100))
    assert len(kept.entries) == 8


def test_functions_of_ones_own_are_looked_at():
    def f(x):
        return x * OPTIONS.alpha

    fast = record(f, [torch.ones(3)])
    assert torch.equal(fast(torch.ones(3)), f(torch.ones(3)))
    OPTIONS.alpha = 2.0
    assert torch.equal(fast(torch.ones(3)), f(torch.ones(3)))
