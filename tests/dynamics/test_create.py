"""Methods by name, and what is said of a name or a value that cannot be."""

import pytest

from logan.dynamics import (
    METHODS,
    SGA,
    STRENGTHS,
    Adjustment,
    Consensus,
    Extragradient,
    GradientPenalty,
    Optimistic,
    ThreePlayer,
    Unrolled,
    UpdateRule,
    create,
)
from logan.errors import InputError

from .small import Quadratic, draws, players

DEFAULTS = {
    "sga": SGA(strength=1.0, align=False),
    "sga-aligned": SGA(strength=1.0, align=True),
    "three-player": ThreePlayer(strength=1.0, eta=None, form="printed"),
    "consensus": Consensus(strength=1.0),
    "unrolled": Unrolled(d_steps=5, g_steps=0, rate=0.1),
    "extragradient": Extragradient(),
    "optimistic": Optimistic(),
    "gradient-penalty": GradientPenalty(strength=0.02),
}


def test_all_methods_by_name_with_their_defaults():
    assert {name: create(name) for name in METHODS} == DEFAULTS
    assert all(isinstance(create(name), Adjustment | UpdateRule) for name in METHODS)


@pytest.mark.parametrize("name", STRENGTHS)
def test_strength(name):
    method = create(name, strength=0.25)
    assert getattr(method, STRENGTHS[name]) == 0.25
    assert method == type(method)(**{**DEFAULTS[name].__dict__, STRENGTHS[name]: 0.25})
    create(name, strength=0)
    assert STRENGTHS.keys() == METHODS.keys() - {"extragradient", "optimistic"}


def test_steps_of_unrolling():
    assert create("unrolled", strength=0.3, d_steps=2, g_steps=3) == Unrolled(2, 3, 0.3)
    assert create("unrolled", d_steps=0) == Unrolled(0, 0, 0.1)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("sgaa", {}, r"unknown dynamics 'sgaa'.*sga.*dynamics: sga, sga-aligned, three-player, consensus"),
        ("extragradient", {"strength": 1.0}, "`dynamics` extragradient has no `strength`"),
        ("optimistic", {"strength": 0.0}, "`dynamics` optimistic has no `strength`"),
        ("sga", {"d_steps": 1}, "`dynamics` sga has no `d_steps`: it does not unroll"),
        ("consensus", {"g_steps": 0}, "`dynamics` consensus has no `g_steps`"),
        *[(name, {"strength": -1.0}, "`strength` must be a finite number >= 0, not -1.0") for name in STRENGTHS],
        ("sga", {"strength": float("nan")}, "must be a finite number >= 0, not nan"),
        ("unrolled", {"strength": float("inf")}, "`strength` must be a finite number >= 0, not inf"),
        ("unrolled", {"d_steps": -1}, "`d_steps` must be a whole number >= 0, not -1"),
        ("unrolled", {"g_steps": 1.5}, "`g_steps` must be a whole number >= 0, not 1.5"),
    ],
)
def test_what_cannot_be(name, given, message):
    with pytest.raises(InputError, match=message):
        create(name, **given)


def test_a_near_miss_is_guessed():
    with pytest.raises(InputError, match="did you mean.*consensus"):
        create("concensus")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"form": "exact"}, "`form` is one of game, printed, no-cross, local, not 'exact'"),
        ({"eta": -0.5}, "`eta` must be a finite number >= 0"),
        ({"eta": float("inf")}, "`eta` must be"),
        ({"strength": "1"}, "`strength` must be"),
    ],
)
def test_values_of_the_three_player_game(given, message):
    with pytest.raises(ValueError, match=message):
        ThreePlayer(**given)


def test_an_adjustment_must_write_of():
    with pytest.raises(TypeError, match="Adjustment adjusts nothing"):
        Adjustment().of(Quadratic().field())
    with pytest.raises(TypeError, match="adjusts nothing"):
        Adjustment()(*players(), *draws())


def test_methods_are_values():
    """Frozen, equal and hashable: the engine keeps one recording per method."""
    for name in METHODS:
        assert hash(create(name)) == hash(DEFAULTS[name])
        for key in create(name).__dict__:
            with pytest.raises(AttributeError):
                setattr(create(name), key, 0)
