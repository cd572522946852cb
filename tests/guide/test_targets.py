"""With D the true log-ratio, the samplers make the data of a wrong G; with a D that knows nothing, nothing changes."""

import math

import pytest
import torch

from logan.guide import GUIDES, Flow, Langevin, Latent, Metropolis, Reject, Transport

from .worlds import DATA, Nothing, energy_distance, latents, world

N = 1500
SAME = 0.012
"""Two sets of 1,500 points of one distribution: |energy distance| stays below 0.006 in 40 of 40 seeds."""


def far(guide, prior, n=N, seed=1, **kwargs):
    generator, ratio = world(prior)
    found = guide(generator, ratio, latents(n, prior), prior=prior, seed=seed, **kwargs)
    return energy_distance(generator(found.z), DATA.draw(n, 5)), found


def test_the_worlds_are_wrong_to_begin_with():
    for prior in ("normal", "uniform"):
        assert far(Metropolis(steps=0), prior)[0] > 0.2


@pytest.mark.parametrize("prior", ["normal", "uniform"])
@pytest.mark.parametrize(
    "guide",
    [
        Langevin(steps=150, step_size=0.06),
        Langevin(steps=150, step_size=0.2, metropolis=True),
        Metropolis(steps=80),
        Reject(maximum=3.0),
    ],
    ids=lambda g: f"{g.name}{'-adjusted' * getattr(g, 'metropolis', False)}",
)
def test_the_data_come_of_a_wrong_g(guide, prior):
    distance, found = far(guide, prior)
    assert distance < SAME
    assert found.z.dtype == torch.float32
    assert prior == "normal" or found.z.abs().max() <= 1


@pytest.mark.parametrize("prior", ["normal", "uniform"])
@pytest.mark.parametrize("make", [lambda k: Langevin(steps=k, step_size=0.06), lambda k: Metropolis(steps=k)])
def test_it_comes_nearer_with_the_steps(make, prior):
    distances = [far(make(k), prior)[0] for k in (0, 3, 15, 80)]
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < distances[0] / 10


def test_unadjusted_steps_have_a_bias_that_adjusting_takes_away():
    """Of large steps: on N(0, 0.2² I) in place of N(0, I), where the chain of ε = 0.08 has another variance than its target."""
    generator, wanted = torch.nn.Identity(), 0.2

    def ratio(x):
        return -x.square().sum(1) / 2 * (1 / wanted**2 - 1)

    z = wanted * latents(20_000, "normal")
    plain, exact = (
        Langevin(steps=20, step_size=0.08, metropolis=m)(generator, ratio, z, prior="normal") for m in (False, True)
    )
    # one dimension by itself: u' = c u + s n is stationary at s²/(1 − c²)
    delta, slope = 0.04, -(1 / wanted**2 - 1)
    c, s2 = ((2 - delta) + 2 * delta * slope) / (2 + delta), 8 * delta / (2 + delta) ** 2
    assert plain.z.var() == pytest.approx(s2 / (1 - c**2), rel=0.03)
    assert abs(s2 / (1 - c**2) / wanted**2 - 1) > 0.5
    assert exact.z.var() == pytest.approx(wanted**2, rel=0.03)
    assert 0.3 < exact.accepted.mean() < 0.95


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 3.0])
@pytest.mark.parametrize("prior", ["normal", "uniform"])
def test_a_d_that_knows_nothing_leaves_the_prior_whatever_the_step(prior, epsilon):
    z = latents(20_000, prior)
    found = Langevin(steps=5, step_size=epsilon)(torch.nn.Identity(), Nothing(), z, prior=prior, seed=3).z
    assert found.var() == pytest.approx(1 if prior == "normal" else 1 / 3, rel=0.02)
    assert found.mean().abs() < 0.02
    if prior == "uniform":  # flat, not only of the same variance
        assert torch.histc(found, 10, -1, 1).std() < 4 * math.sqrt(4000)


@pytest.mark.parametrize("guide", [Latent(), Flow(gamma=0.0), Transport(), Reject()], ids=lambda g: g.name)
def test_a_d_that_knows_nothing_changes_no_latent(guide):
    z = latents(64, "uniform")
    found = guide(torch.nn.Identity(), Nothing(), z)
    assert torch.equal(found.z, z)
    assert torch.equal(found.before, found.after)


def test_an_independence_chain_with_a_d_that_knows_nothing_draws_the_prior_anew():
    found = Metropolis(steps=3)(torch.nn.Identity(), Nothing(), latents(20_000, "uniform"))
    assert found.accepted.min() == 1
    assert found.z.var() == pytest.approx(1 / 3, rel=0.02)


def test_rejection_accepts_at_the_exact_rate():
    """E_G[exp(d − M)] = exp(−M), since E_G[p_data/p_G] = 1; so a sample takes exp(M) draws on average."""
    highest = 2.5
    generator, ratio = world("normal")
    assert ratio(generator(latents(100_000, "normal", 9))).max() < highest
    found = Reject(maximum=highest)(generator, ratio, latents(4000, "normal"), prior="normal", seed=2)
    draws = found.evaluations.double()
    assert draws.mean() == pytest.approx(math.exp(highest), rel=0.06)
    assert draws.std() == pytest.approx(draws.mean().item(), rel=0.15)  # geometric


def test_the_percentile_sets_the_share_that_is_accepted_at_once():
    generator, ratio = world("normal")
    z = latents(4000, "normal", 7)
    half = Reject(percentile=50).measured(generator, ratio, z, prior="normal")
    some = Reject(percentile=95).measured(generator, ratio, z, prior="normal")
    first = [(r(generator, ratio, z, prior="normal").evaluations == 1).double().mean().item() for r in (half, some)]
    assert first[0] == pytest.approx(0.5, abs=0.08)
    assert 0.03 < first[1] < 0.12


def test_rejection_that_finds_none_takes_the_best():
    def ratio(x):
        return x[:, 0] - 100

    z = latents(32, "uniform")
    found = Reject(maximum=0.0, most=50)(torch.nn.Identity(), ratio, z)
    assert (found.evaluations == 50).all()
    assert (found.accepted == 0).all()
    assert (found.after >= found.before).all()
    assert (found.z[:, 0] > 0.5).all()


def test_every_guide_has_its_name():
    assert list(GUIDES) == ["latent", "langevin", "flow", "transport", "reject", "metropolis"]
    assert all(kind.name == name for name, kind in GUIDES.items())
