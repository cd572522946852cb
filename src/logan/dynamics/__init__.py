"""Game dynamics beside latent optimisation: methods that adjust the two players' gradients, or how they step.

An :class:`Adjustment` is a drop-in for :func:`logan.game.simultaneous`; an :class:`UpdateRule` changes how the optimisers step.
Both go into ``logan.game.Game(dynamics=…)`` and are ``--dynamics NAME`` on the command line. All second-order terms are exact,
by Jacobian-vector products; none forms a Hessian. Two time scales (Heusel et al. 2017) need no method: give the two
optimisers different rates (``--g-lr``, ``--d-lr``).

To add one: write its class in a file of its own, with its source, and enter it in ``METHODS``.
"""

from __future__ import annotations

from collections.abc import Callable

from logan.dynamics.adjustment import Adjustment
from logan.dynamics.consensus import Consensus, GradientPenalty
from logan.dynamics.field import Field
from logan.dynamics.gan import DISCRIMINATOR, GENERATOR, gan_field
from logan.dynamics.sga import SGA
from logan.dynamics.three_player import ThreePlayer
from logan.dynamics.unrolled import Unrolled
from logan.dynamics.updates import Extragradient, Optimistic, UpdateRule
from logan.errors import InputError, did_you_mean

Dynamics = Adjustment | UpdateRule

METHODS: dict[str, Callable[..., Dynamics]] = {
    "sga": SGA,
    "sga-aligned": lambda **given: SGA(align=True, **given),
    "three-player": ThreePlayer,
    "consensus": Consensus,
    "unrolled": Unrolled,
    "extragradient": Extragradient,
    "optimistic": Optimistic,
    "gradient-penalty": GradientPenalty,
}
STRENGTHS = {
    **dict.fromkeys(("sga", "sga-aligned", "three-player", "consensus", "gradient-penalty"), "strength"),
    "unrolled": "rate",
}
"""What ``strength`` means in :func:`create`; methods that are not here have none."""


def create(
    name: str, *, strength: float | None = None, d_steps: int | None = None, g_steps: int | None = None
) -> Dynamics:
    """The method of that name.

    Args:
        name: a key of ``METHODS``.
        strength: λ of SGA and the three-player game, γ of consensus, w of the gradient penalty, α of unrolling; None is the
            method's default.
        d_steps, g_steps: of unrolling; None is its default.

    Raises:
        InputError: for an unknown name, a value out of range, or one that the method does not have.

    Example:
        In the bilinear game L_1 = xy, L_2 = −xy the gradients only turn, and SGA adds what leads inwards:

        >>> import torch
        >>> x, y = torch.tensor([1.0], requires_grad=True), torch.tensor([0.0], requires_grad=True)
        >>> field = Field(lambda d, g: ((d[0] * g[0]).sum(), -(d[0] * g[0]).sum()), ((x,), (y,)))
        >>> [[v.item() for v in player] for player in field.xi]
        [[0.0], [-1.0]]
        >>> [[v.item() for v in player] for player in create("sga", strength=1.0).of(field)]
        [[1.0], [-1.0]]
    """
    if name not in METHODS:
        hint = did_you_mean(name, list(METHODS))
        raise InputError(f"unknown dynamics {name!r}{hint}; dynamics: {', '.join(METHODS)}", "dynamics")
    given: dict[str, float] = {}
    if strength is not None:
        if name not in STRENGTHS:
            raise InputError(f"`dynamics` {name} has no `strength`")
        given[STRENGTHS[name]] = strength
    for key, value in (("d_steps", d_steps), ("g_steps", g_steps)):
        if value is not None:
            if name != "unrolled":
                raise InputError(f"`dynamics` {name} has no `{key}`: it does not unroll")
            given[key] = value
    try:
        return METHODS[name](**given)
    except InputError as error:
        raise error.renamed({"rate": "strength"}) from None


__all__ = [
    "DISCRIMINATOR",
    "GENERATOR",
    "METHODS",
    "SGA",
    "Adjustment",
    "Consensus",
    "Dynamics",
    "Extragradient",
    "Field",
    "GradientPenalty",
    "Optimistic",
    "ThreePlayer",
    "Unrolled",
    "UpdateRule",
    "create",
    "gan_field",
]
