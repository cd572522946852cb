"""Inversion, where the nearest latent is known in closed form, and on small networks."""

import pytest
import torch
from torch import nn

from logan.errors import InputError
from logan.sampling.projection import Projection, project

SHAPE = (1, 3, 4)
N = 12
D = 5


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Linear(nn.Module):
    """x = Az + b, and with classes x = Az + b_y."""

    def __init__(self, a, b):
        super().__init__()
        self.a, self.b = a, b

    def forward(self, z, labels=None):
        return (z @ self.a.T + (self.b if labels is None else self.b[labels])).view(-1, *SHAPE)


A, B = random(N, D, seed=1), 0.1 * random(N, seed=2)
T = 0.5 * random(N, seed=3)
TARGET = T.view(1, *SHAPE)
QUICK = {"steps": 300, "starts": 2, "candidates": 8}


@pytest.mark.parametrize("weight", [0.0, 0.01, 1.0, 30.0])
def test_the_nearest_z_of_a_linear_generator_is_that_of_ridge_regression(weight):
    """(2/N AᵀA + w_p/d I) z = 2/N Aᵀ(t − b)."""
    z = torch.linalg.solve(2 / N * A.T @ A + weight / D * torch.eye(D), 2 / N * A.T @ (T - B))
    found = project(Linear(A, B), TARGET, D, Projection(prior_weight=weight, **QUICK), prior="normal")
    torch.testing.assert_close(found.z[0], z, rtol=0, atol=1e-4)
    image = A @ z + B
    torch.testing.assert_close(found.images[0].flatten(), image, rtol=0, atol=1e-3)
    torch.testing.assert_close(found.pixels[0], (image - T).square().mean(), rtol=1e-4, atol=0)
    assert found.features.isnan().all()
    assert found.labels is None


@pytest.mark.parametrize("weight", [0.1, 3.0])
def test_features_enter_by_their_weight_and_relative_to_the_target_s(weight):
    """φ(x) = 127.5 F(x + 1): least squares of both terms at once."""
    f = random(4, N, seed=4)

    def features(images):
        return images.flatten(1).double() @ f.T, images

    scale = (127.5 * f @ (T + 1)).square().sum()
    m = 127.5 * f @ A
    left = 2 / N * A.T @ A + 2 * weight / scale * m.T @ m
    right = 2 / N * A.T @ (T - B) + 2 * weight / scale * m.T @ (127.5 * f @ (T - B))
    z = torch.linalg.solve(left, right)
    settings = Projection(prior_weight=0, feature_weight=weight, **QUICK)
    found = project(Linear(A, B), TARGET, D, settings, prior="normal", features=features)
    torch.testing.assert_close(found.z[0], z, rtol=0, atol=2e-3)
    wanted = (127.5 * f @ (A @ z + B - T)).square().sum() / scale
    torch.testing.assert_close(found.features[0], wanted, rtol=1e-2, atol=1e-5)


@pytest.mark.parametrize("reach", [0.5, 3.0])
def test_a_uniform_prior_s_bounds_are_kept(reach):
    """Separable: the nearest z in the box is the clipped one."""
    target = torch.linspace(-reach, reach, N, dtype=torch.float64)
    G = Linear(torch.eye(N, dtype=torch.float64), torch.zeros(N))
    found = project(G, target.view(1, *SHAPE), N, Projection(prior_weight=0, **QUICK), prior="uniform")
    assert found.z.abs().max() <= 1
    torch.testing.assert_close(found.z[0], target.clamp(-1, 1), rtol=0, atol=1e-2)


def test_the_prior_s_weight_keeps_z_from_the_walls():
    """In one dimension, by looking at every z: (z − t)² + w u²/2 with z = erf(u/√2)."""
    weight, t = 0.3, 0.9
    u = torch.linspace(-4, 4, 200_001, dtype=torch.float64)
    z = torch.erf(u / 2**0.5)
    wanted = z[((z - t).square() + weight * u.square() / 2).argmin()]
    assert wanted < 0.8
    G = Linear(torch.ones(N, 1, dtype=torch.float64), torch.zeros(N))
    target = torch.full((1, *SHAPE), t, dtype=torch.float64)
    found = project(G, target, 1, Projection(prior_weight=weight, **QUICK))
    torch.testing.assert_close(found.z[0, 0], wanted, rtol=0, atol=1e-3)


@pytest.mark.parametrize("weight", [0.0, 10.0])
def test_on_the_sphere_the_nearest_is_the_direction(weight):
    """Whatever the prior's weight: there all z are alike."""
    G = Linear(torch.eye(N, dtype=torch.float64), torch.zeros(N))
    found = project(G, TARGET, N, Projection(prior_weight=weight, **QUICK), prior="sphere")
    torch.testing.assert_close(found.z[0], T / T.norm(), rtol=0, atol=1e-4)


def network(seed=0, classes=0):
    """A small G with random weights, float32; with classes, one that adds an embedding to z."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        body = nn.Sequential(
            nn.Linear(6, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 64), nn.Tanh(), nn.Unflatten(1, (1, 8, 8))
        )
        table = nn.Embedding(classes, 6) if classes else None

    class G(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.table = body, table

        def forward(self, z, labels=None):
            return self.body(z if labels is None else z + 3 * self.table(labels))

    return G().eval().requires_grad_(False)


def latents(n, prior, seed=7):
    source = torch.Generator().manual_seed(seed)
    z = torch.rand(n, 6, generator=source) * 1.8 - 0.9 if prior == "uniform" else torch.randn(n, 6, generator=source)
    return z / z.norm(dim=1, keepdim=True) if prior == "sphere" else z


@pytest.mark.parametrize("prior", ["uniform", "normal", "sphere"])
def test_z_is_recovered_from_its_own_picture(prior):
    G, z = network(), latents(2, prior)
    found = project(G, G(z), 6, Projection(prior_weight=0, starts=3), prior=prior)
    assert (found.z - z).abs().max() < 0.01
    assert found.pixels.max() < 1e-6


def test_what_comes_for_a_picture_depends_on_no_other_and_on_no_batch():
    G, z = network(), latents(3, "uniform")
    settings = Projection(steps=40, starts=5)
    together = project(G, G(z), 6, settings)
    for i in (2, 0):
        assert torch.equal(project(G, G(z)[i : i + 1], 6, settings).z[0], together.z[i])
    small = project(G, G(z), 6, settings, batch=3)
    torch.testing.assert_close(small.z, together.z, rtol=0, atol=1e-3)
    assert torch.equal(project(G, G(z), 6, settings).z, together.z)
    other = project(G, G(z), 6, Projection(steps=0, candidates=5, starts=1, seed=1)).z
    assert not torch.allclose(other, project(G, G(z), 6, Projection(steps=0, candidates=5, starts=1)).z)


def test_the_label_is_found():
    G, z = network(classes=4), latents(4, "uniform")
    labels = torch.tensor([2, 0, 3, 1])
    found = project(G, G(z, labels), 6, Projection(steps=48, starts=2, prior_weight=0), classes=4)
    assert found.labels.tolist() == labels.tolist()
    assert found.pixels.max() < 1e-3
    asked = project(G, G(z, labels), 6, Projection(steps=48, starts=2), classes=4, labels=[None, 0, 1, None])
    assert asked.labels.tolist() == [2, 0, 1, 1]
    assert asked.pixels[2] > 10 * found.pixels[2]  # the wrong class, since it was asked for


class Wavy(nn.Module):
    """A valley in every period, of which one is deepest."""

    def forward(self, z):
        x = torch.cat([torch.cos(9 * z), z, torch.zeros(len(z), 2)], 1)
        return x.view(-1, 1, 2, 2)


def test_several_starts_find_the_deepest_valley():
    target = Wavy()(torch.tensor([[0.62]]))
    stuck = project(Wavy(), target, 1, Projection(starts=1, candidates=1, prior_weight=0, lr=0.02, seed=3))
    found = project(Wavy(), target, 1, Projection(prior_weight=0, lr=0.02, seed=3))
    assert stuck.pixels[0] > 0.01
    torch.testing.assert_close(found.z, torch.tensor([[0.62]]), rtol=0, atol=1e-3)


def test_without_steps_it_is_the_best_candidate_and_steps_never_lose():
    G, target = network(), network(1)(latents(1, "uniform"))
    looked = [project(G, target, 6, Projection(steps=0, starts=1, candidates=n)).pixels.item() for n in (1, 20, 400)]
    assert looked[0] > looked[1] >= looked[2]
    wild = Projection(steps=10, lr=50.0, prior_weight=0, starts=1)
    assert project(G, target, 6, wild).pixels <= project(G, target, 6, Projection(steps=0, prior_weight=0)).pixels


@pytest.mark.parametrize("classes", [0, 3])
def test_pictures_are_counted(classes):
    G, settings, seen = network(classes=classes), Projection(steps=9, starts=2, candidates=10), []
    project(G, torch.zeros(2, 1, 8, 8), 6, settings, classes=classes, batch=3, progress=seen.append)
    assert sum(seen) == 2 * settings.pictures(classes)


def test_it_leaves_no_trace_and_minds_no_mode():
    G = network()
    state = {k: v.clone() for k, v in G.state_dict().items()}
    before = torch.get_rng_state()
    with torch.inference_mode():
        found = project(G, G(latents(1, "normal")), 6, Projection(steps=5), prior="normal")
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(v, state[k]) for k, v in G.state_dict().items())
    assert not found.z.requires_grad


@pytest.mark.cuda
def test_on_cuda_it_finds_the_same():
    G, z = network(), latents(2, "uniform")
    settings = Projection(prior_weight=0, starts=3)
    there = project(network().cuda(), G(z).cuda(), 6, settings)
    assert there.z.device.type == there.images.device.type == "cpu"
    assert (there.z - z).abs().max() < 0.01


class Holes(nn.Module):
    def __init__(self, network, whole):
        super().__init__()
        self.network, self.whole = network, whole

    def forward(self, z):
        return torch.where((z[:, :1] > (0 if self.whole else -9)).view(-1, 1, 1, 1), torch.nan, self.network(z))


def test_latents_whose_picture_is_no_number_are_not_taken():
    target = torch.zeros(1, 1, 8, 8)
    found = project(Holes(network(), True), target, 6, Projection(steps=20))
    assert found.images.isfinite().all()
    assert found.z[0, 0] <= 0
    with pytest.raises(InputError, match="no finite picture of any latent; use another snapshot"):
        project(Holes(network(), False), target, 6, Projection(steps=2))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"steps": -1}, "`steps`"),
        ({"starts": 0}, "`starts`"),
        ({"candidates": 0}, "`candidates`"),
        ({"starts": 9, "candidates": 8}, "`candidates` 8 must not be fewer than `starts`, 9"),
        ({"lr": 0.0}, "`lr`"),
        ({"lr": float("nan")}, "`lr`"),
        ({"feature_weight": -0.1}, "`feature_weight`"),
        ({"prior_weight": float("inf")}, "`prior_weight`"),
        ({"seed": -1}, "`seed`"),
    ],
)
def test_impossible_settings(wrong, said):
    with pytest.raises(InputError, match=said):
        Projection(**wrong)


@pytest.mark.parametrize(
    ("target", "more", "said"),
    [
        (torch.zeros(1, 1, 8, 8, dtype=torch.uint8), {}, "floating point of shape"),
        (torch.zeros(1, 8, 8), {}, "floating point of shape"),
        (torch.zeros(0, 1, 8, 8), {}, "floating point of shape"),
        (torch.full((1, 1, 8, 8), torch.nan), {}, "finite"),
        (torch.zeros(1, 3, 8, 8), {}, "of the generator's shape, 1 x 8 x 8, not 3 x 8 x 8"),
        (torch.zeros(1, 1, 4, 4), {}, "of the generator's shape"),
        (torch.zeros(1, 1, 8, 8), {"labels": [1]}, "`labels` needs a class-conditional"),
        (torch.zeros(1, 1, 8, 8), {"classes": 3, "labels": [3]}, r"0 \.\.\. 2, not 3"),
        (torch.zeros(1, 1, 8, 8), {"classes": 3, "labels": [0, 1]}, "one for each of the 1"),
        (torch.zeros(1, 1, 8, 8), {"prior": "cauchy"}, "`prior` is one of"),
        (torch.zeros(1, 1, 8, 8), {"batch": 0}, "`batch`"),
    ],
)
def test_what_does_not_fit(target, more, said):
    with pytest.raises(InputError, match=said):
        project(network(classes=more.get("classes", 0)), target, 6, Projection(steps=1), **more)
