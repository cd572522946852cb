"""Losses against their formulas, and the Poisson reading of the hinge loss (appendix C)."""

import pytest
import torch

from logan import losses
from logan.errors import InputError

t = torch.linspace(-4, 4, 41, dtype=torch.float64)


def test_hinge():
    zero = torch.zeros_like(t)
    assert torch.equal(
        losses.hinge.discriminator(t, t), (torch.maximum(zero, 1 - t).mean() + torch.maximum(zero, 1 + t).mean())
    )
    # equation 42: L_D = −min(0, −1 + D(x)) − min(0, −1 − D(G(z)))
    eq42 = -torch.minimum(zero, -1 + t).mean() - torch.minimum(zero, -1 - t.flip(0) * 0.5).mean()
    torch.testing.assert_close(losses.hinge.discriminator(t, t.flip(0) * 0.5), eq42)
    assert torch.equal(losses.hinge.generator(t), -t.mean())


def test_wasserstein_is_zero_sum_in_the_fake_term():
    assert torch.equal(losses.wasserstein.discriminator(t, 2 * t + 1), (2 * t + 1).mean() - t.mean())
    assert torch.equal(losses.wasserstein.generator(t), -t.mean())


@pytest.mark.parametrize("loss", [losses.non_saturating, losses.minimax])
def test_cross_entropy_from_logits(loss):
    real, fake = t, t.flip(0) * 0.3
    expected = -torch.log(torch.sigmoid(real)).mean() - torch.log(1 - torch.sigmoid(fake)).mean()
    torch.testing.assert_close(loss.discriminator(real, fake), expected)


def test_generators_of_the_two_cross_entropies():
    torch.testing.assert_close(losses.non_saturating.generator(t), -torch.log(torch.sigmoid(t)).mean())
    torch.testing.assert_close(losses.minimax.generator(t), torch.log(1 - torch.sigmoid(t)).mean())


def test_two_logit_softmax_is_one_logit_non_saturating():
    """CS-GAN's head has two logits; with l = l₁ − l₀ its cross-entropy is this loss."""
    logits = torch.randn(9, 2, dtype=torch.float64)
    difference = logits[:, 1] - logits[:, 0]
    real = torch.nn.functional.cross_entropy(logits, torch.ones(9, dtype=torch.long))
    torch.testing.assert_close(losses.non_saturating.generator(difference), real)


def test_losses_are_finite_for_extreme_scores():
    extreme = torch.tensor([-1e4, 1e4])
    for loss in losses.LOSSES.values():
        assert loss.discriminator(extreme, extreme).isfinite()
        assert loss.generator(extreme).isfinite()


def test_poisson_reading_of_the_hinge_loss():
    """Appendix C: with rate λ = −D(G(z)) > 0, −ln p(k = 0; λ) = −D(G(z)) is the generator's hinge loss."""
    scores = -torch.rand(20, dtype=torch.float64) - 0.01
    no_votes = torch.distributions.Poisson(rate=-scores).log_prob(torch.zeros(20, dtype=torch.float64))
    torch.testing.assert_close(losses.hinge.fool(scores), -no_votes)
    torch.testing.assert_close(losses.hinge.generator(scores), -no_votes.mean())


def test_half_precision_scores_are_averaged_in_float32():
    scores = torch.full((1000,), 0.1, dtype=torch.bfloat16)
    assert losses.hinge.generator(scores).dtype == torch.float32
    torch.testing.assert_close(losses.hinge.generator(scores), -scores[0].float())


def test_unknown_loss():
    with pytest.raises(InputError, match="did you mean 'hinge'"):
        losses.get("hing")
    assert losses.get("minimax") is losses.minimax
