"""Looks at the game from inside while it is trained: what ``--probe`` writes into ``stats.jsonl``."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from logan.analysis.alignment import alignments
from logan.analysis.scaling import curvature, scaling
from logan.devices import synchronize
from logan.dynamics import gan_field
from logan.errors import InputError
from logan.game import Game, Latents, RealBatches
from logan.latent import LatentStep
from logan.side_effects import held, no_side_effects, on_copies_of_state, same_random_numbers_next
from logan.turns import Rules, Turn, call, in_precision, move, trainable


@dataclass
class Probe:
    """Plays a game's steps, and looks at one in every ``every``. The game is the one that it would be without.

    What it writes of a step, besides its number:

    * ``d_update``, ``g_update``: ‖Δθ_D‖ and ‖Δθ_G‖ of the step, of all trainable parameters together (Figure 4b);
    * ``norm_g``, ``scale``, ``curvature``: means over the batch of ‖g‖, of α/(β + ‖g‖²) and of C = 1/(β + ‖g‖²) (4a; the
      last two for natural gradient descent);
    * ``delta_z``, ``delta_f``: means over the batch of ‖Δz‖ and of |f(z + Δz) − f(z)| (5a);
    * the cosines of :mod:`logan.analysis.alignment`;
    * ``eigenvalues``, ``potential``, ``rotation``: the leading ones of the Jacobian of ξ, latent step included but not what the
      game's dynamics make of it, and of its two parts (:mod:`logan.analysis.spectrum`); complex numbers as [real, imaginary];
      ``converged``: whether these are all that were asked for. With a latent step, ``eigenvalues_plain`` and so on are
      those of the ordinary game (no latent step) at the same parameters, on the same batch;
    * ``seconds``: what looking took.

    All but the updates are of the step's batch at the parameters after the step.

    Attributes:
        game: whose steps are played.
        every: steps from one look to the next; 0 never looks.
        eigenvalues: how many; 0 for none.
        records: what was seen and not yet taken away.
        seconds: spent on looking since :meth:`take_seconds` was last called.
    """

    game: Game
    every: int
    eigenvalues: int = 0
    records: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    def step(self, reals: RealBatches, latents: Latents) -> Turn:
        """Play one step of the game, and look at it if it is one to be looked at."""
        if self.every == 0 or self.game.steps_played % self.every:
            return self.game.step(reals, latents)
        began = self._clock()
        batch: dict[str, Any] = {}

        def seen_reals() -> tuple[Tensor, Tensor | None]:
            batch["real"], batch["labels"] = reals()
            return batch["real"], batch["labels"]

        def seen_latents(n: int) -> Tensor:
            batch["z"] = latents(n)
            return batch["z"]

        players = (self.game.discriminator, self.game.generator)
        before = [[p.detach().clone() for p in trainable(player)] for player in players]
        started = self._clock()
        turn = self.game.step(seen_reals, seen_latents)
        ended = self._clock()
        updates = [_distance(trainable(player), old) for player, old in zip(players, before, strict=True)]
        record = {"steps": self.game.steps_played, "d_update": updates[0], "g_update": updates[1]}
        record |= self._latents(**batch) | self._spectrum(**batch)
        spent = self._clock() - began - (ended - started)
        self.seconds += spent
        self.records.append({k: _plain(v) for k, v in record.items()} | {"seconds": round(spent, 4)})
        return turn

    def _clock(self) -> float:
        """Seconds, once the device has done what it was asked for until now: what came before is not the probe's."""
        synchronize(next(self.game.generator.parameters()).device)
        return time.monotonic()

    def take(self) -> list[dict[str, Any]]:
        """What was seen since the last time."""
        taken, self.records = self.records, []
        return taken

    def take_seconds(self) -> float:
        """Seconds spent on looking since the last time."""
        taken, self.seconds = self.seconds, 0.0
        return taken

    @torch.no_grad()
    def _latents(self, real: Tensor, z: Tensor, labels: Tensor | None) -> dict[str, Any]:
        game, latent = self.game, self.game.latent
        if latent is None:
            return {}
        g, d = game.generator, game.discriminator
        # D and G as they are: passes inside leave no trace in them or in the random numbers.
        with (
            held(g, d, move=False),
            no_side_effects(),
            same_random_numbers_next(z.device),
            in_precision(z, game.autocast),
        ):
            moved = move(g, d, z, labels, game.rules)
            n = len(moved.scores)
            after = call(d, call(g, moved.z, labels), labels).flatten()[:n]
        norm = torch.linalg.vector_norm(moved.gradient.flatten(1), dim=1)
        seen = {
            "norm_g": norm.mean(),
            "delta_z": torch.linalg.vector_norm(moved.delta[:n].flatten(1), dim=1).mean(),
            "delta_f": (after.float() - moved.scores.float()).abs().mean(),
        }
        if isinstance(latent, LatentStep) and latent.method == "ngd":
            seen["scale"] = scaling(norm, latent.alpha, latent.beta).mean()
            seen["curvature"] = curvature(norm, latent.beta).mean()
        return seen | alignments(g, d, real, z, labels, rules=game.rules)

    def _spectrum(self, real: Tensor, z: Tensor, labels: Tensor | None) -> dict[str, Any]:
        if self.eigenvalues == 0:
            return {}
        rules = self.game.rules
        found = self._eigenvalues(rules, real, z, labels)
        if rules.latent is not None:
            plain = self._eigenvalues(replace(rules, latent=None), real, z, labels)
            found |= {f"{name}_plain": value for name, value in plain.items()}
        return found

    def _eigenvalues(self, rules: Rules, real: Tensor, z: Tensor, labels: Tensor | None) -> dict[str, Any]:
        """Those of the game by these rules; the networks and the random numbers stay as they are."""
        from logan.analysis.spectrum import spectrum

        players = (self.game.generator, self.game.discriminator)
        field_here = gan_field(*players, real, z, labels, rules=rules)
        with on_copies_of_state(*players), same_random_numbers_next(z.device), field_here as (here, _):
            try:
                found = spectrum(here, k=self.eigenvalues)
            except InputError:  # a run that has diverged is no reason to stop it
                return {"converged": False}
        names = ("eigenvalues", "potential", "rotation", "converged")
        return {n: v if isinstance(v, bool) else list(v) for n in names for v in [getattr(found, n)]}


@torch.no_grad()
def _distance(a: list[Any], b: list[Tensor]) -> Tensor:
    return torch.stack([(x - y).square().sum() for x, y in zip(a, b, strict=True)]).sum().sqrt()


def _plain(value: Any) -> Any:
    """For JSON: numbers as floats (None where not finite), complex numbers as pairs."""
    if isinstance(value, list):
        return [_plain(v) for v in value]
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, complex):
        return [_plain(value.real), _plain(value.imag)]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
