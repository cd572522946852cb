"""A recording proves itself: what is recorded wrongly is found at its first play, named, and not played."""

import copy
import re
from array import array

import pytest
import torch
from torch import nn

from logan import LatentStep, losses, turns
from logan.fast import engine as engines
from logan.fast import passes, proof, recorded, recording
from logan.fast.attributes import Attributes
from logan.game import Game, Rules

pytestmark = pytest.mark.usefixtures("all_checks")

F64 = torch.float64
NGD = LatentStep("ngd", alpha=0.9, beta=0.2, portion=0.75, penalty=0.4)


def players(dtype=torch.float32):
    torch.manual_seed(1)
    g = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.LeakyReLU(0.2), nn.Linear(16, 12), nn.Tanh())
    d = nn.Sequential(
        nn.utils.parametrizations.spectral_norm(nn.Linear(12, 16)),
        nn.BatchNorm1d(16),
        nn.LeakyReLU(0.2),
        nn.Linear(16, 1),
    )
    return g.to(dtype), nn.Sequential(d, nn.Flatten(0)).to(dtype)


def make_game(engine="recorded", said=None, dtype=torch.float32, **settings):
    g, d = players(dtype)
    adams = torch.optim.Adam(g.parameters(), 1e-3), torch.optim.Adam(d.parameters(), 1e-3)
    announce = pytest.fail if said is None else said.append
    return Game(g, d, *adams, **{"latent": NGD} | settings, engine=engine, announce=announce)


def play(game, steps, start=0):
    for i in range(start, start + steps):
        source = torch.Generator().manual_seed(i)
        dtype = next(game.generator.parameters()).dtype
        real = torch.rand(8, 12, generator=source, dtype=dtype) * 2 - 1
        turn = game.step(lambda: (real, None), lambda n: torch.rand(n, 6, generator=source, dtype=dtype) * 2 - 1)  # noqa: B023
    return turn


def state(game):
    return [*game.generator.state_dict().values(), *game.discriminator.state_dict().values()]


def wrong_constants(patch):
    fold = passes.fold_constants

    def wrong(module):
        fold(module)
        for name, value in module.named_buffers():
            if value.is_floating_point():
                setattr(module, name, value * 1.01)

    patch.setattr(passes, "fold_constants", wrong)


def wrong_idle(patch):
    patch.setattr(passes, "_NOTHING_DONE", {*passes._NOTHING_DONE, torch.ops.aten.tanh.default})


def wrong_merging(patch):
    """Whatever its other arguments, a product by the same first one."""
    patch.setattr(passes, "_hashable", lambda x: x[:1] if isinstance(x, tuple) else str(x))


def wrong_dropping(patch):
    """Writes into what others see are not writes."""
    patch.setattr(passes.Memory, "written_by", lambda self, node: set())


def wrong_products(patch):
    patch.setattr(passes, "ONEDNN_FROM", 0)
    multiply = passes.multiply_with_onednn

    def without_bias(graph):
        multiply(graph)
        for node in graph.nodes:
            if node.target is torch.ops.mkldnn._linear_pointwise.default:
                node.args = (*node.args[:2], None, *node.args[3:])

    patch.setattr(passes, "multiply_with_onednn", without_bias)


def wrong_casts(patch):
    """The pass doubles what it should leave alone."""
    cast_less = passes.cast_less

    def doubled(graph, touches_written):
        cast_less(graph, touches_written)
        for node in list(graph.nodes):
            if node.target is torch.ops.aten.tanh.default:
                with graph.inserting_after(node):
                    twice = graph.call_function(torch.ops.aten.add.Tensor, (node, node))
                twice.meta.update(node.meta)
                node.replace_all_uses_with(twice, delete_user_cb=lambda user: user is not twice)  # noqa: B023

    patch.setattr(passes, "cast_less", doubled)


def wrong_sums_of_products(patch):
    multiply_and_add = passes.multiply_and_add

    def subtracting(graph, touches_written):
        multiply_and_add(graph, touches_written)
        for node in graph.nodes:
            if node.target is torch.ops.aten.addcmul.default:
                node.kwargs = {"value": -1}

    patch.setattr(passes, "multiply_and_add", subtracting)


def wrong_buffers(patch):
    move_together = passes.move_together

    def faster(graph):
        move_together(graph)
        for node in graph.nodes:
            if node.target is torch.ops.aten._foreach_lerp_.Scalar:
                node.args = (*node.args[:2], 2 * node.args[2])

    patch.setattr(passes, "move_together", faster)


def wrong_results(patch):
    """Two results change places."""

    def swapped(graph):
        (output,) = (n for n in graph.nodes if n.op == "output")
        results = list(output.args[0])
        results[0], results[1] = results[1], results[0]
        output.args = (results,)

    patch.setattr(passes, "return_apart", swapped)


def wrong_arrangement(patch):
    def simultaneous(*args, rules):
        turn = turns.simultaneous(*args, rules=rules)
        gradients = [g if g is None else g.clone() for g in turn.g_gradients]
        gradients[-1][0] *= 1.001
        return turns.Turn(turn.d_loss, turn.g_loss, turn.d_gradients, gradients, turn.report)

    patch.setitem(engines.REARRANGED, turns.simultaneous, simultaneous)


def wrong_report(patch):
    def simultaneous(*args, rules):
        turn = turns.simultaneous(*args, rules=rules)
        report = turn.report | {"delta_z": 1.01 * turn.report["delta_z"]}
        return turns.Turn(turn.d_loss, turn.g_loss, turn.d_gradients, turn.g_gradients, report)

    patch.setitem(engines.REARRANGED, turns.simultaneous, simultaneous)


def wrong_random_state(patch):
    call = recording.Recording.__call__

    def draws(self, *args):
        torch.rand(1)
        return call(self, *args)

    patch.setattr(recording.Recording, "__call__", draws)


def fails_at_the_first_play(patch):
    def broken(self, *args):
        raise RuntimeError("no kernel for this\nat all")

    patch.setattr(recording.Recording, "__call__", broken)


def fails_while_shortening(patch):
    def broken(graph):
        raise KeyError("node")

    patch.setattr(passes, "merge_equal", broken)


WRONG = {
    wrong_constants: "it differs",
    wrong_idle: "it differs",
    wrong_merging: "",
    wrong_dropping: "running_",
    wrong_products: "it differs",
    wrong_casts: "it differs",
    wrong_sums_of_products: "it differs",
    wrong_buffers: "running_",
    wrong_results: "it differs",
    wrong_arrangement: "g_gradients.",
    wrong_report: "report.delta_z",
    wrong_random_state: "random|torch",
    fails_at_the_first_play: "no kernel for this",
    fails_while_shortening: "KeyError",
}


CASES = [(wrong, torch.float32, None) for wrong in WRONG] + [
    (wrong_merging, F64, None),
    (wrong_arrangement, F64, None),
    (wrong_arrangement, torch.float32, torch.bfloat16),  # by a thousandth: less than bfloat16's own roundings
    (wrong_report, torch.float32, torch.bfloat16),
]


@pytest.mark.parametrize(("wrong", "dtype", "autocast"), CASES)
def test_a_wrong_recording_is_found_and_not_played(wrong, dtype, autocast):
    said, plain = [], make_game("plain", dtype=dtype, autocast=autocast)
    fast = make_game("recorded", said, dtype=dtype, autocast=autocast)
    with pytest.MonkeyPatch.context() as patch:
        wrong(patch)
        for game in (plain, fast):
            torch.manual_seed(0)
            play(game, 5)
    assert len(said) == 1
    assert said[0].startswith("playing without the fast path")
    assert any(part in said[0] for part in WRONG[wrong].split("|"))
    for a, b in zip(state(fast), state(plain), strict=True):
        assert torch.equal(a, b)


class Hidden(nn.Module):
    strength = array("d", [1.0])  # a kind of object that nobody looks into

    def forward(self, x):
        return x * self.strength[0]


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_what_is_wrong_only_later_is_found_at_the_next_check(player):
    """What changes out of sight after step 4 is found at step 8, and the game goes on without the recording."""
    said, games = [], {}
    for engine in ("plain", "recorded"):
        game = games[engine] = make_game(engine, said)
        getattr(game, player).insert(0, Hidden())
        Hidden.strength[0] = 1.0
        play(game, 4)
        assert said == []
        Hidden.strength[0] = 0.5
        play(game, 4, start=4)
        assert game._engine is None or game._engine.recordings == [None]
    assert len(said) == 1
    assert "it differs" in said[0]


def test_checks_fall_due_at_powers_of_two_and_when_asked_for():
    entry, due = recorded.Entry(None), []
    for play_number in range(1, 9001):
        entry.check_next = play_number == 2500
        if entry.is_due():
            due.append(play_number)
    assert due == [*(2**i for i in range(11)), 2500, 4096, 8192]


@pytest.mark.parametrize("settings", [{}, {"update": "alternating", "d_steps": 2}], ids=["simultaneous", "alternating"])
def test_checks_leave_no_trace(settings, monkeypatch):
    """Bit for bit: with and without checks, and whether or not one falls between."""
    settings = settings | {"latent": LatentStep("ngd", subset="random", portion=0.5)}
    results = []
    for last in (0, 1024):
        monkeypatch.setattr(recorded, "LAST_CHECK", last)
        game = make_game(**settings)
        torch.manual_seed(0)
        turn = play(game, 5)
        if last:
            game.check_next()
        turn = play(game, 3, start=5)
        results.append([*state(game), torch.get_rng_state(), turn.d_loss, turn.g_loss, *turn.report.values()])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_another_engine_goes_on_bit_for_bit():
    """As a resumed run does: its first step is checked, where the other's fifth was not."""
    straight, first = make_game(), make_game()
    play(straight, 8)
    play(first, 5)
    second = copy.deepcopy(first)
    play(second, 3, start=5)
    assert all(torch.equal(a, b) for a, b in zip(state(straight), state(second), strict=True))


def test_roundings_are_no_differences():
    """The gradient of a bias before batch norm is nothing else."""
    g = nn.Sequential(
        nn.Linear(6, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 64), nn.BatchNorm1d(64), nn.Linear(64, 12)
    )
    d = nn.Sequential(nn.Linear(12, 64), nn.BatchNorm1d(64), nn.LeakyReLU(0.1), nn.Linear(64, 1), nn.Flatten(0))
    engine = engines.Engine(g, d, "recorded", pytest.fail)
    torch.manual_seed(0)
    real, z = torch.randn(64, 12), torch.rand(64, 6)
    plain = turns.simultaneous(copy.deepcopy(g), copy.deepcopy(d), real, z, rules=Rules(losses.hinge, NGD))
    fast = engine.play(turns.simultaneous, (real, z, None), Rules(losses.hinge, NGD))
    zero, other = plain.g_gradients[1], fast.g_gradients[1]
    assert zero.abs().max() < 1e-6
    assert ((zero - other).abs().max() / zero.abs().max()) > proof.TOLERANCE[torch.float32]


def test_what_does_not_fit_into_memory_is_not_compared(monkeypatch):
    """The plain code takes more than the recording: a run that fits only recorded goes on, and says so."""
    said, game = [], make_game(said=[])
    game.announce = said.append
    play(game, 3)
    (one,) = game._engine._all()
    before, function = [x.clone() for x in state(game)], one.function
    assert said == []

    def too_large(*inputs):
        function(*inputs)
        raise torch.OutOfMemoryError

    other = copy.deepcopy(game)
    monkeypatch.setattr(one, "function", too_large)
    play(game, 1, start=3)
    play(other, 1, start=3)
    assert "not proved" in said[0]
    assert all(torch.equal(a, b) for a, b in zip(state(game), state(other), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(state(game), before, strict=True))


def test_a_difference_is_named():
    def outcome(**tensors):
        found = proof.Outcome.__new__(proof.Outcome)
        found.tensors, found.random, found.attributes = tensors, {}, Attributes({})
        return found

    one = outcome(a=torch.tensor([1.0, 2.0]), n=torch.tensor(300_000))
    near = outcome(a=torch.tensor([1.0, 2.0 + 1e-5]), n=torch.tensor(300_000))
    for got, words in (
        (near, None),
        (outcome(a=torch.tensor([1.0, 2.001]), n=torch.tensor(300_000)), r"a \(by 0.0005 of its largest entry\)"),
        (outcome(a=torch.tensor([1.0, 2.0]), n=torch.tensor(300_001)), "n "),
        (outcome(a=torch.tensor([1.0, float("nan")]), n=torch.tensor(300_000)), "a "),
        (outcome(a=torch.tensor([1.0, 2.0], dtype=F64), n=torch.tensor(300_000)), "a"),
        (outcome(a=None, n=torch.tensor(300_000)), "a"),
        (outcome(n=torch.tensor(300_000)), "what is returned"),
    ):
        said = proof.first_difference(got, one, torch.float32)
        assert (said is None) if words is None else re.match(words, said)
