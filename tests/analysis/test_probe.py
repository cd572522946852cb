"""What the probe says of the spectrum, of shares, and of time."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import logan.analysis.probe as module
from logan import LatentStep
from logan.analysis.alignment import alignments
from logan.analysis.probe import Probe
from logan.analysis.spectrum import spectrum
from logan.dynamics import gan_field
from logan.game import Game
from logan.losses import wasserstein

from .small import gan

LATENT = LatentStep("gd", alpha=0.5, portion=1.0, bounds=None, penalty=0.1)


def probed(latent, eigenvalues=0, share=1.0):
    """A game whose steps change nothing, the record of one look, and the batch that was looked at."""
    g, d, real, z = gan()
    optimisers = [torch.optim.SGD(n.parameters(), lr=0.0) for n in (g, d)]
    game = Game(g, d, *optimisers, loss=wasserstein, latent=latent, latent_share=share)
    probe = Probe(game, 1, eigenvalues)
    probe.step(lambda: (real, None), lambda n: z[:n])
    return game, probe.take()[0], real, z


def of_field(game, real, z, latent):
    with gan_field(game.generator, game.discriminator, real, z, loss=wasserstein, latent=latent) as (field, _):
        return spectrum(field, k=3, tolerance=1e-10)


def test_the_spectrum_with_and_without_the_latent_step_at_one_point():
    game, seen, real, z = probed(LATENT, eigenvalues=3)
    for suffix, latent in (("", LATENT), ("_plain", None)):
        expected = of_field(game, real, z, latent)
        found = [complex(*v) for v in seen["eigenvalues" + suffix]]
        np.testing.assert_allclose(found, expected.eigenvalues, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(seen["potential" + suffix], expected.potential, rtol=1e-4)
        np.testing.assert_allclose(seen["rotation" + suffix], expected.rotation, rtol=1e-4)
        assert seen["converged" + suffix] is True
    assert abs(seen["potential"][0]) > 1.05 * abs(seen["potential_plain"][0])  # there is a difference to see


@pytest.mark.parametrize(("latent", "eigenvalues"), [(None, 2), (LATENT, 0)])
def test_only_a_latent_step_can_be_left_out(latent, eigenvalues):
    _, seen, _, _ = probed(latent, eigenvalues)
    assert not any(name.endswith("_plain") for name in seen)
    assert ("rotation" in seen) == (eigenvalues > 0)


def test_the_cosines_are_those_of_the_share_that_is_moved():
    game, seen, real, z = probed(LATENT, share=0.5)
    rules = {"loss": wasserstein, "latent": LATENT}
    expected = alignments(game.generator, game.discriminator, real, z, **rules, share=0.5)
    whole = alignments(game.generator, game.discriminator, real, z, **rules)
    for name, value in expected.items():
        assert seen[name] == pytest.approx(value.item(), rel=1e-5, abs=1e-9)
    assert seen["logan_sga_cosine"] != pytest.approx(whole["logan_sga_cosine"].item(), rel=1e-3)


def test_the_clock_is_read_when_the_device_is_done(monkeypatch):
    """Before each reading of a look, and never in a step that is not looked at."""
    happened: list[str] = []
    monkeypatch.setattr(module, "synchronize", lambda device: happened.append(f"wait for {device}"))
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: happened.append("read") or 0.0))
    g, d, real, z = gan()
    game = Game(g, d, *[torch.optim.SGD(n.parameters(), lr=0.0) for n in (g, d)], loss=wasserstein, latent=LATENT)
    probe = Probe(game, 2)
    probe.step(lambda: (real, None), lambda n: z[:n])
    assert happened == ["wait for cpu", "read"] * 4
    probe.step(lambda: (real, None), lambda n: z[:n])
    assert len(happened) == 8
