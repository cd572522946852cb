"""Where the deterministic guides lead, in closed form."""

import math

import pytest
import torch

from logan import LatentStep
from logan.guide import Flow, Latent, Transport
from logan.guide.transport import steepest

IDENTITY = torch.nn.Identity()
CENTRE = torch.tensor([0.3, -0.2], dtype=torch.float64)


def bowl(a):
    return lambda x: -a / 2 * (x - CENTRE).square().sum(1)


def away(z):
    return (z - CENTRE).norm(dim=1)


@pytest.fixture
def z():
    return 2 * torch.rand(40, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 1


@pytest.mark.parametrize("method", ["gd", "ngd"])
def test_latent_is_the_latent_step_many_times(z, method):
    guide = Latent(steps=7, method=method, alpha=0.4, beta=0.3, portion=0.5)
    step = LatentStep(method, alpha=0.4, beta=0.3, portion=0.5, penalty=0.0, steps=7)
    assert torch.allclose(guide(IDENTITY, bowl(1.5), z).z, step(bowl(1.5), z).z.detach(), atol=1e-12)


def test_flow_of_kl_contracts_by_its_step(z):
    found = Flow(steps=6, step_size=0.2, gamma=0.0)(IDENTITY, bowl(1.5), z)
    assert torch.allclose(found.z - CENTRE, (z - CENTRE) * (1 - 0.2 * 1.5) ** 6, atol=1e-12)


@pytest.mark.parametrize(("divergence", "sign"), [("js", 1), ("logd", -1)])
def test_flow_of_the_others_weighs_by_what_d_thinks(z, divergence, sign):
    """Of a linear d = w·z + b: the radius along w solves one equation, step by step."""
    w, b = torch.tensor([0.7, 0.4], dtype=torch.float64), 0.3
    found = Flow(steps=5, step_size=0.05, gamma=0.0, divergence=divergence)(
        IDENTITY, lambda x: x @ w + b, z, prior="normal"
    )
    d = (z @ w + b).tolist()
    for _ in range(5):
        d = [v + 0.05 * float(w @ w) / (1 + math.exp(-sign * v)) for v in d]
    assert torch.allclose(found.after, torch.tensor(d, dtype=torch.float64), atol=1e-12)


def test_flow_with_entropy_is_stationary_at_its_temperature():
    """z ← (1 − ηa) z + √(2γη) n has the variance 2γη/(1 − (1 − ηa)²), which goes to γ/a with η."""
    a, eta, gamma = 2.0, 0.1, 0.05
    z = torch.zeros(20_000, 1, dtype=torch.float64)
    found = Flow(steps=60, step_size=eta, gamma=gamma)(
        IDENTITY, lambda x: -a / 2 * x.square().sum(1), z, prior="normal"
    )
    assert found.z.var() == pytest.approx(2 * gamma * eta / (1 - (1 - eta * a) ** 2), rel=0.03)


def test_flow_stays_within_the_prior():
    def up(x):
        return x.sum(1)

    z = torch.full((3, 2), 0.5)
    assert torch.equal(Flow(steps=50, step_size=0.1, gamma=0.0)(IDENTITY, up, z).z, torch.ones(3, 2))
    assert (
        Flow(steps=5, gamma=0.0)(IDENTITY, up, z / z.norm(dim=1, keepdim=True), prior="sphere")
        .z.norm(dim=1)
        .allclose(torch.ones(3))
    )


@pytest.mark.parametrize("k", [0.3, 0.8, 5.0])
def test_transport_goes_on_until_d_is_no_steeper_than_k(z, k):
    """argmin ‖z − z₀‖ + a/(2k) ‖z − c‖² is at the distance min(‖z₀ − c‖, k/a) from c, on the straight line."""
    a = 1.5
    found = Transport(steps=600, step_size=0.05, lipschitz=k)(IDENTITY, bowl(a), z)
    assert torch.allclose(away(found.z), away(z).clamp(max=k / a), atol=1e-6)
    straight = torch.nn.functional.cosine_similarity(found.z - CENTRE, z - CENTRE)
    assert torch.allclose(straight, torch.ones_like(straight))


def test_transport_of_a_critic_that_is_steeper_than_k_ends_at_its_top(z):
    """D = −s‖z − c‖ with s > k: all that D wants is worth the way."""
    found = Transport(steps=400, step_size=0.02, lipschitz=0.5)(IDENTITY, lambda x: -2 * (x - CENTRE).norm(dim=1), z)
    assert (away(found.z) < 0.1).all()  # a step there is 0.02 · 2/0.5, less 0.02: it goes to and fro


def test_transport_measures_the_steepest_pair(z):
    w = torch.tensor([3.0, 4.0], dtype=torch.float64)
    line = torch.tensor([[0.0, 0.0], [0.3, 0.4], [0.4, -0.3]], dtype=torch.float64)  # the second along w
    assert steepest(line, line @ w) == pytest.approx(5.0)
    assert steepest(z, z @ w) <= 5
    measured = Transport().measured(IDENTITY, lambda x: x @ w, line)
    assert measured.lipschitz == pytest.approx(5.0)
    assert Transport(lipschitz=2.0).measured(IDENTITY, lambda x: x @ w, line).lipschitz == 2.0
