"""What holds of every guide: batches, seeds, types, traces, bad input."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from logan.errors import InputError
from logan.guide import GUIDES, Flow, Langevin, Latent, Metropolis, Reject, Transport, calibrate
from logan.guide.contract import without_float64
from logan.guide.draws import PROPOSAL, Draws
from logan.guide.priors import from_normal, to_normal

GUIDES_OF_TESTS = [
    Latent(steps=3),
    Langevin(steps=4, step_size=0.1),
    Langevin(steps=4, step_size=0.1, metropolis=True),
    Flow(steps=3),
    Transport(steps=3, lipschitz=0.7),
    Reject(maximum=1.0),
    Metropolis(steps=4),
]
each = pytest.mark.parametrize(
    "guide", GUIDES_OF_TESTS, ids=lambda g: g.name + "-adjusted" * getattr(g, "metropolis", False)
)


class G(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.one, self.norm, self.two = nn.Linear(5, 16), nn.BatchNorm1d(16), nn.Linear(16, 6)

    def forward(self, z, labels=None):
        h = self.norm(self.one(z)).tanh()
        return self.two(h if labels is None else h + 0.3 * labels[:, None].to(h.dtype)).view(-1, 2, 3)


class D(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.net = nn.utils.parametrizations.spectral_norm(nn.Linear(6, 1))

    def forward(self, x, labels=None):
        scores = self.net(x.flatten(1))[:, 0]
        return scores if labels is None else scores * (1 + labels.to(scores.dtype))


@pytest.fixture
def networks():
    return G().double().eval(), D().double().eval()


@pytest.fixture
def z():
    return 2 * torch.rand(24, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 1


@each
@pytest.mark.parametrize("prior", ["uniform", "normal", "sphere"])
def test_a_sample_is_the_same_in_every_batch(networks, z, guide, prior):
    if prior == "sphere":
        z = z / z.norm(dim=1, keepdim=True)
    labels = torch.arange(24) % 3
    whole = guide(*networks, z, labels, prior=prior, seed=4)
    for size in (1, 7):
        parts = [
            guide(*networks, z[i : i + size], labels[i : i + size], prior=prior, seed=4, first=i).z
            for i in range(0, 24, size)
        ]
        assert torch.allclose(torch.cat(parts), whole.z, atol=1e-10)
    assert torch.equal(guide(*networks, z, labels, prior=prior, seed=4).z, whole.z)
    if guide.name in ("langevin", "flow", "metropolis"):
        assert not torch.allclose(guide(*networks, z, labels, prior=prior, seed=5).z, whole.z)


@each
def test_it_leaves_no_trace(z, guide):
    training = guide.name != "reject"  # whose batch of those still waiting may be of one, which batch norm refuses
    G_, D_ = G().double().train(training), D().double().train(training)
    before = {k: v.clone() for net in (G_, D_) for k, v in net.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    guide(G_, D_, z)
    after = {k: v for net in (G_, D_) for k, v in net.state_dict().items()}
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert torch.equal(torch.rand(3), expected)
    assert all(p.grad is None for net in (G_, D_) for p in net.parameters())
    assert G_.training == D_.training == training


@each
def test_under_no_grad_and_inference_mode_it_is_the_same(networks, z, guide):
    plain = guide(*networks, z)
    with torch.no_grad():
        assert torch.equal(guide(*networks, z).z, plain.z)
    with torch.inference_mode():
        assert torch.equal(guide(*networks, z.clone()).z, plain.z)
    assert not plain.z.requires_grad


@each
def test_bfloat16_networks_and_latents(z, guide):
    networks = G().bfloat16().eval(), D().bfloat16().eval()
    found = guide(*networks, z.bfloat16())
    assert found.z.dtype == torch.bfloat16
    assert torch.isfinite(found.z).all()
    assert found.z.abs().max() <= 1
    assert found.before.dtype == torch.float32


@each
def test_no_steps_change_nothing(networks, z, guide):
    if guide.name == "reject":
        pytest.skip("has no steps")
    found = replace(guide, steps=0)(*networks, z)
    assert torch.equal(found.z, z)
    assert torch.equal(found.before, found.after)


def test_evaluations_are_counted(networks, z):
    counted = {g.name: g(*networks, z).evaluations.tolist() for g in GUIDES_OF_TESTS if g.name != "reject"}
    assert counted["latent"] == [4] * 24  # and one for the score at the end
    assert counted["langevin"] == [5] * 24
    assert counted["metropolis"] == [5] * 24


@pytest.mark.parametrize("prior", ["uniform", "normal", "sphere"])
def test_coordinates_go_there_and_back(z, prior):
    if prior == "sphere":
        z = z / z.norm(dim=1, keepdim=True)
    assert torch.allclose(from_normal(to_normal(z, prior), prior), z, atol=1e-12)
    corners = torch.tensor([[-1.0, 1.0]])
    assert torch.isfinite(to_normal(corners, prior)).all()


def test_draws_belong_to_samples():
    whole = Draws(3, 0, 10).normal(PROPOSAL, 2, 6)
    assert torch.equal(Draws(3, 4, 3).normal(PROPOSAL, 2, 6), whole[4:7])
    assert not torch.equal(Draws(3, 0, 10).normal(PROPOSAL, 3, 6), whole)
    many = Draws(0, 0, 20_000).normal(PROPOSAL, 0, 3)
    assert many.mean(0).abs().max() < 0.03
    assert (many.var(0) - 1).abs().max() < 0.04
    assert torch.corrcoef(many.T).fill_diagonal_(0).abs().max() < 0.03


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Langevin(steps=-1), "`steps` must be a whole number >= 0"),
        (lambda: Metropolis(steps=2.5), "`steps`"),
        (lambda: Langevin(step_size=0), "`step_size` must be > 0"),
        (lambda: Langevin(temperature=float("nan")), "`temperature`"),
        (lambda: Langevin(noise=-1), "`noise`"),
        (lambda: Langevin(metropolis=True, noise=0.5), "`metropolis` needs `noise` 1"),
        (lambda: Flow(divergence="chi"), "`divergence` is one of kl, js, logd"),
        (lambda: Flow(gamma=float("inf")), "`gamma`"),
        (lambda: Transport(lipschitz=0), "`lipschitz`"),
        (lambda: Reject(percentile=100), "`percentile`"),
        (lambda: Reject(most=0), "`most`"),
        (lambda: Latent(alpha=-1), "`alpha`"),
        (lambda: Latent(portion=0), "`portion`"),
    ],
)
def test_impossible_settings_are_refused(make, says):
    with pytest.raises(InputError, match=says):
        make()


def test_impossible_calls_are_refused(networks, z):
    for wrong, says in [
        ({"z": z[0]}, "z must be floating point"),
        ({"z": z.long()}, "z must be floating point"),
        ({"z": z[:0]}, "z must be floating point"),
        ({"z": z, "labels": torch.zeros(3)}, "`labels` must be of shape"),
        ({"z": z, "prior": "cauchy"}, "`prior` is one of"),
        ({"z": z, "first": -1}, "`first`"),
    ]:
        with pytest.raises(InputError, match=says):
            Metropolis()(*networks, **wrong)


def test_all_guides_are_tested_here():
    assert {g.name for g in GUIDES_OF_TESTS} == set(GUIDES)


def test_calibration_is_logistic_regression():
    sklearn = pytest.importorskip("sklearn.linear_model")
    source = torch.Generator().manual_seed(0)
    real, fake = torch.randn(3000, generator=source) + 0.5, torch.randn(500, generator=source) - 0.5
    found = calibrate(real, fake)
    model = sklearn.LogisticRegression(C=1e10, class_weight="balanced", tol=1e-10)
    model.fit(torch.cat([real, fake])[:, None].numpy(), [1] * 3000 + [0] * 500)
    assert found.scale == pytest.approx(model.coef_[0, 0], rel=0.02)  # Platt's targets are not quite 0 and 1
    assert found.offset == pytest.approx(model.intercept_[0], abs=0.02)
    auc = pytest.importorskip("sklearn.metrics").roc_auc_score([1] * 3000 + [0] * 500, torch.cat([real, fake]))
    assert found.auc == pytest.approx(auc)
    assert found.log_loss < found.raw_log_loss
    assert found.error < 0.04


def test_calibration_finds_the_logit_of_a_hinge_like_score():
    """p_data = N(1, 1), p_G = N(−1, 1): the logit is 2x; a score 0.3x − 4 is brought to it."""
    source = torch.Generator().manual_seed(0)
    real, fake = (0.3 * (torch.randn(20_000, generator=source) + c) - 4 for c in (1, -1))
    found = calibrate(real, fake)
    x = torch.linspace(-2, 2, 5)
    assert torch.allclose(found(0.3 * x - 4), 2 * x, atol=0.15)


def test_calibration_of_scores_that_can_be_told_apart_is_finite():
    found = calibrate(torch.linspace(5, 6, 50), torch.linspace(-6, -5, 50))
    assert 0 < found.scale < 100
    assert found.auc == 1
    assert found.log_loss < 0.05


def test_calibration_of_nothing_says_so():
    found = calibrate(torch.zeros(50), torch.zeros(50))
    assert found.auc == 0.5
    assert found.log_loss == pytest.approx(0.6931, abs=1e-3)
    assert abs(float(found(torch.zeros(1)))) < 1e-6


@pytest.mark.parametrize("bad", [torch.full((20,), float("nan")), torch.zeros(3)])
def test_what_cannot_be_calibrated_is_refused(bad):
    with pytest.raises(InputError):
        calibrate(bad, torch.zeros(50))


def test_a_guide_without_d_says_so(networks, z):
    with pytest.raises(InputError, match="asks D"):
        Latent()(networks[0], None, z)


def test_where_there_is_no_float64_guides_compute_on_the_cpu():
    assert without_float64(torch.device("mps")).type == "cpu"
    for kind in ("cpu", "cuda:1"):
        assert without_float64(torch.device(kind)) == torch.device(kind)


@pytest.mark.parametrize("prior", ["uniform", "sphere", "normal"])
@pytest.mark.parametrize("noise", [0.0, 0.3, 1.0])
def test_where_d_says_nothing_less_noise_leaves_a_flat_prior(prior, noise):
    """A cube and a sphere have no middle to go to; of a normal prior it is Che et al.'s, and the latents gather."""
    z = from_normal(torch.randn(4000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64), prior)
    found = Langevin(steps=100, step_size=0.1, noise=noise)(nn.Identity(), lambda x: 0 * x.sum(1), z, prior=prior).z
    if prior == "normal" and noise < 1:
        assert found.std() < 0.6
    else:
        assert found.std() == pytest.approx(z.std().item(), rel=0.04)


@each
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_diverged_d_is_refused(guide, bad, networks, z):
    with pytest.raises(InputError, match="not all finite"):
        guide(networks[0], lambda x: x.flatten(1).sum(1) * 0 + torch.tensor([bad] + [0.0] * (len(x) - 1)).double(), z)
    for measuring in (Reject(), Transport()):
        with pytest.raises(InputError, match="not all finite"):
            measuring.measured(networks[0], lambda x: x.flatten(1).sum(1) + bad, z)


@each
@pytest.mark.parametrize("shape", [(), (1,), (24, 2), (24, 1, 2, 2)])
def test_a_d_of_other_shapes_is_refused(guide, shape, networks, z):
    with pytest.raises(InputError, match="score"):
        guide(networks[0], lambda x: x.flatten(1).sum() * torch.ones(shape, dtype=x.dtype), z)


@each
def test_scores_may_stand_in_a_column(guide, networks, z):
    G, D = networks
    assert torch.equal(guide(G, D, z).z, guide(G, lambda x: D(x)[:, None], z).z)


@pytest.mark.parametrize(
    ("z", "prior", "message"),
    [
        (torch.randn(50, 4), "uniform", "not of `prior` uniform"),
        (torch.randn(50, 4), "sphere", "not of norm 1"),
        (torch.full((2, 4), float("nan")), "normal", "not all finite"),
    ],
)
def test_latents_of_another_prior_are_refused(z, prior, message):
    with pytest.raises(InputError, match=message):
        Latent()(nn.Identity(), lambda x: x.sum(1), z, prior=prior)


def test_the_steepest_pair_is_of_one_class():
    """Scores .01 Σz + 10 y: what a class adds is no slope in z."""
    z, labels = torch.randn(64, 4, generator=torch.Generator().manual_seed(0)).double(), torch.arange(64) % 2
    D = lambda x, y: 0.01 * x.sum(1) + 10 * y  # noqa: E731
    G = lambda z, y: z  # noqa: E731
    assert Transport().measured(G, D, z, labels, prior="normal").lipschitz < 0.021


def test_a_slope_that_cannot_be_measured_is_said():
    with pytest.raises(InputError, match="give `lipschitz`"):
        Transport()(nn.Identity(), lambda x: x.sum(1), torch.zeros(1, 4))
    z = torch.rand(8, 4)
    assert torch.equal(
        Transport()(nn.Identity(), lambda x: 0 * x.sum(1), z).z, z
    )  # a D that says nothing moves nothing


def test_gamma_and_percentile_are_one_or_the_other():
    with pytest.raises(InputError, match="one or the other"):
        Reject(gamma=-3.0, percentile=80.0)


def test_calibration_error_of_scores_that_are_alike():
    for real, fake in (
        (torch.zeros(60), torch.zeros(60)),
        ((torch.arange(60) % 4 > 0).float(), (torch.arange(60) % 4 == 0).float()),
    ):
        assert calibrate(real, fake).error < 0.02
