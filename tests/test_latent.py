"""The latent step against closed forms, in float64."""

import math

import pytest
import torch
from torch import nn

from logan import LatentStep

F64 = torch.float64


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def quadratic(d: int):
    """f(z) = ½ zᵀQz + bᵀz with gradient Qz + b, per sample."""
    q = torch.randn(d, d, dtype=F64)
    q, b = q + q.T, torch.randn(d, dtype=F64)
    return (lambda z: 0.5 * ((z @ q) * z).sum(1) + z @ b), (lambda z: z @ q + b)


def uniform(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, dtype=F64) * 2 - 1


def test_ngd_is_the_explicit_solve_on_the_optimised_dimensions():
    f, gradient = quadratic(10)
    z, step = uniform(5, 10), LatentStep("ngd", alpha=0.9, beta=0.3, portion=0.6, bounds=None)
    delta = step(f, z).delta
    for z_i, delta_i in zip(z, delta, strict=True):
        g = gradient(z_i[None])[0, :6]
        fisher = torch.outer(g, g) + 0.3 * torch.eye(6, dtype=F64)
        torch.testing.assert_close(delta_i[:6], 0.9 * torch.linalg.solve(fisher, g), rtol=1e-10, atol=1e-12)
        assert torch.equal(delta_i[6:], torch.zeros(4, dtype=F64))


def test_gd_is_alpha_times_the_gradient_of_the_sum():
    f, gradient = quadratic(6)
    z = uniform(4, 6)
    moved = LatentStep("gd", alpha=0.01, portion=1.0, bounds=None)(f, z)
    torch.testing.assert_close(moved.delta, 0.01 * gradient(z))
    torch.testing.assert_close(moved.z, z + 0.01 * gradient(z))
    torch.testing.assert_close(moved.scores, f(z))
    torch.testing.assert_close(moved.gradient, gradient(z))


@pytest.mark.parametrize(("beta", "bound"), [(5.0, 0.2012461179749811), (0.1, 1.4230249470757708)])
def test_ngd_length_never_exceeds_its_bound_and_reaches_it(beta, bound):
    """max ‖Δz‖ = α/(2√β) at ‖g‖ = √β; the two numbers are those of the paper's β = 5 and β = 0.1."""
    step = LatentStep("ngd", alpha=0.9, beta=beta, portion=1.0, bounds=None)
    assert math.isclose(0.9 / (2 * math.sqrt(beta)), bound)
    g = torch.randn(2000, 7, dtype=F64)
    g *= torch.logspace(-4, 4, 2000, dtype=F64)[:, None] / g.norm(dim=1, keepdim=True)
    lengths = step(lambda z: (z * g).sum(1), torch.zeros(2000, 7, dtype=F64)).delta.norm(dim=1)
    assert lengths.max() <= bound * (1 + 1e-12)
    g_at_peak = torch.zeros(1, 7, dtype=F64)
    g_at_peak[0, 3] = math.sqrt(beta)
    peak = step(lambda z: (z * g_at_peak).sum(1), torch.zeros(1, 7, dtype=F64)).delta.norm()
    torch.testing.assert_close(peak, torch.tensor(bound, dtype=F64), rtol=1e-12, atol=0)


@pytest.mark.parametrize("method", ["gd", "ngd"])
@pytest.mark.parametrize("subset", ["leading", "random"])
def test_dimensions_that_are_not_optimised_do_not_move(method, subset):
    f, _ = quadratic(10)
    z = uniform(50, 10)
    moved = LatentStep(method, alpha=0.5, beta=0.1, portion=0.65, subset=subset)(f, z)
    still = (moved.delta == 0).all(0)
    assert still.sum() == 10 - 7  # ⌊6.5⌉ = 7
    assert torch.equal(moved.z[:, still], z[:, still])
    assert (moved.z[:, ~still] != z[:, ~still]).any(0).all()


def test_random_subset_is_redrawn_per_call_and_shared_by_the_batch():
    f, _ = quadratic(20)
    step, z = LatentStep(portion=0.5, subset="random"), uniform(8, 20)
    masks = {tuple((step(f, z).delta != 0).any(0).tolist()) for _ in range(10)}
    assert len(masks) > 5
    assert all(sum(mask) == 10 for mask in masks)


@pytest.mark.parametrize(
    ("portion", "d", "count"), [(0.5, 5, 3), (0.7, 128, 90), (0.5, 256, 128), (1.0, 3, 3), (0.1, 8, 1)]
)
def test_portion_rounds_to_nearest(portion, d, count):
    g = torch.ones(d, dtype=F64)
    delta = LatentStep("gd", portion=portion, bounds=None)(lambda z: z @ g, torch.zeros(1, d, dtype=F64)).delta
    assert (delta != 0).sum() == count


def test_norm_is_over_the_optimised_dimensions_only():
    g = torch.tensor([1.0, 2.0, 100.0, 100.0], dtype=F64)
    delta = LatentStep("ngd", alpha=1, beta=1, portion=0.5, bounds=None)(
        lambda z: z @ g, torch.zeros(1, 4, dtype=F64)
    ).delta
    torch.testing.assert_close(delta[0], torch.tensor([1 / 6, 2 / 6, 0, 0], dtype=F64))


@pytest.mark.parametrize("method", ["gd", "ngd"])
def test_a_sample_does_not_depend_on_the_others(method):
    """Batch size and order change nothing: the gradient is of the sum, not of the mean."""
    net = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1), nn.Flatten(0)).double()
    step, z = LatentStep(method, alpha=0.4, beta=0.05), uniform(9, 6)
    whole = step(net, z)
    alone = torch.cat([step(net, z_i[None]).z for z_i in z])
    torch.testing.assert_close(whole.z, alone, rtol=1e-12, atol=1e-14)
    order = torch.randperm(9)
    torch.testing.assert_close(step(net, z[order]).z, whole.z[order], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("steps", [1, 2, 10])
@pytest.mark.parametrize("grad", [True, False])
def test_k_steps_evaluate_the_gradient_k_times_and_ascend(steps, grad):
    """The known defect of another implementation is a loop that returns in its first round."""
    f, gradient = quadratic(5)
    calls = 0

    def counted(z):
        nonlocal calls
        calls += 1
        return f(z)

    z = uniform(3, 5)
    step = LatentStep("ngd", alpha=0.3, beta=0.7, portion=1.0, bounds=None, steps=steps)
    with torch.set_grad_enabled(grad):
        moved = step(counted, z)
    assert calls == steps
    expected = z
    for _ in range(steps):
        g = gradient(expected)
        expected = expected + 0.3 * g / (0.7 + g.square().sum(1, keepdim=True))
    torch.testing.assert_close(moved.z, expected)
    torch.testing.assert_close(moved.delta, expected - z)
    assert (f(moved.z) > f(z)).all()


def test_bounds_and_penalty_before_clipping():
    g = torch.full((4,), 10.0, dtype=F64)
    z = torch.full((2, 4), 0.5, dtype=F64)
    moved = LatentStep("gd", alpha=0.2, portion=0.5, penalty=3.0)(lambda z: z @ g, z)
    torch.testing.assert_close(moved.z, torch.tensor([[1.0, 1.0, 0.5, 0.5]] * 2, dtype=F64))  # [0.5 + 2] = 1
    torch.testing.assert_close(moved.delta, torch.tensor([[2.0, 2.0, 0, 0]] * 2, dtype=F64))
    torch.testing.assert_close(moved.penalty, torch.tensor(3.0 * 8.0, dtype=F64))  # mean_i ‖(2, 2)‖² = 8
    free = LatentStep("gd", alpha=0.2, portion=0.5, bounds=None)(lambda z: z @ g, z)
    torch.testing.assert_close(free.z, z + free.delta)


def test_clipping_touches_optimised_dimensions_only():
    """A latent out of bounds (a normal prior) keeps its value wherever it is not optimised."""
    z = torch.tensor([[0.5, 2.0, 3.0, -4.0]], dtype=F64)
    moved = LatentStep("gd", alpha=0.1, portion=0.5)(lambda z: z.sum(1), z)
    torch.testing.assert_close(moved.z, torch.tensor([[0.6, 1.0, 3.0, -4.0]], dtype=F64))


def test_penalty_is_a_mean_over_samples_of_a_sum_over_dimensions():
    f, gradient = quadratic(6)
    z = uniform(7, 6)
    moved = LatentStep("gd", alpha=0.1, portion=1.0, penalty=300.0)(f, z)
    torch.testing.assert_close(moved.penalty, 300 * (0.1 * gradient(z)).square().sum(1).mean())


def test_sphere_projects_before_and_after():
    f, gradient = quadratic(6)
    z = torch.randn(7, 6, dtype=F64)
    moved = LatentStep("gd", alpha=0.1, portion=1.0, bounds="sphere")(f, z)
    start = z / z.norm(dim=1, keepdim=True)
    end = start + 0.1 * gradient(start)
    torch.testing.assert_close(moved.z, end / end.norm(dim=1, keepdim=True))
    torch.testing.assert_close(moved.scores, f(start))


def test_latents_of_any_shape_equal_flat_ones():
    f, _ = quadratic(12)
    z, step = uniform(5, 12), LatentStep(portion=0.4)
    flat, maps = step(f, z), step(lambda z: f(z.flatten(1)), z.view(5, 3, 2, 2))
    assert maps.z.shape == maps.delta.shape == (5, 3, 2, 2)
    assert torch.equal(maps.z.flatten(1), flat.z)
    assert torch.equal(maps.penalty, flat.penalty)


def test_scores_of_shape_b_1_are_taken():
    f, _ = quadratic(4)
    z, step = uniform(3, 4), LatentStep()
    column = step(lambda z: f(z)[:, None], z)
    assert column.scores.shape == (3,)
    assert torch.equal(column.z, step(f, z).z)


def test_gradients_of_small_scores_survive_autocast_and_half_latents():
    """‖g‖² of g ~ 1e-5 is 1e-10: zero in float16. The step's arithmetic is float32 whatever the networks run in."""
    w = (torch.ones(8) * 1e-5).requires_grad_()
    step = LatentStep("ngd", alpha=0.9, beta=1e-9, portion=1.0)
    expected = 0.9 * 1e-5 / (1e-9 + 8e-10)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        moved = step(lambda z: torch.nn.functional.linear(z, w[None])[:, 0], torch.zeros(2, 8))
    assert moved.delta.dtype == torch.float32
    torch.testing.assert_close(moved.delta, torch.full((2, 8), expected), rtol=1e-2, atol=0)
    half = LatentStep("gd", alpha=1.0, portion=1.0)(
        lambda z: (z * 0.125).sum(1), torch.zeros(2, 8, dtype=torch.float16)
    )
    assert half.z.dtype == torch.float16
    assert half.delta.dtype == torch.float32


def test_autocast_runs_f_in_half_and_the_rest_in_full():
    seen = []
    net = nn.Linear(8, 1)

    def f(z):
        y = net(z)
        seen.append(y.dtype)
        return y

    with torch.autocast("cpu", dtype=torch.bfloat16):
        moved = LatentStep()(f, torch.rand(4, 8))
    assert seen == [torch.bfloat16]
    assert moved.z.dtype == moved.delta.dtype == moved.penalty.dtype == torch.float32
    moved.penalty.backward()
    assert net.weight.grad.abs().sum() > 0


def test_labels_closed_over():
    embed, net = nn.Embedding(3, 4).double(), nn.Linear(4, 1).double()
    labels = torch.tensor([0, 2, 1])
    moved = LatentStep(portion=1.0)(lambda z: net(z * embed(labels)).flatten(), uniform(3, 4))
    moved.z.sum().backward()
    assert embed.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_without_grad_it_moves_and_returns_constants(context):
    net = nn.Linear(4, 1)
    z, step = torch.rand(3, 4), LatentStep(portion=1.0, steps=3)
    with context():
        moved = step(lambda z: net(z).flatten(), z.clone())
    assert not moved.z.requires_grad
    assert not moved.penalty.requires_grad
    assert net.weight.grad is None
    torch.testing.assert_close(moved.z, step(lambda z: net(z).flatten(), z).z.detach())


def test_a_learned_prior_gets_its_gradient():
    """z may itself depend on parameters: z′ is differentiable with respect to them too."""
    f, gradient = quadratic(3)
    z = uniform(2, 3).requires_grad_()
    moved = LatentStep("gd", alpha=0.1, portion=1.0, bounds=None)(f, z)
    (dz,) = torch.autograd.grad(moved.z.sum(), z)
    q = torch.autograd.functional.jacobian(lambda v: gradient(v[None])[0], z[0].detach())
    torch.testing.assert_close(dz[0], (torch.eye(3, dtype=F64) + 0.1 * q).sum(0))


def test_stop_gradient_is_a_constant_for_the_player_it_names():
    net = nn.Linear(4, 1)
    for stop, stopped in {"none": (), "generator": ("generator",), "both": ("generator", "discriminator")}.items():
        moved = LatentStep(stop_gradient=stop)(lambda z: net(z).flatten(), torch.rand(3, 4))
        for player in ("generator", "discriminator"):
            view = moved.seen_by(player)
            assert view.z.requires_grad == view.penalty.requires_grad == (player not in stopped)
            assert torch.equal(view.z, moved.z)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("method", "newton"),
        ("portion", 1.5),
        ("portion", 0.0),
        ("beta", 0.0),
        ("beta", -1.0),
        ("alpha", math.nan),
        ("penalty", -1.0),
        ("bounds", (1.0, -1.0)),
        ("bounds", "ball"),
        ("subset", "last"),
        ("steps", 0),
        ("steps", 1.5),
        ("stop_gradient", "all"),
        ("penalty_in", "discriminator"),
    ],
)
def test_fields_out_of_range_are_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field):
        LatentStep(**{field: value})


def test_bad_f_and_z_are_refused_in_one_line():
    step = LatentStep()
    with pytest.raises(ValueError, match="one score per sample"):
        step(lambda z: z.sum(), torch.rand(3, 4))
    with pytest.raises(ValueError, match="one score per sample"):
        step(lambda z: z[:, :2], torch.rand(3, 4))
    with pytest.raises(ValueError, match="does not depend on z"):
        step(lambda z: z.detach().sum(1), torch.rand(3, 4))
    with pytest.raises(ValueError, match="does not depend on z"):
        step(lambda z: torch.ones(3, requires_grad=True) * 2, torch.rand(3, 4))
    with pytest.raises(ValueError, match=r"\(B, d\)"):
        step(lambda z: z, torch.rand(4))
    with pytest.raises(ValueError, match="floating point"):
        step(lambda z: z, torch.ones(4, 4, dtype=torch.int64))
    with pytest.raises(ValueError, match="leaves none"):
        LatentStep(portion=0.01)(lambda z: z.sum(1), torch.rand(3, 4))


@pytest.mark.parametrize("stop", ["none", "both"])
def test_a_move_shows_itself_in_a_line(stop):
    """Shapes and the numbers that people look for, whatever the size and the prior."""
    z = torch.zeros(64, 300, dtype=torch.float64, requires_grad=True)
    step = LatentStep("gd", alpha=0.5, portion=1.0, penalty=2.0, bounds=None, stop_gradient=stop)
    shown = repr(step(lambda z: 3 * z[:, 0], z))
    told = "Moved(z (64, 300) float64 on cpu, f(z) 0, ‖g‖² 9, ‖Δz‖ 1.5, penalty 4.5"
    assert shown == told + ("" if stop == "none" else ", Δz constant for both") + ")"
