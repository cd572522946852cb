"""The source distribution and its truncation."""

import math
from dataclasses import replace

import pytest
import torch

from logan import prior
from logan.config import Config, NetworkConfig
from logan.sampling.model import draw_latents

LEVELS = [0.02, 0.3, 0.5, 0.9, 0.999]


def source(seed=0):
    return torch.Generator().manual_seed(seed)


def rejected(threshold, n, seed):
    """N(0, 1) drawn again until it is within the threshold, as it is defined."""
    kept = torch.empty(0)
    draws = source(seed)
    while len(kept) < n:
        z = torch.randn(n, generator=draws)
        kept = torch.cat([kept, z[z.abs() <= threshold]])
    return kept[:n]


def distance(a, b):
    """Kolmogorov and Smirnov's: the largest difference of the two distribution functions."""
    at = torch.cat([a, b])
    below = [torch.searchsorted(x.sort().values, at, right=True) / len(x) for x in (a, b)]
    return (below[0] - below[1]).abs().max().item()


@pytest.mark.parametrize("s", [0.0, *LEVELS])
def test_truncated_normal_latents_are_within_two_s(s):
    z = prior.draw("normal", 2000, 50, source(), s)
    assert z.abs().max() <= torch.tensor(2 * s)
    if s:
        assert z.abs().max() > 1.99 * s  # and come near it


@pytest.mark.parametrize("s", LEVELS)
def test_truncated_normal_is_what_drawing_again_gives(s):
    n = 100_000
    z = prior.draw("normal", n // 50, 50, source(1), s).flatten()
    assert distance(z, rejected(2 * s, n, seed=2)) < 1.95 * math.sqrt(2 / n)  # exceeded once in 1000


def test_truncated_normal_has_the_variance_of_the_formula():
    """1 − 2tφ(t) / (2Φ(t) − 1) for |z| ≤ t."""
    t = 1.2
    z = prior.draw("normal", 4000, 50, source(), t / 2).double()
    density = math.exp(-(t**2) / 2) / math.sqrt(2 * math.pi)
    expected = 1 - 2 * t * density / math.erf(t / math.sqrt(2))
    assert z.var().item() == pytest.approx(expected, rel=0.01)
    assert abs(z.mean().item()) < 0.005


def test_truncation_keeps_the_order_of_the_draws():
    """One and the same image, less and less extreme: a larger element stays the larger one."""
    whole, cut = (prior.draw("normal", 1, 500, source(), s)[0] for s in (1.0, 0.4))
    assert torch.equal(whole.argsort(), cut.argsort())
    assert (cut.abs() < whole.abs()).all()


def test_truncated_uniform_is_s_times_z():
    whole = prior.draw("uniform", 30, 7, source())
    for s in (0.0, *LEVELS):
        assert torch.equal(prior.draw("uniform", 30, 7, source(), s), whole * s)


def test_without_truncation_the_priors_are_as_they_are():
    assert torch.equal(prior.draw("normal", 30, 7, source(), 1.0), torch.randn(30, 7, generator=source()))
    assert torch.equal(prior.draw("uniform", 30, 7, source(), 1.0), torch.rand(30, 7, generator=source()) * 2 - 1)
    assert prior.draw("normal", 1000, 7, source()).abs().max() > 3


@pytest.mark.parametrize("kind", ["uniform", "normal"])
@pytest.mark.parametrize("s", [0.5, 1.0])
def test_the_generator_is_the_only_source_of_randomness(kind, s):
    state = torch.get_rng_state()
    first = prior.draw(kind, 5, 4, source(), s)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    assert torch.equal(first, prior.draw(kind, 5, 4, source(), s))
    assert not torch.equal(first, prior.draw(kind, 5, 4, source(1), s))


@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_what_is_drawn_next_does_not_depend_on_the_truncation(kind):
    """Labels follow latents: the same ones at every level of a truncation curve."""
    following = []
    for s in (0.1, 0.5, 1.0):
        draws = source()
        prior.draw(kind, 100, 4, draws, s)
        following.append(torch.randint(1000, (5,), generator=draws).tolist())
    assert following[0] == following[1] == following[2]


@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_shape_and_type(kind):
    for s in (0.5, 1.0):
        z = prior.draw(kind, 3, 4, source(), s)
        assert (z.shape, z.dtype) == ((3, 4), torch.float32)


@pytest.mark.parametrize("s", [0.5, 1.0])
def test_unknown_priors_are_refused(s):
    with pytest.raises(ValueError, match="'uniform' or 'normal', not 'laplace'"):
        prior.draw("laplace", 3, 4, source(), s)


@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_runs_are_sampled_with_their_own_prior_and_the_truncation_asked_for(kind):
    config = replace(Config(), networks=NetworkConfig(prior=kind, latent_dim=6))
    assert torch.equal(draw_latents(config, 9, source(), 0.4), prior.draw(kind, 9, 6, source(), 0.4))
